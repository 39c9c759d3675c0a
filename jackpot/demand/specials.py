"""Declared specials: forecast from their own past level, never from the ordinary draws alone, nor these from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .base import Array

UNKNOWN_SD = 1.0
ONCE_SEEN_SD = 0.6
SMALLEST_SD = 0.2


@dataclass(frozen=True)
class SpecialLevels:
    """By name: the last log ratio of a special's sales to the ordinary forecast, and the spread of its next."""

    last: Mapping[str, tuple[float, float]]

    @classmethod
    def learn(cls, names: pd.Series, log_ratios: Array) -> SpecialLevels:
        """Return the levels from past draws: `names` (empty for ordinary draws) and log ratios, both (n,)."""
        levels = {}
        values = names.to_numpy(dtype=object)
        for name in sorted({str(value) for value in values if value}):
            past = log_ratios[values == name]
            changes = np.diff(past)[-5:]
            sd = max(SMALLEST_SD, float(np.sqrt(np.mean(changes**2)))) if len(changes) else ONCE_SEEN_SD
            levels[name] = (float(past[-1]), sd)
        return cls(levels)

    def _of(self, names: Iterable[str], place: int, unknown: float) -> Array:
        return np.array([(self.last.get(n, (0.0, unknown))[place] if n else 0.0) for n in names])

    def ratios(self, names: Iterable[str]) -> Array:
        """Return the log ratio of each draw, 0 for ordinary ones and for specials never seen."""
        return self._of(names, 0, 0.0)

    def sds(self, names: Iterable[str]) -> Array:
        """Return its standard deviation, 0 for ordinary draws, 1 for specials never seen."""
        return self._of(names, 1, UNKNOWN_SD)

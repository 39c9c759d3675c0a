"""What a forecast is made of, and what has moved since the last one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from .combination import CombinedDemand
from .state_space import StateSpaceDemand

Explained = CombinedDemand | StateSpaceDemand


@dataclass(frozen=True)
class Part:
    """One part of a forecast: its log effect, and the same as a factor on sales (for `level`, sales themselves)."""

    name: str
    log_effect: float

    @property
    def factor(self) -> float:
        """Return exp of the effect."""
        return math.exp(self.log_effect)


def parts(demand: Explained, jackpot: float, date: pd.Timestamp) -> tuple[Part, ...]:
    """Return the parts of the median forecast of a draw at a jackpot; their factors multiply to it.

    `level` is sales at the reference jackpot (the median of training) on an average date; `jackpot`, `weekday`,
    `days_since_last_draw`, `season`, `holidays_and_month`, `rollovers_and_habit`, `last_errors` (what autocorrelation
    and boosting make of the last draws' errors) and `special` are effects over it.
    """
    return tuple(Part(name, effect) for name, effect in demand.log_parts(jackpot, date).items())


def moved(before: Explained, now: Explained, jackpot: float, date: pd.Timestamp) -> tuple[Part, ...]:
    """Return how each part of the forecast of the same draw changed between two states, largest change first."""
    old = before.log_parts(jackpot, date)
    changes = [Part(name, effect - old[name]) for name, effect in now.log_parts(jackpot, date).items()]
    return tuple(sorted(changes, key=lambda part: -abs(part.log_effect)))

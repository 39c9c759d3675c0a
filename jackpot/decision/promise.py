"""A rule on what happens at a jackpot, to be kept with a probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from .grid import StepGrid
from .payout_ratio import RatioTest
from .situation import Array

Mask = npt.NDArray[np.bool_]
Side = Literal[1, -1]

ROUNDING = 1e-9


@dataclass(frozen=True)
class RatioLimit:
    """A floor (side 1) under the payout ratio of a test, or a ceiling (side -1) over it."""

    limit: float
    side: Side
    test: RatioTest

    def chance(self, jackpots: Array) -> Array:
        """Return the probability that each jackpot keeps it."""
        return self.test.chance(jackpots, self.limit, self.side)

    def attainable(self, jackpots: Array, confidence: float) -> Array:
        """Return the strictest limit that each jackpot keeps with a confidence."""
        return self.test.attainable(jackpots, confidence, self.side)


@dataclass
class Promise:
    """A rule on what happens at a jackpot, to be kept with `confidence`; `chance_at` says with which it is kept.

    `chance` works on the step grid from a thin set of nodes: between two nodes on the same side of the confidence it
    interpolates, between two on different sides it bisects down to the step, so that every edge is exact.
    """

    name: str
    description: str
    confidence: float
    chance_at: Callable[[Array], Array]
    grid: StepGrid
    nodes: int
    ratio: RatioLimit | None = None
    """The ratio that is promised; None for cash, of which no figure may leave this place."""
    known: dict[int, float] = field(default_factory=dict)

    def chance(self, index: npt.ArrayLike) -> Array:
        """Return the probability at grid indices, interpolated away from the edges."""
        if not self.known:
            self._ask(self.grid.spread(self.grid.lowest, self.grid.highest, self.nodes).tolist())
            self._bisect()
        at = sorted(self.known)
        return np.asarray(
            np.interp(np.asarray(index, dtype=np.float64), at, [self.known[i] for i in at]), dtype=np.float64
        )

    def keeps(self, index: npt.ArrayLike) -> Mask:
        """Return which grid indices keep it."""
        return np.asarray(self.chance(index) >= self.confidence - ROUNDING, dtype=bool)

    def allows(self, jackpot: float) -> bool:
        """Return whether a jackpot on the grid or off it keeps the promise, computed and not interpolated."""
        return float(self.chance_at(np.array([jackpot]))[0]) >= self.confidence - ROUNDING

    def verified(self, index: int) -> bool:
        """Return whether the promise at `index` really is on the side that was interpolated; learn from it if not."""
        before = bool(self.keeps([index])[0])
        if index not in self.known:
            self._ask([index])
            self._bisect()
        return before == bool(self.keeps([index])[0])

    def _ask(self, index: Sequence[int]) -> None:
        self.known |= dict(zip(index, self.chance_at(self.grid.jackpots(index)).tolist(), strict=True))

    def _bisect(self) -> None:
        while True:
            at = sorted(self.known)
            kept = [self.known[i] >= self.confidence - ROUNDING for i in at]
            middles = [
                (low + high) // 2
                for low, high, one, other in zip(at, at[1:], kept, kept[1:], strict=False)
                if one != other and high - low > 1
            ]
            if not middles:
                return
            self._ask(middles)

"""A rule on what happens after a jackpot, to be kept with a probability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from .grid import StepGrid
from .situation import Array, Mask

Side = Literal[1, -1]

ROUNDING = 1e-9


@dataclass
class Promise:
    """A rule on what happens from a jackpot on, kept if `chance_at` reaches `confidence`.

    `chance` works on the step grid from a thin set of nodes: between two nodes on the same side of the confidence it
    interpolates, between two on different sides it bisects down to the step, so that every edge is exact.
    """

    name: str
    description: str
    confidence: float
    chance_at: Callable[[Array], Array]
    grid: StepGrid
    nodes: int
    limit: float | None = None
    """The payout ratio that is promised; None for cash, of which no figure may leave this place."""
    side: Side = 1
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

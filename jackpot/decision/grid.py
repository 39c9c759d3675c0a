"""The jackpots that may be announced: start + i * step.

The mathematics: docs/decision.md, "Candidates".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..game.rollover import least_after
from ..market.schema import JackpotRange
from .situation import Array, Situation

Index = npt.NDArray[np.int64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class StepGrid:
    """The step grid, by index: jackpot i is start + i * step, for i from 0 to `last`.

    `lowest` and `highest` reach one step further on either side, to see what start and cap are worth, and as far as
    the pool where the cap lies below it; `pool` is the index of the smallest jackpot that the pool allows.
    """

    start: float
    step: float
    last: int
    lowest: int
    highest: int
    pool: int = 0

    def jackpots(self, index: npt.ArrayLike) -> Array:
        """Return the jackpots at `index`, in units of currency."""
        return np.asarray(self.start + np.asarray(index, dtype=np.float64) * self.step, dtype=np.float64)

    def at_most(self, jackpot: float) -> int:
        """Return the index of the largest jackpot that is not over `jackpot`."""
        return math.floor((jackpot - self.start) / self.step + _ROUNDING)

    def at_least(self, jackpot: float) -> int:
        """Return the index of the smallest jackpot that is not under `jackpot`."""
        return math.ceil((jackpot - self.start) / self.step - _ROUNDING)

    def nearest(self, jackpot: float) -> int:
        """Return the index of the announceable jackpot nearest to `jackpot`."""
        return min(max(round((jackpot - self.start) / self.step), 0), self.last)

    def spread(self, first: int, last: int, count: int) -> Index:
        """Return about `count` indices from `first` to `last`, half evenly and half by equal ratios of jackpots."""
        if last - first < count:
            return np.arange(first, last + 1)
        even = np.linspace(first, last, count // 2)
        low, high = self.jackpots([first, last])
        ratio = (np.geomspace(low, high, count // 2) - self.start) / self.step
        return np.unique(np.clip(np.rint(np.concatenate([even, ratio])), first, last).astype(np.int64))


def within_reach(bounds: JackpotRange, previous: Array, wanted: Array, rollovers: Array) -> Array:
    """Return the jackpots on the step grid nearest to those `wanted` that may follow `previous`.

    That is within the largest change and, where nobody has won it for some `rollovers`, with the minimum progression.
    """
    if bounds.minimum_progression is not None:
        wanted = np.where(rollovers > 0, np.maximum(wanted, least_after(bounds, previous)), wanted)
    if bounds.largest_change is None:
        return wanted
    low, high = ((previous + side * bounds.largest_change - bounds.start) / bounds.step for side in (-1, 1))
    first, last = np.ceil(low - _ROUNDING), np.floor(high + _ROUNDING)
    return np.asarray(np.clip(wanted, bounds.start + first * bounds.step, bounds.start + last * bounds.step))


def step_grid(situation: Situation) -> StepGrid:
    """Return the grid of a market: up to its cap or, where it has none, to the largest jackpot seen or promised."""
    bounds = situation.market.jackpot
    plain = StepGrid(bounds.start, bounds.step, 0, 0, 0)
    if bounds.cap is None:
        least = situation.least_progressed
        last = plain.at_least(max(situation.largest_announced, situation.promised or 0.0, situation.pool, least))
    else:
        last = plain.at_most(bounds.cap)
    last = max(last, 0)
    lowest = -1 if bounds.start > bounds.step else 0
    pool = max(plain.at_least(situation.pool), 0)
    return StepGrid(bounds.start, bounds.step, last, lowest, max(last + 1, pool), pool)

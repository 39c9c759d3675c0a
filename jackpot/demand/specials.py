"""Declared specials: forecast from their own past level, never from the ordinary draws alone, nor these from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..market.schema import Market
from .base import Array
from .calendar_effects import ordinals, special_days

UNKNOWN_SD = 1.0
ONCE_SEEN_SD = 0.4
GROWTH_WEIGHT = 1.0
"""A growth of nought counts as so many past changes."""
ELASTICITY = 0.15
"""Of a special's sales, whose jackpot follows from them more than they from it."""
LATE_DAYS, LATE_GAP = 2, 1.5
"""Days that a special may be held late, and the gap before it over the usual one."""


def held(draws: pd.DataFrame, market: Market) -> list[str]:
    """Return each draw's special, empty for an ordinary one: the declared, and one that was held late.

    Where no draw took place on a special's day, the first draw within two days after it is that special, if it comes
    after half as long again as usual without a draw, or more: its long sale and its jackpot are the same.
    """
    names = [str(name) for name in draws["special"]]
    days = ordinals(pd.DatetimeIndex(draws["draw_date"]))
    for special in market.calendar.specials:
        one = market.model_copy(update={"calendar": market.calendar.model_copy(update={"specials": (special,)})})
        for day in special_days(one, pd.DatetimeIndex(draws["draw_date"])):
            place = int(np.searchsorted(days, day))
            if not 0 < place < len(days) or not day < days[place] <= day + LATE_DAYS or names[place]:
                continue
            usual = np.median(np.diff(days[max(0, place - 20) : place])) if place > 1 else 7.0
            if days[place] - days[place - 1] >= LATE_GAP * usual:
                names[place] = special.name
    return names


@dataclass(frozen=True)
class SpecialLevel:
    """What is expected of a special's next draw: log sales at a usual jackpot, its log, and the log-sd."""

    log_sales: float
    log_jackpot: float
    sd: float

    def at(self, log_jackpots: Array) -> Array:
        """Return log sales at jackpots, in their shape."""
        logs: Array = self.log_sales + ELASTICITY * (log_jackpots - self.log_jackpot)
        return logs


@dataclass(frozen=True)
class SpecialLevels:
    """By name: what is expected of each special that has been held."""

    by_name: Mapping[str, SpecialLevel]

    @classmethod
    def learn(cls, names: list[str], log_sales: Array, log_jackpots: Array) -> SpecialLevels:
        """Return the levels from past draws: `names` (empty for ordinary draws), log sales and jackpots, (n,) each.

        A special goes on from its last sales by its mean growth, which is drawn to nought where it was held seldom.
        """
        levels = {}
        for name in sorted({one for one in names if one}):
            places = np.flatnonzero([one == name for one in names])
            past, jackpots = log_sales[places], log_jackpots[places]
            changes = np.diff(past)
            growth = float(changes.sum() / (len(changes) + GROWTH_WEIGHT))
            of_jackpot = float(np.diff(jackpots).sum() / (len(changes) + GROWTH_WEIGHT))
            spread = np.sqrt((np.sum((changes - growth) ** 2) + ONCE_SEEN_SD**2) / (len(changes) + 1))
            levels[name] = SpecialLevel(float(past[-1]) + growth, float(jackpots[-1]) + of_jackpot, float(spread))
        return cls(levels)

    def put(self, logs: Array, names: list[str], log_jackpots: Array) -> None:
        """Write what is expected of specials over the log sales (m, d, k) of ordinary draws, at jackpots (k,)."""
        for i, name in enumerate(names):
            if name in self.by_name:
                logs[:, i] = self.by_name[name].at(log_jackpots)

    def sds(self, names: Iterable[str]) -> Array:
        """Return the log-sd that a special adds, shape (d,): 0 for ordinary draws, 1 for specials never seen."""
        return np.array([(self.by_name[n].sd if n in self.by_name else UNKNOWN_SD) if n else 0.0 for n in names])


def put_each(mean: Array, variance: Array, names: list[str], log_sales: Array, log_jackpots: Array) -> None:
    """Write what is expected of each special by those before it over the last draws' moments of log sales.

    `names`, `log_sales` and `log_jackpots` are of a history, (n,); `mean` and `variance` of its last draws, at most n.
    """
    first = len(names) - len(mean)
    for t in [t for t in range(first, len(names)) if names[t]]:
        levels = SpecialLevels.learn(names[:t], log_sales[:t], log_jackpots[:t])
        if names[t] in levels.by_name:
            mean[t - first] = levels.by_name[names[t]].at(log_jackpots[t])
        variance[t - first] += levels.sds([names[t]])[0] ** 2

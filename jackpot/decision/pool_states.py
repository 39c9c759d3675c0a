"""What a rollover pool may hold before each draw ahead, in plans whose own sum is not the pool.

The mathematics: docs/decision.md, "Rolling down".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..game.rollover import carried_on, must_be_won
from ..game.winners import group_rate
from ..market.schema import Market
from .draw_law import DrawLaw, draw_law, mixed
from .situation import Array, Situation

_ROLLOVERS = 6
_STATES = 4
_HIGHER: Array = 2.0 ** np.arange(1, 5, dtype=np.float64)
_MOST_SAMPLES = 1000


@dataclass(frozen=True)
class PoolStates:
    """What the pool may hold before a draw by how many draws in a row nobody has won, and the chance: (states,) each.

    The last state stands for as many or more.
    """

    held: Array
    chance: Array

    @classmethod
    def now(cls, situation: Situation) -> PoolStates:
        """Return the one state that there is before this draw."""
        rule = situation.market.game.must_be_won
        most = max(_ROLLOVERS, 0 if rule is None else rule.after_rollovers or 0)
        held, chance = np.zeros(most + 1), np.zeros(most + 1)
        at = min(int(situation.rollovers), most)
        held[at], chance[at] = situation.pool, 1.0
        return cls(held, chance)

    def must_be_won(self, market: Market, date: dt.date) -> Array:
        """Return whether the draw must be won in each state."""
        return must_be_won(market, date, np.arange(len(self.held), dtype=np.float64)).astype(np.float64)

    def after(self, market: Market, date: dt.date, sales: Array) -> PoolStates:
        """Return the states after a draw with `sales` of shape (samples, states)."""
        game = market.game
        mean = sales / market.price_on(date) / game.jackpot_odds_one_in
        nobody = np.exp(-group_rate(game) * mean)
        likely = nobody.mean(axis=0)
        carried = np.divide(
            (carried_on(game, sales, self.held) * nobody).mean(axis=0), likely, out=self.held.copy(), where=likely > 0
        )
        on = self.chance * likely * (1.0 - self.must_be_won(market, date))
        chance, held = np.append(1.0 - on.sum(), on[:-1]), np.append(0.0, carried[:-1])
        chance[-1] += on[-1]
        if chance[-1] > 0:
            held[-1] = (on[-2] * carried[-2] + on[-1] * carried[-1]) / chance[-1]
        return PoolStates(held, chance)

    def few(self, market: Market, date: dt.date) -> Iterator[tuple[float, float, float]]:
        """Yield chance, pool and probability that the draw must be won: of at most four groups of like pools."""
        must = self.must_be_won(market, date)
        order = np.argsort(self.held, kind="stable")
        order = order[self.chance[order] > 0]
        chance = self.chance[order]
        group = np.minimum((_STATES * (chance.cumsum() - chance / 2)).astype(np.int64), _STATES - 1)
        for one in np.unique(group):
            at = order[group == one]
            weight = self.chance[at]
            total = float(weight.sum())
            yield total, float(weight @ self.held[at]) / total, float(weight @ must[at]) / total


def between(known: Array, wanted: Array | float) -> tuple[npt.NDArray[np.intp], Array]:
    """Return the known jackpot at or below each wanted one, clipped, and the weight of the next: linear in logs."""
    logs, asked = np.log(known), np.log(wanted)
    at = np.asarray(np.clip(np.searchsorted(logs, asked) - 1, 0, len(logs) - 2))
    return at, np.asarray(np.clip((asked - logs[at]) / (logs[at + 1] - logs[at]), 0.0, 1.0))


@dataclass(frozen=True)
class SalesAt:
    """Samples of a draw's sales, shape (samples, jackpots), at rising `jackpots`."""

    date: dt.date
    jackpots: Array
    samples: Array

    def read(self, jackpots: Array) -> Array:
        """Return samples at other jackpots: linear in logs, level beyond the ends."""
        if len(self.jackpots) == 1:
            return np.broadcast_to(self.samples, (len(self.samples), len(jackpots)))
        at, weight = between(self.jackpots, jackpots)
        return np.asarray(self.samples[:, at] ** (1.0 - weight) * self.samples[:, at + 1] ** weight, dtype=np.float64)


def sales_ahead(situation: Situation, sales: Array, jackpots: Array, dates: pd.DatetimeIndex) -> list[SalesAt]:
    """Return samples of each draw's sales, given at `jackpots`, with those of what a pool may grow to above them."""
    if situation.market.game.pool is not None:
        higher = float(jackpots[-1]) * _HIGHER
        jackpots = np.append(jackpots, higher)
        sales = np.concatenate([sales, situation.sample_sales(higher, dates)], axis=2)
    few = sales[:_MOST_SAMPLES]
    return [SalesAt(date.date(), jackpots, few[:, t, :]) for t, date in enumerate(dates)]


def laws_of_path(situation: Situation, draws: Sequence[SalesAt], then: Sequence[float]) -> list[DrawLaw]:
    """Return the laws of the draws after this one where they announce those of `then`, and this one the first of them.

    As many as there are `draws` for, of which this one is the first.
    """
    path = [np.array([jackpot]) for jackpot in (then[0], *then)]
    count = min(len(path), len(draws))
    return list(laws_by_pool(situation, draws[:count], path[:count]))[1:]


def laws_by_pool(situation: Situation, draws: Iterable[SalesAt], jackpots: Iterable[Array]) -> Iterator[DrawLaw]:
    """Yield the law of each draw from this one on at its `jackpots`, over what the pool may hold before it.

    The draws before it announce the one of theirs that is worth most in itself. A pool above a jackpot is announced.
    """
    market, states = situation.market, PoolStates.now(situation)
    for sales, at in zip(draws, jackpots, strict=True):
        price = market.price_on(sales.date)
        if market.game.pool is None:
            yield draw_law(market, price, sales.read(at), at, 0.0)
            continue
        laws = [
            (chance, draw_law(market, price, sales.read(np.maximum(at, held)), at, held, must))
            for chance, held, must in states.few(market, sales.date)
        ]
        law = mixed(laws)
        yield law
        sold = sales.read(np.maximum(at[law.value.argmax()], states.held))
        states = states.after(market, sales.date, sold)

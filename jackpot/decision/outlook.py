"""Draws ahead, sampled: sales at any jackpot, winners and prizes, with the same luck for every jackpot.

The mathematics: docs/decision.md, "The plan played forward".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..game.insurance import retained
from ..game.moments import DrawMoments
from ..game.rollover import pool_draw
from ..game.winners import group_rate, variance_over_mean
from ..market.schema import Game, Market
from .draw_law import log_normal
from .situation import Array, Mask, Situation

_RUNGS = 65
_SMALLEST_CHANCE = 1e-18


@dataclass(frozen=True)
class Settled:
    """What draws came to, arrays of one shape, in units of currency.

    `prizes` are those that the realised payout ratio counts, `expected_jackpot` the expected ones of the jackpot;
    `paid` is what the draw costs the operator in the end for prizes, insurance and into the pool, of it `secondary`
    prizes; `pool` what the rollover pool holds after it, and `emptied` whether that was paid out.
    """

    prizes: Array
    expected_jackpot: Array
    paid: Array
    secondary: Array
    pool: Array
    emptied: Mask


def settle(
    market: Market,
    price: float,
    sales: Array,
    announced: Array,
    pool: Array,
    must_be_won: Mask,
    moments: DrawMoments,
    uniform: Array,
    normal: Array,
) -> Settled:
    """Return what draws come to, from their `moments`.

    A uniform a draw decides on the winners by the inverse of their distribution, a normal on the secondary prizes:
    the difference between two jackpots is then one of the jackpots, not of luck. Arrays of one shape.
    """
    secondary = log_normal(moments.secondary_prizes, moments.secondary_prizes_variance, normal)
    game, won = market.game, uniform < moments.win_probability
    emptied, rolled_down, pool_after = won, np.zeros_like(sales), np.where(won, 0.0, pool + moments.pool_contribution)
    if game.payout == "per_winner":
        jackpot = _winners(game, moments, sales / price / game.jackpot_odds_one_in, uniform) * announced
        cost = retained(market.insurance, jackpot)
    elif game.pool is not None and game.rolls_down:
        drawn, emptied = pool_draw(game.pool, sales, announced, pool), won | must_be_won
        jackpot, cost = (
            np.where(won, drawn.jackpot, 0.0),
            np.where(emptied, retained(market.insurance, drawn.top_up), 0.0),
        )
        rolled_down = np.where(emptied & ~won, drawn.jackpot, 0.0) + drawn.spilled
        pool_after = np.where(emptied, 0.0, drawn.carried)
    else:
        share = np.divide(won, moments.win_probability, out=np.zeros_like(sales), where=won)
        jackpot, cost = moments.jackpot_prizes * share, moments.jackpot_cost * share
    paid = cost + secondary * market.secondary_cost_share + moments.pool_contribution + moments.insurance_premium
    prizes = jackpot + secondary * market.secondary_counted_share + rolled_down
    return Settled(prizes, moments.jackpot_prizes + moments.rolled_down, paid, secondary, pool_after, emptied)


def _winners(game: Game, moments: DrawMoments, mean: Array, uniform: Array) -> Array:
    """Return numbers of winners: the inverse of `winner_chances` at 1 - uniform."""
    u = variance_over_mean(game) - 1.0
    level = np.broadcast_to(1.0 - uniform, mean.shape).ravel()
    mean = mean.ravel()
    # Not 1 - P(somebody wins), which is 0 from 37 expected winners on.
    chance = np.exp(-group_rate(game) * mean)
    reached = chance.copy()
    winners = np.zeros(mean.shape)
    left: npt.NDArray[np.intp] = np.flatnonzero(level > reached)
    mean, chance, reached, level = mean[left], chance[left], reached[left], level[left]
    n = 0
    while left.size:
        winners[left] += 1
        chance = chance * (mean + n * u) / ((n + 1) * (1 + u))
        reached = reached + chance
        n += 1
        more = (level > reached) & ((chance > _SMALLEST_CHANCE) | (n < mean))
        left, mean, chance, reached, level = left[more], mean[more], chance[more], reached[more], level[more]
    return winners.reshape(moments.win_probability.shape)


class Ladder:
    """Sales at any jackpot of any sample: log-linear between sampled rungs, level beyond the last."""

    def __init__(self, situation: Situation, dates: pd.DatetimeIndex) -> None:
        bounds = situation.market.jackpot
        seen = max(situation.demand.largest_seen, situation.largest_announced, situation.pool)
        highest = max(2.0 * seen, 2.0 * bounds.start) if bounds.cap is None else max(bounds.cap, seen, situation.pool)
        rungs = np.geomspace(bounds.start, highest * (1 + 1e-9), _RUNGS)
        self.log_rungs = np.log(rungs)
        self.log_sales = np.log(situation.sample_sales(rungs, dates))
        self.rows = np.arange(self.log_sales.shape[0])[:, None]

    def sales(self, day: int, announced: Array) -> Array:
        """Return sales of one day, shape (samples, 1, jackpots) like `announced`."""
        wanted = np.log(announced[:, 0, :])
        place = np.clip(np.searchsorted(self.log_rungs, wanted, side="right") - 1, 0, _RUNGS - 2)
        width = self.log_rungs[place + 1] - self.log_rungs[place]
        weight = np.clip((wanted - self.log_rungs[place]) / width, 0.0, 1.0)
        log_sales = self.log_sales[:, day, :]
        low, high = log_sales[self.rows, place], log_sales[self.rows, place + 1]
        return np.asarray(np.exp(low + weight * (high - low)), dtype=np.float64)[:, None, :]

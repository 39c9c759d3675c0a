"""The plan of a rollover game in which nothing is promised: the guarantee at each pool, by backward induction.

Sales that a guarantee brings today fill the pool that tomorrow's jackpot is made of, at no cost to the operator: a
guarantee is worth more after a reset than its own draw shows.

The mathematics: docs/decision.md, "The guarantee at each pool".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..game.moments import draw_moments, expected_value
from ..game.rollover import carried_on, must_be_won
from .draw_law import ordered_means
from .grid import StepGrid, within_reach
from .outlook import Ladder, settle
from .plan import LookAhead
from .rollout import Rollout
from .situation import Array, Situation

_POOLS = 97
_JACKPOTS = 49
_SALES_BINS = 7
_MOST_TOLD_APART = 12


@dataclass(frozen=True)
class PoolPlan:
    """Jackpots ahead by what the pool holds and how many draws in a row nobody has won.

    `value` (draws + 1, rollovers, pools) is what is expected from each draw on, with what a pool is worth beyond the
    horizon over an empty one; `action` (draws, rollovers, pools) indexes `jackpots`. A pool above the jackpot is
    announced itself. `sales` (draws, bins, rungs) are the means of equal groups of the ordered samples.
    """

    dates: pd.DatetimeIndex
    ladder: Ladder
    sales: Array
    pools: Array
    jackpots: Array
    value: Array
    action: npt.NDArray[np.int16]

    def look(self, situation: Situation, jackpots: Array, then: Sequence[float] = ()) -> LookAhead:
        """Return what each jackpot at this draw leads to, where the draws after it announce those of `then`."""
        market, ones = situation.market, np.ones(len(jackpots))
        after = self.value[min(1 + len(then), len(self.dates))]
        for t in range(min(len(then), len(self.dates) - 1), 0, -1):
            after = _worth(situation, self, t, np.array([then[t - 1]]), after)[..., 0]
        sales = situation.sample_sales(jackpots)[:, 0, :]
        win = draw_moments(market, situation.price, sales, jackpots, situation.pool).win_probability
        held = carried_on(market.game, sales, situation.pool)
        won = after[0, 0]
        if situation.must_be_won:
            value = ones * won
        else:
            on = after[min(int(situation.rollovers) + 1, len(after) - 1)]
            value = (win * won + (1.0 - win) * np.interp(held, self.pools, on)).mean(axis=0)
        return LookAhead(ones, ones, ones, ones, ones, value)

    def roll(self, situation: Situation, path: Sequence[float], draws: int) -> Rollout:
        """Return the plan played forward from the jackpots of `path`."""
        market, samples = situation.market, situation.market.decision.samples
        draws = min(draws, len(self.dates))
        rng = np.random.default_rng([market.decision.seed, 1])
        uniform, normal = rng.random((draws, samples)), rng.standard_normal((draws, samples))
        result = Rollout.empty(self.dates[:draws], samples)
        pool, rollovers = np.full(samples, situation.pool), np.full(samples, situation.rollovers)
        announced = np.full(samples, situation.last_jackpot)
        for t in range(draws):
            date = self.dates[t].date()
            wanted = np.full(samples, path[t]) if t < len(path) else self.announces(t, pool, rollovers)
            if t >= len(path):
                wanted = within_reach(market.jackpot, announced, wanted, rollovers)
            announced = np.maximum(wanted, pool)
            sales = self.ladder.sales(t, announced[:, None, None])[:, 0, 0]
            must, price = must_be_won(market, date, rollovers), market.price_on(date)
            moments = draw_moments(market, price, sales, announced, pool, must)
            drawn = settle(market, price, sales, announced, pool, must, moments, uniform[t], normal[t])
            pool, rollovers = drawn.pool, np.where(drawn.emptied, 0.0, rollovers + 1.0)
            kept = sales * (1.0 - market.costs.share_of_sales) - market.costs.fixed_per_draw
            result.jackpot[:, t], result.sales[:, t], result.margin[:, t] = announced, sales, kept - drawn.paid
            result.counted[:, t] = result.prizes[:, t] = drawn.prizes
        return result

    def announces(self, draw: int, pool: Array, rollovers: Array) -> Array:
        """Return the jackpots of a draw ahead, this one being 0, for what pools hold before it."""
        counts = np.minimum(rollovers, self.value.shape[1] - 1).astype(np.int64)
        middles = (self.pools[1:] + self.pools[:-1]) / 2
        return np.asarray(self.jackpots[self.action[draw, counts, np.searchsorted(middles, pool)]], dtype=np.float64)


def make_pool_plan(situation: Situation, grid: StepGrid) -> PoolPlan:
    """Return the plan worth most over the market's horizon, and over one more as if the same draws came again.

    V_t(R, r) = max_J E[v(S, J; R) + W V_(t+1)(0, 0) + (1 - W) V_(t+1)(H, r + 1)] for a pool R after r rollovers in a
    row, W = P(somebody wins) and H what it holds after the draw: on a grid of pools, linear between.
    """
    market, dates = situation.market, situation.dates(situation.market.decision.horizon_draws)
    ladder = Ladder(situation, dates)
    sales = np.stack([ordered_means(np.exp(ladder.log_sales[:, t, :]), _SALES_BINS) for t in range(len(dates))])
    highest = float(np.exp(ladder.log_rungs[-1]))
    pools = np.concatenate([[0.0], np.geomspace(market.jackpot.start / 50, highest, _POOLS - 1)])
    jackpots = grid.jackpots(grid.spread(0, grid.last, _JACKPOTS))
    least = _least_by_rollovers(situation, float(jackpots[-1]))
    counts = len(least)
    short = np.maximum(jackpots, pools[:, None]) < least[:, None, None] * (1 - 1e-12)
    shape = (len(dates), counts, len(pools))
    plan = PoolPlan(
        dates, ladder, sales, pools, jackpots, np.zeros((shape[0] + 1, *shape[1:])), np.zeros(shape, dtype=np.int16)
    )
    for _ in range(2):
        plan.value[-1] = plan.value[0] - plan.value[0, 0, 0]
        for t in range(len(dates) - 1, -1, -1):
            worth = np.where(short, -np.inf, _worth(situation, plan, t, jackpots, plan.value[t + 1]))
            plan.action[t], plan.value[t] = worth.argmax(axis=-1), worth.max(axis=-1)
    return plan


def _least_by_rollovers(situation: Situation, highest: float) -> Array:
    """Return the least jackpot after 0, 1, ... rollovers in a row, for as many as any rule tells apart.

    What the minimum progression asks for grows from the start: a relaxation, for the run may have begun higher.
    """
    market, rule = situation.market, situation.market.game.must_be_won
    count = 1 if rule is None or rule.after_rollovers is None else rule.after_rollovers + 1
    start, more = market.jackpot.start, market.jackpot.minimum_progression
    if more is None:
        return np.full(count, 0.0)
    count = max(count, min(math.ceil((highest - start) / more), _MOST_TOLD_APART) + 1)
    return np.asarray(np.minimum(start + more * np.arange(count), highest), dtype=np.float64)


def _worth(situation: Situation, plan: PoolPlan, draw: int, jackpots: Array, after: Array) -> Array:
    """Return what each jackpot is worth at a draw, and what it leads to, shape (rollovers, pools, jackpots)."""
    market, date = situation.market, plan.dates[draw].date()
    price = market.price_on(date)
    announced = np.maximum(jackpots, plan.pools[:, None])
    logs = [np.interp(np.log(announced), plan.ladder.log_rungs, np.log(one)) for one in plan.sales[draw]]
    sales = np.exp(np.stack(logs))
    pool = np.broadcast_to(plan.pools[:, None], announced.shape)
    win = draw_moments(market, price, sales, announced, pool).win_probability
    held = carried_on(market.game, sales, pool)
    must = must_be_won(market, date, np.arange(len(after), dtype=np.float64))
    result = np.empty((len(after), *announced.shape))
    for count, paid_out in enumerate(must):
        on = np.interp(held, plan.pools, after[min(count + 1, len(after) - 1)])
        ahead = after[0, 0] if paid_out else win * after[0, 0] + (1.0 - win) * on
        value = expected_value(market, price, sales, announced, pool, bool(paid_out))
        result[count] = (value + ahead).mean(axis=0)
    return result

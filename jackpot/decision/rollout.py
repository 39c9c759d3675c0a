"""A plan played forward: joint samples of sales, the game's own luck, and the ledger as it really rolls.

The mathematics: docs/decision.md, "The plan played forward".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..game.moments import draw_moments
from ..game.rollover import must_be_won
from ..market.schema import PayoutRatio
from .claims import due_ahead, paid_at_once, when_due
from .draw_law import accrues
from .grid import within_reach
from .outlook import Ladder, settle
from .payout_ratio import Ledger, surplus
from .plan import Ahead, Plan
from .pool_states import between
from .situation import Array, Mask, Situation


@dataclass(frozen=True)
class Rollout:
    """Draws ahead under a plan, arrays of shape (samples, draws): money in units of currency.

    `counted` is what the payout ratio counts as prizes, `prizes` what players win; `kept` whether the plan's test after
    the draw is.
    """

    dates: pd.DatetimeIndex
    jackpot: Array
    sales: Array
    counted: Array
    margin: Array
    prizes: Array
    kept: Mask

    @classmethod
    def empty(cls, dates: pd.DatetimeIndex, samples: int) -> Rollout:
        """Return what is to be filled in, with nothing broken yet."""
        shape = (samples, len(dates))
        money = [np.empty(shape) for _ in range(5)]
        return cls(dates, money[0], money[1], money[2], money[3], money[4], np.ones(shape, dtype=bool))


def roll(
    situation: Situation,
    plan: Plan,
    path: float | Sequence[float],
    draws: int,
    rule: PayoutRatio | None = None,
    ledger: Ledger | None = None,
) -> Rollout:
    """Return `draws` draws in which the first announce the jackpots of `path` and the others what the plan says.

    The plan's sum x is the surplus over the window where a `rule` with its `ledger` is given, and the cash over its
    floor otherwise. Random numbers are shared by all paths.
    """
    market, ahead = situation.market, plan.ahead
    draws = min(draws, len(ahead.dates))
    dates = ahead.dates[:draws]
    samples = market.decision.samples
    rng = np.random.default_rng([market.decision.seed, 1])
    uniform, normal = rng.random((draws, samples)), rng.standard_normal((draws, samples))
    ladder = Ladder(situation, dates) if market.game.pool is not None else None
    fixed = [path] if isinstance(path, int | float) else list(path)
    runs = np.arange(samples)
    result = Rollout.empty(dates, samples)
    added = np.empty((samples, draws))
    x, pool = np.full(samples, ahead.x_now), np.full(samples, situation.pool)
    rollovers, owed = np.full(samples, situation.rollovers), _Owed(situation, dates)
    announced, limited = np.full(samples, situation.last_jackpot), market.jackpot.largest_change is not None
    past = None if rule is None or ledger is None else ledger.surplus(rule)
    for t in range(draws):
        stage_at = min(ahead.now + t, len(ahead.stages) - 1)
        stage = ahead.stages[stage_at]
        price = market.price_on(dates[t].date())
        node = plan.action(stage_at, x)
        wanted = (
            np.full(samples, fixed[t])
            if t < len(fixed)
            else within_reach(market.jackpot, announced, ahead.jackpots[node], rollovers)
        )
        announced = np.maximum(wanted, pool)
        if t == 0 or (t < len(fixed) and ladder is None):
            sales = sales_at(ahead, t, fixed[t])
        elif ladder is not None:
            sales = ladder.sales(t, announced[:, None, None])[:, 0, 0]
        elif limited:
            sales = sales_at(ahead, t, announced)
        else:
            sales = ahead.sales[runs, t, node]
        must = must_be_won(market, dates[t].date(), rollovers)
        moments = draw_moments(market, price, sales, announced, pool, must)
        drawn = settle(market, price, sales, announced, pool, must, moments, uniform[t], normal[t])
        if market.game.pool is not None:
            pool, rollovers = drawn.pool, np.where(drawn.emptied, 0.0, rollovers + 1.0)
        margin = sales * (1.0 - market.costs.share_of_sales) - drawn.paid - market.costs.fixed_per_draw
        margin = owed.cash(t, margin, drawn.secondary)
        counted = prizes = drawn.prizes
        if rule is not None and rule.contribution is not None:
            counted = accrues(rule.contribution, sales, drawn.expected_jackpot)
        result.jackpot[:, t], result.sales[:, t] = announced, sales
        result.counted[:, t], result.margin[:, t], result.prizes[:, t] = counted, margin, prizes
        if rule is None or past is None:
            x = x + margin
        else:
            added[:, t] = surplus(rule, counted, sales)
            x = x + added[:, t] * float(np.any(stage.increment))
            if rule.tested != "year_end":
                leaves = len(past) + t - rule.window_draws
                x = x - (added[:, leaves - len(past)] if leaves >= len(past) else past[leaves] if leaves >= 0 else 0.0)
        result.kept[:, t] = ahead.keeps(stage, x)
        if stage.resets:
            x = np.zeros(samples)
    return result


class _Owed:
    """Prizes of draws so far that are still to be claimed, or to be handed on, as a plan is played forward."""

    def __init__(self, situation: Situation, dates: pd.DatetimeIndex) -> None:
        self.market, rule = situation.market, situation.market.unclaimed
        self.when = [] if rule is None else when_due(rule, dates)
        self.due = due_ahead(situation, dates, np.zeros(len(dates)))
        self.secondary = np.zeros((situation.market.decision.samples, len(dates)))

    def cash(self, t: int, margin: Array, secondary: Array) -> Array:
        """Return what a draw leaves in the cash, from what it leaves in the end."""
        rule = self.market.unclaimed
        if rule is None:
            return margin
        self.secondary[:, t] = secondary
        own = np.zeros_like(secondary)
        for share, falls in self.when:
            for drawn in np.flatnonzero(falls[:t] == t):
                own += share * self.secondary[:, drawn]
        waiting = self.market.secondary_cost_share - paid_at_once(rule)
        return np.asarray(margin + waiting * secondary - self.due[t] - own, dtype=np.float64)


def sales_at(ahead: Ahead, draw: int, jackpot: float | Array) -> Array:
    """Return samples of a draw's sales at a jackpot, or at one each, from those at the plan's candidates."""
    return sales_between(ahead.sampled_at, ahead.sales[:, draw, :], jackpot)


def sales_between(known: Array, sales: Array, jackpot: float | Array) -> Array:
    """Return the sales of each row at a jackpot, or at one each, from those at `known` ones, (rows, jackpots).

    Linear in logs; beyond the known ones they are level.
    """
    if len(known) == 1:
        return sales[:, 0]
    at, weight = between(known, jackpot)
    rows = np.arange(len(sales))
    return np.asarray(sales[rows, at] ** (1.0 - weight) * sales[rows, at + 1] ** weight, dtype=np.float64)

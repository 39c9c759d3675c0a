"""A plan played forward: joint samples of sales, the game's own luck, and the ledger as it really rolls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..game.moments import draw_moments
from ..market.schema import PayoutRatio
from .draw_law import accrues
from .outlook import Ladder, settle
from .payout_ratio import Ledger, surplus
from .plan import Ahead, Plan
from .situation import Array, Situation


@dataclass(frozen=True)
class Rollout:
    """Draws ahead under a plan, arrays of shape (samples, draws): money in units of currency.

    `counted` is what the payout ratio counts as prizes.
    """

    dates: pd.DatetimeIndex
    jackpot: Array
    sales: Array
    counted: Array
    margin: Array


def roll(
    situation: Situation,
    plan: Plan,
    path: float | Sequence[float],
    draws: int,
    rule: PayoutRatio | None = None,
    ledger: Ledger | None = None,
    cash: float = 0.0,
) -> Rollout:
    """Return `draws` draws in which the first announce the jackpots of `path` and the others what the plan says.

    The plan's sum x is the surplus over the window where a `rule` with its `ledger` is given, and the `cash` over its
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
    shape = (samples, draws)
    result = Rollout(dates, *(np.empty(shape) for _ in range(4)))
    added = np.empty(shape)
    x, pool = np.full(samples, ahead.x_now), np.full(samples, situation.pool)
    past = None if rule is None or ledger is None else ledger.surplus(rule)
    for t in range(draws):
        stage_at = min(ahead.now + t, len(ahead.stages) - 1)
        stage = ahead.stages[stage_at]
        price = market.price_on(dates[t].date())
        node = plan.action(stage_at, x)
        announced = np.full(samples, fixed[t]) if t < len(fixed) else ahead.jackpots[node]
        announced = np.maximum(announced, pool)
        if t == 0 or (t < len(fixed) and ladder is None):
            sales = sales_at(ahead, t, fixed[t])
        elif ladder is not None:
            sales = ladder.sales(t, announced[:, None, None])[:, 0, 0]
        else:
            sales = ahead.sales[runs, t, node]
        moments = draw_moments(market, price, sales, announced, pool)
        sales, prizes, expected, paid = settle(market.game, price, sales, announced, moments, uniform[t], normal[t])
        if market.game.pool is not None:
            pool = np.where(uniform[t] < moments.win_probability, 0.0, pool + moments.pool_contribution)
        margin = sales * (1.0 - market.costs.share_of_sales) - paid - market.costs.fixed_per_draw
        counted = prizes
        if rule is not None and rule.contribution is not None:
            counted = accrues(rule.contribution, sales, expected)
        result.jackpot[:, t], result.sales[:, t] = announced, sales
        result.counted[:, t], result.margin[:, t] = counted, margin
        if rule is None or past is None:
            x = x + margin
            continue
        added[:, t] = surplus(rule, counted, sales)
        if stage.resets:
            x = np.zeros(samples)
            continue
        x = x + added[:, t] * float(np.any(stage.increment))
        if rule.tested != "year_end":
            leaves = len(past) + t - rule.window_draws
            x = x - (added[:, leaves - len(past)] if leaves >= len(past) else past[leaves] if leaves >= 0 else 0.0)
    return result


def sales_at(ahead: Ahead, draw: int, jackpot: float) -> Array:
    """Return samples of a draw's sales at a jackpot: log-linear between the plan's candidates, level beyond them."""
    jackpots, sales = ahead.jackpots, ahead.sales[:, draw, :]
    if len(jackpots) == 1:
        return sales[:, 0]
    wanted, known = np.log(jackpot), np.log(jackpots)
    at = int(np.clip(np.searchsorted(known, wanted) - 1, 0, len(known) - 2))
    weight = float(np.clip((wanted - known[at]) / (known[at + 1] - known[at]), 0.0, 1.0))
    return np.asarray(sales[:, at] ** (1.0 - weight) * sales[:, at + 1] ** weight, dtype=np.float64)

"""What the engine's plan is worth beside a bound that does not know future wins: part of `make bench-decision`.

For a market with a payout ratio the bound is the Lagrangian dual over all policies, randomised ones too: the least over
multipliers of max (value + multiplier * P) - multiplier * confidence (Everett 1963). The exact answer lies between it
and the best policy without a restriction that keeps the promise. For a rollover game nothing is promised; the bound is
the exact optimum over (draw, rollovers, pool), on other pools, jackpots and samples than the engine's plan.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.report import Figure
from benchmarks.small_markets import Small, small_market
from jackpot.decision.plan import Ahead, Plan, candidates, make_plan
from jackpot.decision.situation import Array, Situation, situate
from jackpot.decision.solution import solve
from jackpot.demand.models import new_model
from jackpot.game.moments import draw_moments, expected_value
from jackpot.game.rollover import must_be_won
from jackpot.history.reading import read_history
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.steps.preprocess import read_source

MARKETS = sorted(path.stem for path in Path("configs/markets").glob("*.yaml"))
AS_OF = {"england_realised": dt.date(2026, 1, 1)}
"""A year that has just begun: late in a year the promise may be lost, and nothing is left to choose."""
MULTIPLIERS = np.concatenate([[0.0], np.geomspace(1e-4, 10.0, 60)])
DRAWS, POOLS, JACKPOTS = 52, 81, 49


def shipped(name: str) -> Situation:
    """Return a shipped market's situation on its synthetic history, with the forecast that is fitted to it."""
    loaded = load_market(f"configs/markets/{name}.yaml")
    day = AS_OF.get(name, dt.date(2026, 11, 21))
    history = read_history(read_source(loaded, "synthetic", _refused, True), loaded.market, day)
    model = new_model(loaded.market.demand.model).fit(history.draws, loaded.market)
    return situate(loaded.market, history, model.condition(history.draws, loaded.market), day, None)


def _refused(uri: str) -> Source:
    raise ValueError(f"{uri} is not synthetic")


def dual(ahead: Ahead, confidence: float, later: float = 0.0, weight: float = 0.0) -> float:
    """Return the Lagrangian bound on the value of any policy from here that keeps its promises.

    They are this period's with a `confidence` and, at the multiplier `weight`, the next one's with `later`.
    """
    programme, end, draws = ahead.programme, ahead.period_end, len(ahead.stages)
    beyond = programme.lagrangian(np.array([weight]), end, draws)[0] if end < draws else None
    multipliers = ahead.unit * MULTIPLIERS
    most = programme.lagrangian(multipliers, ahead.now, end, beyond)
    at = np.array([ahead.x_now])
    bounds = np.array([float(programme.cells.read(row, at)[0]) for row in most])
    return float((bounds - multipliers * confidence).min()) - weight * later


def frontier(small: Small) -> Array:
    """Return (value, P(kept)) of the deterministic policies over the whole ledger that none is better than in both."""
    increment, chance = small.increment, small.chance

    @cache
    def ahead(t: int, last: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
        if t == small.draws:
            return ((0.0, 1.0),)
        found: list[Array] = []
        for j in range(3):
            points = np.array([[float(small.reward[j]), 0.0]])
            for i in range(len(increment)):
                whole = (*last[1:], float(increment[i, j]))
                after = np.array(ahead(t + 1, whole))
                if not 0 <= sum(whole) <= small.high:
                    after = np.array([[after[:, 0].max(), 0.0]])
                points = _undominated((points[:, None] + chance[i, j] * after[None]).reshape(-1, 2))
            found.append(points)
        return tuple((float(value), float(kept)) for value, kept in _undominated(np.concatenate(found)))

    return np.array(ahead(0, small.ledger))


def _undominated(points: Array) -> Array:
    ordered = points[np.lexsort((-points[:, 1], -points[:, 0]))]
    best = np.maximum.accumulate(np.concatenate([[-1.0], ordered[:-1, 1]]))
    return np.asarray(ordered[ordered[:, 1] > best + 1e-12], dtype=np.float64)


def small_bounds(count: int) -> list[Figure]:
    """The bound on small markets against the best of all deterministic policies that keep the promise."""
    over, worth = [], []
    for seed in range(count):
        small = small_market(seed, 3)
        points, x = frontier(small), sum(small.ledger)
        stages = small.stages(0, small.ledger)
        ahead = Ahead(np.arange(1.0, 4.0), pd.DatetimeIndex([]), np.ones(1), (), stages, 0, x, x, fineness=10.0)
        confidence = 0.95 * float(points[:, 1].max())
        exact = float(points[points[:, 1] >= confidence - 1e-9, 0].max())
        if exact <= 0 or confidence < 0.05:
            continue
        over.append(dual(ahead, confidence) / exact - 1.0)
        worth.append(float(make_plan(ahead, confidence).worth.value[0]) / exact)
    tight = [value for value, gap in zip(worth, over, strict=True) if gap <= 0.01]
    print(f"{len(over)} small markets: bound over exact, median {np.median(over):.4f}, most {max(over):.4f};", end=" ")
    print(f"{len(tight)} within 1%; the plan over exact, median {np.median(worth):.4f}, least {min(worth):.4f}")
    return [
        Figure(
            f"{len(over)} small markets: bound over the best deterministic policy, least", min(over), "", ">= -0.005"
        ),
        Figure(f"of them {len(tight)} with a bound within 1%: plan over exact, median", _median(tight), "", ">= 0.97"),
    ]


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None


def market_bounds() -> list[Figure]:
    """Value, bound, ratio and gap of the nine shipped markets."""
    figures = []
    for name in MARKETS:
        situation = shipped(name)
        solved = solve(situation)
        plan = solved.constraints.outlook.plan
        if plan is None:
            value, bound, exact = pool_values(situation)
        else:
            value, bound, exact = plan_values(plan)
        # Of losses too: what is missing is a share of the bound's size.
        gap, reached = ((bound - one) / abs(bound) for one in (exact, value))
        reached = 1.0 - reached
        what = f"{name}: value {value / 1e6:.2f}M, exact from {exact / 1e6:.2f}M, bound {bound / 1e6:.2f}M"
        must = ">= 0.97" if gap <= 0.01 else ">= 0"
        figures.append(Figure(f"{what}, gap {gap:.2%}; value over bound", reached, "", must))
    return figures


def plan_values(plan: Plan) -> tuple[float, float, float]:
    """Return the plan's value, the bound, and that of an unrestricted policy that keeps the promise as well."""
    ahead, now = plan.ahead, plan.worth
    free = make_plan(ahead, plan.confidence, certain=not ahead.lucky, restore=False)
    confidence, later = min(plan.promised, float(now.kept[0])), min(plan.confidence, float(now.later[0]))
    keeps = float(free.worth.kept[0]) >= confidence - 1e-6 and float(free.worth.later[0]) >= later - 1e-6
    weight = 0.0 if free.tail is None else float(free.tail.multiplier[0])
    value = float(now.value[0])
    exact = max(float(free.worth.value[0]), value) if keeps else value
    return value, dual(ahead, confidence, later, weight), exact


def pool_values(situation: Situation) -> tuple[float, float, float]:
    """Return what the jackpots that the engine announces are worth over 52 draws, and twice the exact optimum.

    Both are followed over (draw, rollovers, pool). Without a plan of the pool they are those worth most in each draw.
    """
    market, dates, solved = situation.market, situation.dates(DRAWS), solve(situation)
    rule, must_rule, plan = market.game.pool, market.game.must_be_won, solved.constraints.outlook.pool
    if rule is None:
        raise ValueError("a pool is one of a rollover game")
    counts = np.arange(1 + (0 if must_rule is None else must_rule.after_rollovers or 0), dtype=np.float64)
    jackpots = candidates(solved.grid, JACKPOTS)
    sampled = situation.demand.sample(jackpots, dates, 250, market.decision.seed)
    sales = np.sort(sampled, axis=0).reshape(10, -1, DRAWS, len(jackpots)).mean(axis=1)
    highest = max(jackpots[-1], situation.pool)
    top = min(2 * highest, rule.cap) if rule.cap is not None else 2 * highest
    pools = np.concatenate([[0.0], np.geomspace(jackpots[0] / 10, top, POOLS - 1)])
    mine, best = np.zeros((len(counts), POOLS)), np.zeros((len(counts), POOLS))
    # What the pool holds may be over every candidate: it is announced then, at the sales of the highest.
    announced, held = np.maximum(jackpots, pools[:, None])[:, None, :], pools[:, None, None]
    for t in [*range(DRAWS - 1, -1, -1)] * 2:
        if t == DRAWS - 1:
            # What a pool is worth at the horizon's end, from a first pass.
            mine = best = best - best[0, 0]
        price = market.price_on(dates[t].date())
        at = np.searchsorted(jackpots, announced[:, 0, :]).clip(max=len(jackpots) - 1)
        sold = sales[:, t, :][:, at].transpose(1, 0, 2)
        win = draw_moments(market, price, sold, announced, held).win_probability
        carried = held + rule.share_of_sales * sold
        carried = carried if rule.cap is None else np.minimum(carried, rule.cap)
        now = np.empty((2, len(counts), POOLS))
        must = must_be_won(market, dates[t].date(), counts)
        for c in range(len(counts)):
            lost = np.zeros_like(win) if must[c] else 1.0 - win
            value = expected_value(market, price, sold, announced, held, bool(must[c])).mean(axis=1)
            totals = [value + _after(lost, carried, pools, after, c) for after in (mine, best)]
            # At each pool the engine plans again: this draw's jackpot, with what its plan makes of the pool it leaves.
            seen = value if plan is None else value + _after(lost, carried, plan.pools, plan.value[t + 1], c)
            now[0, c] = np.take_along_axis(totals[0], seen.argmax(axis=1)[:, None], 1)[:, 0]
            now[1, c] = totals[1].max(axis=1)
        mine, best = now
    count = int(min(situation.rollovers, counts[-1]))
    found = [float(np.interp(situation.pool, pools, table[count])) for table in (mine, best)]
    return found[0], found[1], found[1]


def _after(on: Array, carried: Array, pools: Array, table: Array, count: int) -> Array:
    """Return what a draw leads to by the value (rollovers, pools) after it: mean over sales, (pools, jackpots)."""
    carries = np.interp(carried, pools, table[min(count + 1, len(table) - 1)])
    return np.asarray(((1.0 - on) * table[0, 0] + on * carries).mean(axis=1), dtype=np.float64)


def bound_figures(small: int = 20) -> list[Figure]:
    """The rows of the bench."""
    return small_bounds(small) + market_bounds()


if __name__ == "__main__":
    from benchmarks.report import finish

    finish("bounds", bound_figures())

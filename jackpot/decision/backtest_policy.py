"""The policy back-test: each past draw decided as of its day, with a ledger that is rolled forward by the policy.

Sales at another jackpot than the announced one are what was sold, times the ratio of the forecasts at the two: luck of
the day and level are those that were, the response to the jackpot is the model's, from the draws before that day.

The mathematics: docs/decision.md, "Policies compared".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..demand.base import Demand, DemandModel
from ..errors import InputError, Problem
from ..game.insurance import retained
from ..game.moments import DrawMoments, draw_moments, expected_value
from ..game.rollover import pool_draw
from ..market.calendar import next_draw_date
from ..market.schema import Market
from .compare import CONSTANT, PolicyRuns, ShardRuns, parse_shard, policies, written
from .grid import step_grid
from .outlook import settle
from .payout_ratio import ledger_of, timeline
from .plan import candidates
from .seed_rule import seed_rule
from .simulate import RunFigures
from .situation import Array, Situation
from .solution import solve

_LEAST_DRAWS = 30


@dataclass
class _Path:
    """A policy's own history: its draws, its value and what went wrong on the way."""

    draws: pd.DataFrame
    pool: float
    value: float = 0.0
    lowest: float = 0.0
    restoring: int = 0
    silent: bool = False


def backtest_shard(
    market: Market,
    history: pd.DataFrame,
    model: DemandModel,
    seed_model: DemandModel,
    shard: str,
    draws: int,
    seed: int,
    *,
    happened: bool = False,
) -> ShardRuns:
    """Return every policy's runs over the last `draws` draws of a history.

    Both models are fitted here on the draws before those, and conditioned as of each. With `happened` the winners are
    those that won, and the one run of a shard is the history; otherwise they are drawn from the game. Raises
    InputError where the history is too short, or its winners are not known but asked for.
    """
    number, runs = parse_shard(shard)
    first = len(history) - draws
    if first < _LEAST_DRAWS or draws < 1:
        raise InputError(
            Problem(
                "the history is too short for this back-test",
                market.market,
                "draws",
                found=f"{draws} of {len(history)}",
                allowed=f"1 to {max(len(history) - _LEAST_DRAWS, 0)}: at least {_LEAST_DRAWS} before them",
            )
        )
    if happened and history["jackpot_winners"].iloc[first:].isna().any():
        raise InputError(
            Problem(
                "the winners of these draws are not known",
                market.market,
                "jackpot_winners",
                hint="let the game draw them: leave --happened out",
            )
        )
    model, seed_model = (one.fit(history.iloc[:first], market) for one in (model, seed_model))
    known = [
        tuple(one.condition(history.iloc[: first + t], market) for one in (model, seed_model)) for t in range(draws)
    ]
    opening = _situation(market, history.iloc[:first], known[0][0], None)
    nodes = candidates(step_grid(opening))
    names = list(policies(nodes))
    rng = np.random.default_rng([seed, number, 6])
    luck = [(rng.random(draws), rng.standard_normal(draws)) for _ in range(1 if happened else runs)]
    tests = _tests(market, history, opening, draws)
    found: dict[str, list[tuple[_Path, list[float]]]] = {name: [] for name in names}
    for uniform, normal in luck:
        for name in names:
            path = _Path(history.iloc[:first].copy(), opening.pool)
            for t in range(draws):
                row = history.iloc[first + t]
                _play(market, path, row, known[t], name, uniform[t], normal[t], happened=happened)
            found[name].append((path, _breaches(market, path, opening, tests)))
    written = {name: _written(each, draws) for name, each in found.items()}
    return ShardRuns(shard=number, draws=draws, policies=written)


def _situation(market: Market, draws: pd.DataFrame, demand: Demand, pool: float | None) -> Situation:
    last = draws["draw_date"].iloc[-1].date()
    as_of = last + dt.timedelta(days=1)
    date = next_draw_date(market, as_of)
    if pool is None:
        held = float(draws["pool"].iloc[-1])
        opening = 0.0 if market.game.pool is None else market.game.pool.opening
        pool = 0.0 if market.game.pool is None else opening if np.isnan(held) else held
    return Situation(market, draws, demand, as_of, date, market.price_on(date), pool, None, None)


def _play(
    market: Market,
    path: _Path,
    row: pd.Series,
    known: tuple[Demand, ...],
    name: str,
    uniform: float,
    normal: float,
    *,
    happened: bool,
) -> None:
    """Let a policy announce one draw, and settle it."""
    date = row["draw_date"]
    situation = replace(
        _situation(market, path.draws, known[0], path.pool), date=date.date(), price=market.price_on(date.date())
    )
    days = pd.DatetimeIndex([date])
    actual, sold = float(row["jackpot"]), float(row["sales"])

    def sales_at(jackpots: Array) -> Array:
        means = known[0].mean(np.append(jackpots, actual), days)[0]
        return np.asarray(sold * means[:-1] / means[-1], dtype=np.float64)

    jackpot = max(_announced(situation, path, name, row, known[1], sales_at), path.pool)
    at, sales = np.array([jackpot]), sales_at(np.array([jackpot]))
    must = np.array([situation.must_be_won])
    moments = draw_moments(market, situation.price, sales, at, path.pool, must)
    pool, luck = np.array([path.pool]), (np.array([uniform]), np.array([normal]))
    drawn = settle(market, situation.price, sales, at, pool, must, moments, *luck)
    prizes, paid, after = drawn.prizes, drawn.paid, float(drawn.pool[0])
    if happened:
        prizes, paid, after = _as_it_happened(market, row, jackpot, sales, path.pool, moments, must=bool(must[0]))
    margin = float((sales * (1.0 - market.costs.share_of_sales) - paid - market.costs.fixed_per_draw)[0])
    path.pool = after if market.game.pool is not None else 0.0
    path.value += margin
    path.lowest = min(path.lowest, path.value)
    new = {
        **row.to_dict(),
        "jackpot": jackpot,
        "sales": float(sales[0]),
        "jackpot_paid": float(prizes[0]),
        "secondary_paid": 0.0,
        "pool": path.pool if market.game.pool is not None else np.nan,
    }
    path.draws = pd.concat([path.draws, pd.DataFrame([new]).astype(path.draws.dtypes)], ignore_index=True)


def _announced(
    situation: Situation,
    path: _Path,
    name: str,
    row: pd.Series,
    seed_demand: Demand,
    sales_at: Callable[[Array], Array],
) -> float:
    if name == "history":
        return float(row["jackpot"])
    if name == "last_jackpot":
        return situation.last_jackpot
    if name.startswith(CONSTANT):
        return float(name.removeprefix(CONSTANT))
    grid = step_grid(situation)
    if name == "clairvoyant":
        jackpots = candidates(grid)
        at = np.maximum(jackpots, situation.pool)
        price, must = situation.price, situation.must_be_won
        value = expected_value(situation.market, price, sales_at(at), at, situation.pool, must)
        return float(jackpots[int(value.argmax())])
    if name == "seed_rule":
        highest = situation.market.jackpot.cap or float(grid.jackpots(grid.last))
        answer = seed_rule(situation, seed_demand, highest)
        path.silent |= answer.jackpot is None
        return situation.last_jackpot if answer.jackpot is None else answer.jackpot
    solved = solve(situation)
    path.silent |= solved.trouble is not None
    path.restoring += solved.status == "restoring"
    return solved.jackpot


def _as_it_happened(
    market: Market, row: pd.Series, jackpot: float, sales: Array, pool: float, moments: DrawMoments, *, must: bool
) -> tuple[Array, Array, float]:
    """Return prizes, what the operator pays, and what the pool holds after it, with the winners that there were."""
    winners = int(row["jackpot_winners"])
    share = float(row["secondary_paid"]) / float(row["sales"])
    if np.isnan(share):
        share = market.expected_secondary_share(market.price_on(row["draw_date"].date()))
    secondary, after = share * sales, 0.0
    if market.game.pool is not None:
        drawn = pool_draw(market.game.pool, sales, np.array([jackpot]), np.array([pool]))
        out = float(winners > 0 or must)
        paid, cost, after = out * drawn.jackpot + drawn.spilled, out * drawn.top_up, (1 - out) * float(drawn.carried[0])
    else:
        times = winners if market.game.payout == "per_winner" else min(winners, 1)
        paid = cost = np.full_like(sales, times * jackpot)
    cost = retained(market.insurance, cost) + secondary * market.secondary_cost_share + moments.insurance_premium
    return paid + secondary * market.secondary_counted_share, cost + moments.pool_contribution, after


def _tests(market: Market, history: pd.DataFrame, opening: Situation, draws: int) -> list[tuple[bool, bool, int]]:
    """Return for each draw whether it is tested, whether it ends its named period, and the draws of that before it."""
    rule, first = market.regulation.payout_ratio, len(history) - draws
    tests: list[tuple[bool, bool, int]] = []
    if rule is None:
        return tests
    for t in range(first, len(history)):
        date = history["draw_date"].iloc[t].date()
        at = replace(opening, draws=history.iloc[:t], date=date, market=_short(market))
        time = timeline(at, rule)
        tests.append((bool(time.tested[time.past]), bool(time.last[time.past]), time.past))
    return tests


def _breaches(market: Market, path: _Path, opening: Situation, tests: list[tuple[bool, bool, int]]) -> list[float]:
    """Return for each named period that ends within the draws, and for the rest, whether a test in it failed."""
    rule = market.regulation.payout_ratio
    broken = [0.0]
    if rule is None:
        return broken
    ledger = ledger_of(replace(opening, draws=path.draws), rule, rule.window_draws)
    for t, (tested, last, past) in enumerate(tests):
        if tested:
            end = len(path.draws) - len(tests) + t + 1
            size = min(rule.window_draws, past + 1) if rule.tested == "year_end" else rule.window_draws
            prizes, sales = (one[max(end - size, 0) : end].sum() for one in (ledger.prizes, ledger.sales))
            low = rule.floor is not None and prizes < rule.floor * sales * (1 - 1e-12)
            high = rule.ceiling is not None and prizes > rule.ceiling * sales * (1 + 1e-12)
            broken[-1] = max(broken[-1], float(low or high))
        if last and t < len(tests) - 1:
            broken.append(0.0)
    return broken


def _short(market: Market) -> Market:
    """Return the market with the shortest horizon: of a timeline the draw itself is all that is asked."""
    decision = market.decision.model_copy(update={"horizon_draws": 1})
    return market.model_copy(update={"decision": decision, "cash": None})


def _written(found: list[tuple[_Path, list[float]]], draws: int) -> PolicyRuns:
    paths = [path for path, _ in found]
    return written(
        RunFigures(
            value=np.array([path.value for path in paths]),
            breach=np.array([broken for _, broken in found]),
            silent=np.array([float(path.silent) for path in paths]),
            restoring=np.array([path.restoring / draws for path in paths]),
            lowest=np.array([path.lowest for path in paths]),
            attainable=(),
        )
    )

"""Policies compared over many runs of the same market: value, breaches, cash lows, draws left without an answer.

The mathematics: docs/decision.md, "Policies compared".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..demand.base import Demand
from ..errors import InputError, Problem
from ..game.moments import draw_moments, expected_value
from ..game.rollover import must_be_won
from ..market.schema import PayoutRatio
from .draw_law import accrues
from .grid import step_grid, within_reach
from .outlook import settle
from .payout_ratio import Ledger, ledger_of, surplus, timeline
from .plan import Ahead, Plan, make_plan, ratio_ahead
from .pool_plan import make_pool_plan
from .programme import Cells, Policy, Programme, Stage
from .rollout import sales_between
from .situation import Array, Situation

_CELLS = 400
_THREADS = 2
_ROWS_AT_ONCE = 125
_LADDER = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_SEED_JACKPOTS = 200


@dataclass
class Runs:
    """What has happened in each run up to a draw, arrays of shape (runs, draws so far): the ledger comes first."""

    counted: Array
    sales: Array
    announced: Array
    pool: Array
    """What the rollover pool holds in each run, shape (runs,)."""
    rollovers: Array
    """How many draws in a row nobody has won in each run, shape (runs,)."""

    def surplus(self, rule: PayoutRatio) -> Array:
        """Return what each draw added to the surplus."""
        return surplus(rule, self.counted, self.sales)


Announce = Callable[[int, Runs], tuple[Array, Array]]
"""From the draw and the runs so far to jackpots (NaN: no answer) and whether each of them is restoring."""


@dataclass(frozen=True)
class PolicyResult:
    """A policy over all runs, with standard errors; `breach` is the share of runs with one, for each named period."""

    value: float
    value_error: float
    breach: tuple[float, ...]
    breach_error: tuple[float, ...]
    attainable: tuple[float, ...]
    """The highest confidence attainable at each period's start, over the runs; ones where the policy has no plan."""
    no_answer: float
    """Share of runs with a draw without an answer."""
    restoring: float
    """Share of draws."""
    lowest_cash: tuple[float, float, float]
    """1%, 5% and 50% quantiles over the runs of the lowest change of cash since the start, in currency."""


@dataclass(frozen=True)
class RunFigures:
    """What a policy made of each run: arrays of shape (runs,), `breach` (runs, periods); money in units of currency."""

    value: Array
    breach: Array
    silent: Array
    """1 where a draw had no answer."""
    restoring: Array
    """Share of draws."""
    lowest: Array
    """The lowest change of cash since the start."""
    attainable: tuple[float, ...]
    """The highest confidence attainable at each period's start, mean over the runs; empty without a plan."""


def simulate_policy(
    situation: Situation,
    truth: Demand,
    jackpots: Array,
    policies: Mapping[str, float | str],
    runs: int,
    draws: int,
    seed: int,
) -> dict[str, PolicyResult]:
    """Return `simulate_runs` over all runs, with standard errors."""
    found = simulate_runs(situation, truth, jackpots, policies, runs, draws, seed)
    return {name: _result(one) for name, one in found.items()}


def _result(one: RunFigures) -> PolicyResult:
    runs, rates = len(one.value), one.breach.mean(axis=0)
    low, middle, high = np.quantile(one.lowest, (0.01, 0.05, 0.5))
    return PolicyResult(
        float(one.value.mean()),
        float(one.value.std() / np.sqrt(runs)),
        tuple(float(rate) for rate in rates),
        tuple(float(np.sqrt(max(rate * (1 - rate), 0.25 / runs) / runs)) for rate in rates),
        one.attainable or (1.0,) * len(rates),
        float(one.silent.mean()),
        float(one.restoring.mean()),
        (float(low), float(middle), float(high)),
    )


def simulate_runs(
    situation: Situation,
    truth: Demand,
    jackpots: Array,
    policies: Mapping[str, float | str],
    runs: int,
    draws: int,
    seed: int,
    plan: Plan | None = None,
) -> dict[str, RunFigures]:
    """Return what each policy makes of `runs` runs of `draws` draws from a situation, with the same luck for all.

    A policy is "plan" (the engine's own, planned again at the start of every named period from that run's ledger;
    without a payout ratio the jackpot worth most at each draw), "seed_rule", "last_jackpot", "history" (the jackpots
    of the last draws over again), "clairvoyant" (worth most at the sales that will be, with no promise to keep and no
    knowledge of who wins) or a constant jackpot. Sales are drawn from `truth`, plans are made with the situation's own
    demand; jackpots are chosen among `jackpots`. `plan` is the ratio's where it is made already, over the same
    jackpots. Raises InputError where there is a payout ratio whose ledger is not known.
    """
    market = situation.market
    rule = market.regulation.payout_ratio
    if rule is None:
        dates, stages, now, ends = situation.dates(draws), [], 0, [draws - 1]
        past = (np.zeros(0), np.zeros(0))
    else:
        if plan is None:
            ledger = known_ledger(situation, rule)
            ahead = ratio_ahead(situation, rule, ledger, timeline(situation, rule), jackpots)
            plan = make_plan(ahead, rule.confidence, certain=rule.basis == "accrued")
        ahead = plan.ahead
        ledger = known_ledger(situation, rule)
        dates, stages, now = ahead.dates[: min(draws, len(ahead.dates))], list(ahead.stages), ahead.now
        ends = [t for t in range(len(dates)) if stages[now + t].last]
        past = (ledger.prizes, ledger.sales)
    draws = len(dates)
    sampled = truth.sample(jackpots, dates, runs, seed)
    rng = np.random.default_rng([seed, 4])
    uniform, normal = rng.random((draws, runs)), rng.standard_normal((draws, runs))
    results = {}
    for name, policy in policies.items():
        reached: list[float] = []
        announce = _announcer(situation, rule, plan, policy, reached, jackpots, dates, sampled)
        state = Runs(
            np.tile(past[0], (runs, 1)),
            np.tile(past[1], (runs, 1)),
            np.full((runs, 1), situation.last_jackpot),
            np.full(runs, situation.pool),
            np.full(runs, situation.rollovers),
        )
        value, silent, restored = np.zeros(runs), np.zeros(runs, dtype=bool), np.zeros(runs)
        broken = np.zeros((runs, len(ends) + 1), dtype=bool)
        lowest = np.zeros(runs)
        for t in range(draws):
            wanted, restoring = announce(t, state)
            silent |= np.isnan(wanted)
            if policy == "plan":
                wanted = within_reach(market.jackpot, state.announced[:, -1], wanted, state.rollovers)
            announced = np.maximum(np.where(np.isnan(wanted), state.announced[:, -1], wanted), state.pool)
            restored += restoring / draws
            price = market.price_on(dates[t].date())
            sales = sales_between(jackpots, sampled[:, t, :], announced)
            must = must_be_won(market, dates[t].date(), state.rollovers)
            moments = draw_moments(market, price, sales, announced, state.pool, must)
            drawn = settle(market, price, sales, announced, state.pool, must, moments, uniform[t], normal[t])
            if market.game.pool is not None:
                state.pool, state.rollovers = drawn.pool, np.where(drawn.emptied, 0.0, state.rollovers + 1.0)
            margin = sales * (1.0 - market.costs.share_of_sales) - drawn.paid - market.costs.fixed_per_draw
            contribution = None if rule is None else rule.contribution
            counted = drawn.prizes if contribution is None else accrues(contribution, sales, drawn.expected_jackpot)
            value += margin
            lowest = np.minimum(lowest, value)
            state.counted = np.column_stack([state.counted, counted])
            state.sales = np.column_stack([state.sales, sales])
            state.announced = np.column_stack([state.announced, announced])
            if rule is not None and stages[now + t].tested:
                broken[:, sum(end < t for end in ends)] |= _breaks(rule, state, t, ends, now)
        results[name] = RunFigures(
            value,
            broken[:, : len(ends)].astype(np.float64),
            silent.astype(np.float64),
            restored,
            lowest,
            tuple(min(one, 1.0) for one in reached),
        )
    return results


def known_ledger(situation: Situation, rule: PayoutRatio) -> Ledger:
    """Return the ledger of the payout ratio; raise InputError where prizes paid are not known."""
    ledger = ledger_of(situation, rule, rule.window_draws)
    if ledger.unknown:
        raise InputError(
            Problem(ledger.unknown, situation.market.market, hint="policies are compared by their breaches")
        )
    return ledger


def _breaks(rule: PayoutRatio, state: Runs, t: int, ends: list[int], past: int) -> Array:
    size = rule.window_draws
    if rule.tested == "year_end":
        before = [end for end in ends if end < t]
        size = min(size, t - before[-1] if before else t + 1 + past)
    prizes, sales = state.counted[:, -size:].sum(axis=1), state.sales[:, -size:].sum(axis=1)
    broken = np.zeros(len(prizes), dtype=bool)
    if rule.floor is not None:
        broken |= prizes < rule.floor * sales * (1 - 1e-12)
    if rule.ceiling is not None:
        broken |= prizes > rule.ceiling * sales * (1 + 1e-12)
    return broken


def _announcer(
    situation: Situation,
    rule: PayoutRatio | None,
    plan: Plan | None,
    policy: float | str,
    reached: list[float],
    jackpots: Array,
    dates: pd.DatetimeIndex,
    sampled: Array,
) -> Announce:
    if policy == "plan" and rule is not None and plan is not None:
        return _Planner(rule, plan, reached)
    planned = situation.market.game.pool is not None and situation.market.decision.pool == "planned"
    if policy == "plan" and rule is None and planned:
        return _guarantee(situation)
    if policy == "plan":
        return _worth_most(situation, jackpots, dates, situation.demand.mean(jackpots, dates)[None])
    if policy == "clairvoyant":
        return _worth_most(situation, jackpots, dates, sampled)
    if policy == "seed_rule":
        return _SeedRule(situation, rule, jackpots, dates)
    before = situation.draws["jackpot"].to_numpy(dtype=np.float64)[-len(dates) :]

    def same(t: int, runs: Runs) -> tuple[Array, Array]:
        if policy == "history":
            jackpot = float(before[t % len(before)])
        else:
            jackpot = situation.last_jackpot if policy == "last_jackpot" else float(policy)
        return np.full(len(runs.sales), jackpot), np.zeros(len(runs.sales))

    return same


def _guarantee(situation: Situation) -> Announce:
    """Return the plan of a rollover pool, in which the draws ahead come again after its horizon."""
    plan = make_pool_plan(situation, step_grid(situation))

    def announce(t: int, runs: Runs) -> tuple[Array, Array]:
        return plan.announces(t % len(plan.dates), runs.pool, runs.rollovers), np.zeros(len(runs.pool))

    return announce


def _worth_most(situation: Situation, jackpots: Array, dates: pd.DatetimeIndex, sales: Array) -> Announce:
    """Return what announces the jackpot worth most at known sales, shape (runs or 1, draws, jackpots)."""

    def announce(t: int, runs: Runs) -> tuple[Array, Array]:
        price, pool = situation.market.price_on(dates[t].date()), runs.pool[:, None]
        must = must_be_won(situation.market, dates[t].date(), runs.rollovers)[:, None]
        value = expected_value(situation.market, price, sales[:, t, :], np.maximum(jackpots, pool), pool, must)
        value = np.broadcast_to(value, (len(runs.pool), len(jackpots)))
        return jackpots[value.argmax(axis=1)], np.zeros(len(runs.pool))

    return announce


class _Planner:
    """The engine: one plan for the first named period, then one for each run, from its own ledger."""

    def __init__(self, rule: PayoutRatio, plan: Plan, reached: list[float]) -> None:
        self.rule, self.plan, self.reached = rule, plan, reached
        self.batch: tuple[int, Cells, Policy, Array] | None = None
        reached.append(plan.attainable)

    def __call__(self, t: int, runs: Runs) -> tuple[Array, Array]:
        ahead, rule = self.plan.ahead, self.rule
        stage = ahead.now + t
        added = runs.surplus(rule)
        if t and ahead.stages[stage - 1].last and rule.tested == "year_end":
            table = ahead.programme.attainable[stage, 0]
            self.reached.append(float(ahead.programme.cells.read(table, np.zeros(1))[0]))
        if rule.tested == "year_end":
            begin = max((i + 1 for i in range(stage) if ahead.stages[i].last), default=0)
            size = stage - begin
            x = added[:, added.shape[1] - size :].sum(axis=1) if size else np.zeros(len(added))
        else:
            x = added[:, -rule.window_draws :].sum(axis=1)
            if t and ahead.stages[stage - 1].last:
                self._plan_again(t, added, x)
        if self.batch is None:
            cells = ahead.programme.cells
            node = self.plan.action(stage, x)
            chance = ahead.programme.attainable[stage, 0][cells.nearest(x)]
        else:
            first, cells, policy, attainable = self.batch
            rows = np.arange(len(x))
            at = cells.nearest(x)
            node = policy.action[t - first, rows, at]
            chance = attainable[t - first, rows, at]
        return ahead.jackpots[node], chance < self.plan.confidence

    def _plan_again(self, t: int, added: Array, x: Array) -> None:
        """Plan the named period that begins at draw t for each run, whose own draws leave the window in it."""
        ahead, window = self.plan.ahead, self.rule.window_draws
        end = next(i for i in range(ahead.now + t, len(ahead.stages)) if ahead.stages[i].last) + 1
        stages = ahead.stages[ahead.now + t : end]

        def of_rows(first: int) -> tuple[Cells, Policy, Array]:
            rows = slice(first, first + _ROWS_AT_ONCE)
            mine = []
            for i, stage in enumerate(stages):
                leaves = added.shape[1] + i - window
                drop = added[rows, leaves] if 0 <= leaves < added.shape[1] else np.zeros(len(x[rows]))
                mine.append(replace(stage, drop=drop, decay=1.0))
            return _plan_rows(ahead, mine, x[rows], self.plan.confidence, self.plan.promised)

        with ThreadPoolExecutor(_THREADS) as threads:
            parts = list(threads.map(of_rows, range(0, len(x), _ROWS_AT_ONCE)))
        cells = parts[0][0]
        policy = Policy(
            0,
            np.concatenate([part[1].multiplier for part in parts]),
            np.concatenate([part[1].action for part in parts], axis=1),
            *(np.zeros((1, 1, 1)) for _ in range(3)),
        )
        attainable = np.concatenate([part[2] for part in parts], axis=1)
        self.batch = (t, cells, policy, attainable)
        now = attainable[0, np.arange(len(x)), cells.nearest(x)]
        self.reached.append(float(now.mean()))


def _plan_rows(
    ahead: Ahead, stages: list[Stage], x: Array, confidence: float, promised: float
) -> tuple[Cells, Policy, Array]:
    """Return plans for rows of runs: each with the least multiplier of a ladder that keeps its promise."""
    whole = ahead.programme.cells
    ends = whole.first * whole.width, (whole.first + whole.count) * whole.width
    low, high = max(ends[0], min(float(x.min()), 0.0) + ends[0] / 2), min(ends[1], float(x.max()) + ends[1] / 2)
    programme = Programme(stages, Cells.over(low, high, _CELLS, whole.shift))
    rows = np.arange(len(x))
    at = programme.cells.nearest(x)
    can = programme.attainable[0, rows, at] >= confidence
    chosen = np.full(len(x), _LADDER[-1] * ahead.unit)
    left = rows[can]
    for step in _LADDER:
        if not len(left):
            break
        policy = programme.of_rows(left).solve(np.full(len(left), step * ahead.unit), promised, 0, len(stages))
        kept = policy.kept[0, np.arange(len(left)), at[left]] >= confidence
        chosen[left[kept]] = step * ahead.unit
        left = left[~kept]
    return programme.cells, programme.solve(chosen, promised, 0, len(stages)), programme.attainable


class _SeedRule:
    """The rule of thumb of `seed_rule`, vectorised over runs; its cash test is left out."""

    def __init__(
        self, situation: Situation, rule: PayoutRatio | None, jackpots: Array, dates: pd.DatetimeIndex
    ) -> None:
        market = situation.market
        cap = float(jackpots[-1]) if market.jackpot.cap is None else market.jackpot.cap
        self.jackpots = np.linspace(market.jackpot.start, cap, _SEED_JACKPOTS)
        self.sales = situation.demand.mean(self.jackpots, dates)
        self.rule, self.situation, self.dates = rule, situation, dates

    def __call__(self, t: int, runs: Runs) -> tuple[Array, Array]:
        market, sales = self.situation.market, self.sales[t]
        moments = draw_moments(market, market.price_on(self.dates[t].date()), sales, self.jackpots, 0.0)
        payout = self.jackpots * moments.win_probability + moments.secondary_prizes
        value = np.broadcast_to(sales - payout, (len(runs.sales), len(sales)))
        if self.rule is not None and self.rule.floor is not None:
            prizes, sold = runs.counted[:, -51:].sum(axis=1), runs.sales[:, -51:].sum(axis=1)
            ratio = (prizes[:, None] + payout) / (sold[:, None] + sales)
            value = np.where(ratio >= self.rule.floor, value, -np.inf)
        best = self.jackpots[value.argmax(axis=1)]
        return np.where(np.isfinite(value.max(axis=1)), best, np.nan), np.zeros(len(best))

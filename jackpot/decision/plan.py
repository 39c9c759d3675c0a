"""The plan: a policy over the draws ahead that keeps a promise at its confidence, and what it makes of each jackpot.

The mathematics: docs/decision.md, "The sum" and "This draw".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import pandas as pd

from ..market.schema import Contribution, PayoutRatio
from .claims import due_ahead
from .draw_law import DrawLaw
from .grid import StepGrid
from .payout_ratio import Ledger, Timeline, surplus
from .pool_states import laws_by_pool, sales_ahead
from .programme import Actions, Cells, Policy, Programme, Stage
from .situation import Array, Mask, Situation

CANDIDATES = 16
"""Jackpots that a plan chooses from at later draws; at this draw it is asked about every one on the step grid."""

_CELLS_OFTEN, _CELLS_SELDOM = 2000, 900
_MOST_CELLS = 4000
_OFTEN = 12
_MULTIPLIERS = np.concatenate([[0.0], np.geomspace(1e-3, 10.0, 5)])
_BETWEEN = 4
_REFINEMENTS = 2
_CERTAIN = 0.9999
_NEARER = 0.01
_NEAR = 1.5
"""Sums between two powers of it share a grid."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class LookAhead:
    """What announcing each jackpot now leads to, each of shape (jackpots,).

    `now`: the probability of keeping this draw's own test; `attainable`: the highest probability of keeping every test
    left in the named period; `score`: the same, with the tests and periods after a breach to decide between equals;
    `kept`, `later` and `value`: those of the policy after this draw, `value` without this draw's own.
    """

    now: Array
    attainable: Array
    score: Array
    kept: Array
    later: Array
    value: Array


@dataclass(frozen=True)
class CostPoint:
    """A point of the curve of value against confidence: money over the plan's horizon, and its share of the most."""

    confidence: float
    value: float
    share: float


@dataclass(frozen=True)
class Ahead:
    """The draws of a plan: its candidate jackpots, laws of the draws that are not over, and stages from the start.

    `sales` are the samples behind the laws, shape (samples, draws, jackpots), on the `dates` of those draws.
    `now` is the stage of this draw; `x_start` and `x_now` are the sum before the period's first draw and before this.
    """

    jackpots: Array
    dates: pd.DatetimeIndex
    sales: Array
    laws: tuple[DrawLaw, ...]
    stages: tuple[Stage, ...]
    now: int
    x_start: float
    x_now: float
    lucky: bool = True
    """Whether wins move the sum: not where contributions are counted."""
    fineness: float = 1.0
    """Of the grid of x: less is coarser and faster."""
    uncapped: Array | None = None
    """The candidates of which these are the lowest, where the plan is capped: the samples are of all of them."""
    largest_change: float = np.inf
    """From one draw's jackpot to the next's; stages allow what is in reach of the last jackpot (`reachable`)."""

    due: tuple[float, ...] = ()
    """What falls due of earlier draws' prizes at each stage, where x is cash and any does; in `stages` already."""
    programmes: dict[Cells, Programme] | None = field(default=None, compare=False, repr=False)
    """Those of the same stages from other sums, where they are shared: a grid of x then serves all that are near."""

    @property
    def sampled_at(self) -> Array:
        """The jackpots of the samples of sales."""
        return self.jackpots if self.uncapped is None else self.uncapped

    def due_at(self, draw: int) -> float:
        """Return what falls due at a draw, this one being 0."""
        return self.due[self.now + draw] if self.due else 0.0

    def keeps(self, stage: Stage, x: Array) -> Mask:
        """Return whether sums after a draw keep its test, but for rounding."""
        small = _ROUNDING * max(abs(self.x_now), self.programme.cells.width)
        return np.asarray((x >= stage.low - small) & (x <= stage.high + small), dtype=bool)

    @cached_property
    def programme(self) -> Programme:
        """The solved programme."""
        cells, known = self._cells, {} if self.programmes is None else self.programmes
        if cells not in known:
            known[cells] = Programme(self.stages, cells)
        return known[cells]

    @property
    def free_value(self) -> float:
        """The most that the draws ahead are worth without any promise."""
        return float(sum(stage.highest_reward for stage in self.stages[self.now :]))

    @property
    def unit(self) -> float:
        """The scale of multipliers: all money that the plan is about."""
        return max(float(sum(np.abs(one.reward).max() for one in self.stages)), 1e-9)

    @property
    def period_end(self) -> int:
        """The number of draws in the named period."""
        return next(i for i, stage in enumerate(self.stages) if stage.last) + 1

    @property
    def _cells(self) -> Cells:
        tested = [stage.tested for stage in self.stages]
        period = self.period_end
        # Of each draw: the most that may leave the sum, and the most that may come to it.
        worst = [max(-float(stage.increment.min()), 0.0) + max(float(np.max(stage.drop)), 0.0) for stage in self.stages]
        best = [max(float(stage.increment.max()), 0.0) + max(-float(np.min(stage.drop)), 0.0) for stage in self.stages]
        total = max(sum(worst[:period]), sum(worst[period:]))
        x = [self.x_start, self.x_now, 0.0]
        if self.programmes is not None:
            x = [math.copysign(_NEAR ** math.ceil(math.log(abs(one), _NEAR)), one) if one else 0.0 for one in x]
        often = sum(tested) > _OFTEN
        widest = max(float(np.abs(stage.increment).max()) for stage in self.stages)
        below = min(total, max(2.0 * widest, total / 4)) if often else total
        # Further down nothing is kept any more, and further up nothing can lead.
        below = min(below, sum(best))
        above = min(max([total, *(stage.high for stage in self.stages if stage.high < np.inf)]), sum(best))
        slack = 1e-3 * max(widest, *(abs(one) for one in x))
        low, high = min(x) - below - slack, max(x) + above + slack
        # A cell wider than half a draw's luck would blur it, where that is small beside what the sum may come to.
        spread = float(np.median([_spread(stage) for stage in self.stages[self.now :]]))
        wanted = min(2.0 * (high - low) / spread, _MOST_CELLS) if self.lucky and spread > 0 else 0.0
        count = int(max(_CELLS_OFTEN if often else _CELLS_SELDOM, wanted) * self.fineness)
        return Cells.over(low, high, count, 0.5 if self.lucky else 0.0)


def _spread(stage: Stage) -> float:
    """Return the standard deviation of what the jackpot worth most adds."""
    best = int(stage.reward.argmax())
    added, chance = stage.increment[:, best], stage.chance[:, best]
    mean = float(chance @ added)
    return float(np.sqrt(chance @ (added - mean) ** 2))


@dataclass(frozen=True)
class Plan:
    """A policy for the draws ahead, for one promise with its `confidence`.

    `promised` is what the promise asks of this draw: the confidence, or near certainty where that is to be had on the
    accrued basis, on which risk buys next to nothing.
    """

    ahead: Ahead
    confidence: float
    promised: float
    attainable: float
    attainable_at_start: float
    policy: Policy
    tail: Policy | None
    cost: tuple[CostPoint, ...]

    @property
    def multiplier(self) -> float:
        """What the plan pays for a unit of probability, in currency."""
        return float(self.policy.multiplier[0])

    @property
    def restoring(self) -> bool:
        """Whether less than the promise is attainable from here."""
        return self.attainable < self.promised - _ROUNDING

    def look(self, law: DrawLaw, increment: Array, then: Sequence[Stage] = ()) -> LookAhead:
        """Return what jackpots now lead to, from the law of this draw at them and what they add to x.

        The draws after it announce the one jackpot of each stage of `then`, and what the policy says after those.
        """
        if then:
            return along(self, law.chance, increment, then)
        return look_ahead(self.ahead, law.chance, increment, self.policy)

    def objective(self, look: LookAhead) -> Array:
        """Return what they lead to as the plan weighs it: value, and probabilities at their multipliers."""
        later = 0.0 if self.tail is None else float(self.tail.multiplier[0])
        return np.asarray(look.value + self.multiplier * look.kept + later * look.later, dtype=np.float64)

    @property
    def worth(self) -> LookAhead:
        """What is expected from here on under the plan: of shape (1,), `value` with this draw's own."""
        at, cells, t = np.array([self.ahead.x_now]), self.ahead.programme.cells, self.ahead.now - self.policy.begin
        best, holds = np.array([self.attainable]), np.ones(1)
        kept, later, value = (
            cells.read(table[t, 0], at) for table in (self.policy.kept, self.policy.later, self.policy.value)
        )
        return LookAhead(holds, best, best, kept, later, value)

    def action(self, stage: int, x: Array) -> Actions:
        """Return which jackpots the plan announces at a stage for sums x."""
        policy = self.policy
        if self.tail is not None and stage >= self.tail.begin:
            policy = self.tail
        cells = self.ahead.programme.cells.nearest(x)
        return np.asarray(policy.action[min(stage - policy.begin, len(policy.action) - 1), 0, cells], dtype=np.int16)


def look_ahead(ahead: Ahead, chance: Array, increment: Array, policy: Policy | None = None) -> LookAhead:
    """Return what jackpots at this draw lead to; arrays of shape (outcomes, jackpots); without a policy, no value."""
    stage, t, programme = ahead.stages[ahead.now], ahead.now + 1, ahead.programme
    x, kept = _after_this_draw(ahead, increment)
    weight, mean = np.where(kept, chance, 0.0), partial(_mean, programme.cells, x)
    after = programme.attainable[t, 0]
    ones = np.ones_like(after)
    now, attainable = weight.sum(axis=0), mean(ones if stage.last else after, weight)
    score = mean(programme.score_kept(t, stage)[0], weight) + mean(programme.score_later(t, stage)[0], chance)
    if stage.tested:
        score = score + programme.test_weight * now
    if not ahead.lucky:
        # Where no test can be kept any more, the nearest to it is the most confident.
        span = programme.cells.width * programme.cells.count
        score = score + _NEARER * np.minimum((chance * x).sum(axis=0), 0.0) / span
    if policy is None:
        none = np.zeros_like(attainable)
        return LookAhead(now, attainable, score, attainable, none, none)
    t -= policy.begin
    value, later = mean(policy.value[t, 0], chance), mean(policy.later[t, 0], chance)
    return LookAhead(now, attainable, score, mean(ones if stage.last else policy.kept[t, 0], weight), later, value)


def along(plan: Plan, chance: Array, increment: Array, then: Sequence[Stage]) -> LookAhead:
    """Return what jackpots at this draw lead to where the draws after it announce a path: one jackpot a stage."""
    ahead, end, draws = plan.ahead, plan.ahead.period_end, len(plan.ahead.stages)
    programme, t = ahead.programme, min(ahead.now + 1 + len(then), draws)
    ones = np.ones(programme.cells.count)
    if t <= end:
        policy, later = plan.policy, plan.policy.later[t - plan.policy.begin, 0]
    else:
        policy = plan.policy if plan.tail is None else plan.tail
        later = policy.kept[t - policy.begin, 0]
    value = policy.value[t - policy.begin, 0]
    kept = ones if t >= end else policy.kept[t - policy.begin, 0]
    best = ones if t >= end else programme.attainable[t, 0]
    for i in range(t - 1, ahead.now, -1):
        stage = then[i - ahead.now - 1]
        value = stage.reward[0] + programme.through(stage, value, tested=False)
        later = programme.through(stage, later, tested=i >= end)
        if i < end:
            kept, best = (programme.through(stage, one, tested=True) for one in (kept, best))
    x, holds = _after_this_draw(ahead, increment)
    weight, mean = np.where(holds, chance, 0.0), partial(_mean, programme.cells, x)
    reached = mean(best, weight)
    return LookAhead(weight.sum(axis=0), reached, reached, mean(kept, weight), mean(later, chance), mean(value, chance))


def _mean(cells: Cells, x: Array, table: Array, chance: Array) -> Array:
    """Return what is expected of a table (cells,) at the sums x after this draw, for each jackpot."""
    return np.asarray((chance * cells.read(table, x)).sum(axis=0), dtype=np.float64)


def _after_this_draw(ahead: Ahead, increment: Array) -> tuple[Array, Mask]:
    """Return the sum after this draw, and where its test is kept."""
    stage = ahead.stages[ahead.now]
    x = stage.decay * ahead.x_now + increment - float(np.max(stage.drop))
    return (np.zeros_like(x) if stage.resets else x), ahead.keeps(stage, x)


def candidates(grid: StepGrid, count: int = CANDIDATES) -> Array:
    """Return the jackpots that a plan chooses from: from the lowest to the cap, denser where jackpots are small."""
    first = min(grid.pool, grid.last)
    low, high = float(grid.jackpots(first)), float(grid.jackpots(grid.last))
    wanted = 0.5 * (np.linspace(low, high, count) + np.geomspace(low, high, count))
    index = np.clip(np.rint((wanted - grid.start) / grid.step), first, grid.last)
    return grid.jackpots(np.unique(index.astype(np.int64)))


def laws_ahead(situation: Situation, sales: Array, jackpots: Array, dates: pd.DatetimeIndex) -> tuple[DrawLaw, ...]:
    """Return the law of each draw ahead from its samples of sales, shape (samples, draws, jackpots)."""
    draws = sales_ahead(situation, sales, jackpots, dates)
    return tuple(laws_by_pool(situation, draws, [jackpots] * len(dates)))


def ratio_ahead(
    situation: Situation,
    rule: PayoutRatio,
    ledger: Ledger,
    time: Timeline,
    jackpots: Array,
    known: Ahead | None = None,
) -> Ahead:
    """Return the draws ahead as the payout ratio sees them, from the ledger of the draws so far.

    Laws are taken from what is `known` already, if it covers the same draws.
    """
    if known is not None and known.dates.equals(time.dates):
        sales, laws, uncapped = known.sales, known.laws, known.uncapped
    else:
        sales, uncapped = situation.sample_sales(jackpots, time.dates), None
        laws = laws_ahead(situation, sales, jackpots, time.dates)
    history = ledger.surplus(rule)
    first = len(history) - time.past
    window, year = rule.window_draws, rule.tested == "year_end"
    stages, known_increments = [], {}
    for i in range(len(time.tested)):
        law = laws[max(i - time.past, 0)]
        # One law may stand for several draws, which then have one kernel too.
        alike = id(law), bool(time.counted[i])
        if alike not in known_increments:
            known_increments[alike] = surplus(rule, law.counted(rule.contribution), law.sales) * float(alike[1])
        increment = known_increments[alike]
        leaves, drop, decay = first + i - window, 0.0, 1.0
        if not year and 0 <= leaves < len(history):
            drop = float(history[leaves])
        elif not year and leaves >= len(history):
            decay = 1.0 - 1.0 / window
        low, high = (0.0, np.inf) if time.tested[i] else (-np.inf, np.inf)
        if time.tested[i] and rule.floor is not None and rule.ceiling is not None:
            high = (rule.ceiling - rule.floor) * _window_sales(ledger, laws, time, first, i, window, year=year)
        stages.append(
            Stage(increment, law.chance, law.value, low, high, drop, decay, bool(time.last[i]), year and time.last[i])
        )
    if year:
        counted = time.counted[: time.past]
        x_start, x_now = 0.0, float(history[first:][counted].sum())
    else:
        x_start = float(history[max(first - window, 0) : first].sum())
        x_now = float(history[max(len(history) - window, 0) :].sum())
    lucky = rule.basis == "realised"
    ahead = Ahead(jackpots, time.dates, sales, laws, tuple(stages), time.past, x_start, x_now, lucky, uncapped=uncapped)
    return reachable(situation, ahead)


def cash_ahead(
    situation: Situation,
    x_start: float,
    x_now: float,
    time: Timeline,
    jackpots: Array,
    reserve: Contribution | None = None,
    known: Ahead | None = None,
) -> Ahead:
    """Return the draws ahead as the cash sees them: x is the cash over its floor, tested after each draw.

    With the rule of a `reserve`, x is what that holds over its own floor. Laws are taken from what is `known` already,
    if it covers the same draws and jackpots.
    """
    if known is not None and known.dates.equals(time.dates) and np.array_equal(known.jackpots, jackpots):
        sales, laws, uncapped = known.sales, known.laws, known.uncapped
    else:
        sales, uncapped = situation.sample_sales(jackpots, time.dates), None
        laws = laws_ahead(situation, sales, jackpots, time.dates)
    stages, due = [], _due(situation, sales, laws, time) if reserve is None else ()
    known_increments: dict[tuple[int, float], Array] = {}
    for i, last in enumerate(time.last):
        law = laws[max(i - time.past, 0)]
        # One law may stand for several draws, which then have one kernel too.
        alike = id(law), due[i] if due else 0.0
        if alike not in known_increments:
            known_increments[alike] = law.margin - alike[1] if reserve is None else law.counted(reserve) - law.prizes
        increment = known_increments[alike]
        stages.append(Stage(increment, law.chance, law.value, 0.0, last=bool(last)))
    ahead = Ahead(
        jackpots, time.dates, sales, laws, tuple(stages), time.past, x_start, x_now, uncapped=uncapped, due=due
    )
    return reachable(situation, ahead)


def _due(situation: Situation, sales: Array, laws: Sequence[DrawLaw], time: Timeline) -> tuple[float, ...]:
    """Return what falls due at each draw: of draws ahead what is expected at the jackpots worth most in themselves."""
    market = situation.market
    if market.unclaimed is None:
        return ()
    share = [market.expected_secondary_share(market.price_on(date.date())) for date in time.dates]
    best = [int(law.value.argmax()) for law in laws]
    secondary = sales[:, np.arange(len(best)), best].mean(axis=0) * share
    return tuple(due_ahead(situation, time.dates, secondary, time.past).tolist())


def reachable(situation: Situation, ahead: Ahead) -> Ahead:
    """Return the draws ahead with the candidates alone that the largest change lets be announced by each of them.

    After k draws those are within k largest changes of the last jackpot, by whatever path: a relaxation, since the
    programme does not know the jackpot before. Where no candidate is, the nearest may be announced.
    """
    change = situation.market.jackpot.largest_change
    if change is None:
        return ahead
    stages = list(ahead.stages)
    distance = np.abs(ahead.jackpots - situation.last_jackpot)
    for i in range(ahead.now, len(stages)):
        reach = (i + 1 - ahead.now) * change * (1 + _ROUNDING)
        stages[i] = replace(stages[i], allowed=distance <= max(reach, float(distance.min())))
    step = situation.market.jackpot.step
    # From one jackpot of the step grid to another.
    whole = float(np.floor(change / step + _ROUNDING)) * step
    return replace(ahead, stages=tuple(stages), largest_change=whole)


def capped(ahead: Ahead, count: int) -> Ahead:
    """Return the draws ahead with the lowest `count` candidate jackpots alone, at every draw but this one."""
    few = slice(0, count)

    def allowed(stage: Stage) -> Mask | None:
        if stage.allowed is None or stage.allowed[few].any():
            return None if stage.allowed is None else stage.allowed[few]
        return np.asarray(np.arange(count) == count - 1, dtype=bool)

    stages, known = [], {}
    for stage in ahead.stages:
        # Draws of one law have one kernel, which is known by its arrays.
        alike = id(stage.increment), id(stage.chance)
        if alike not in known:
            known[alike] = stage.increment[:, few], stage.chance[:, few]
        increment, chance = known[alike]
        stages.append(
            replace(stage, increment=increment, chance=chance, reward=stage.reward[few], allowed=allowed(stage))
        )
    return replace(ahead, jackpots=ahead.jackpots[few], uncapped=ahead.sampled_at, stages=tuple(stages))


def _window_sales(
    ledger: Ledger, laws: tuple[DrawLaw, ...], time: Timeline, first: int, i: int, window: int, *, year: bool
) -> float:
    """Return the sales expected over a test's window, at the jackpots worth most without it."""
    ahead = [float((law.chance * law.sales).sum(axis=0)[int(law.value.argmax())]) for law in laws]
    everything = np.concatenate([ledger.sales, ahead])
    end = first + i + 1
    begin = first if year else 0
    return float(everything[max(end - window, begin) : end].sum())


Least = Callable[[tuple[int, int], Policy | None, tuple[int, float]], Policy]
"""Finds the policy of the least multiplier that keeps a promise over draws, before a tail, since a draw and its sum."""


def make_plan(ahead: Ahead, confidence: float, *, certain: bool = False, restore: bool = True) -> Plan:
    """Return the plan worth most among those that keep the promise from the named period's start.

    What has been risked since then is spent: the multiplier is the least at which the promise holds from the start,
    and the plan goes on from where luck has led. Where the start could not promise it, it is promised from here; where
    less is attainable from here, the most confident policy is followed until that is over. The period after this one
    has a promise, and a multiplier, of its own.
    """
    attainable = attainable_now(ahead)
    promised = max(confidence, _CERTAIN) if certain and attainable >= _CERTAIN else confidence

    def least(draws: tuple[int, int], tail: Policy | None, since: tuple[int, float]) -> Policy:
        return _least(ahead, confidence, promised, draws, tail, since, restore=restore)

    return plan_by(least, ahead, confidence, promised, attainable)


def attainable_now(ahead: Ahead) -> float:
    """Return the highest probability of keeping every test left in the named period from this draw on."""
    stage = ahead.stages[ahead.now]
    reached = look_ahead(ahead, stage.chance, stage.increment).attainable
    return float((reached if stage.allowed is None else reached[stage.allowed]).max())


def plan_by(least: Least, ahead: Ahead, confidence: float, promised: float, attainable: float) -> Plan:
    """Return the plan made of the `least` policy of the period after the named one, if any, and of the named one."""
    programme, end, draws = ahead.programme, ahead.period_end, len(ahead.stages)
    at_start = float(programme.cells.read(programme.attainable[0, 0], np.array([ahead.x_start]))[0])
    tail = None
    if end < draws:
        x = 0.0 if ahead.stages[end - 1].resets else max(ahead.x_now, 0.0)
        tail = least((end, draws), None, (end, x))
    since = (0, ahead.x_start) if at_start >= confidence else (ahead.now, ahead.x_now)
    return Plan(ahead, confidence, promised, attainable, at_start, least((0, end), tail, since), tail, ())


def _least(
    ahead: Ahead,
    confidence: float,
    promised: float,
    draws: tuple[int, int],
    tail: Policy | None,
    since: tuple[int, float],
    *,
    restore: bool,
) -> Policy:
    """Return the policy of the least multiplier that keeps the promise since a draw, from the sum x there.

    Where nothing keeps it, that is the policy of a large one.
    """
    programme, (t, x) = ahead.programme, since
    unit = ahead.unit
    if programme.cells.read(programme.attainable[t, 0], np.array([x]))[0] < confidence - _ROUNDING:
        return programme.solve(unit * _MULTIPLIERS[-1:], promised, *draws, tail, restore=restore)
    low, multipliers = 0.0, np.zeros(1)
    for turn in range(_REFINEMENTS + 2):
        if turn == 0:
            policy = programme.unpaid(promised, *draws, tail, restore=restore)
        else:
            policy = programme.solve(multipliers, promised, *draws, tail, restore=restore)
        chances = np.array([programme.cells.read(row, np.array([x]))[0] for row in policy.kept[t - draws[0]]])
        enough = chances >= confidence - _ROUNDING
        row = int(enough.argmax()) if enough.any() else int(chances.argmax())
        if multipliers[row] == 0.0 and enough[row]:
            break
        if len(multipliers) == 1:
            multipliers = unit * _MULTIPLIERS[1:]
            continue
        low = multipliers[row - 1] if row else low
        multipliers = np.geomspace(max(low, multipliers[row] / 100), multipliers[row], _BETWEEN + 1)[1:]
    return policy.row(row)


def with_cost_curve(plan: Plan) -> Plan:
    """Return the plan with the curve of value against confidence from here on, over all policies there are."""
    ahead, programme = plan.ahead, plan.ahead.programme
    multipliers = ahead.unit * np.concatenate([[0.0], np.geomspace(0.02, 10, 6)])
    policy = programme.solve(multipliers, plan.promised, ahead.now, ahead.period_end, plan.tail, restore=False)
    at = np.array([ahead.x_now])
    points: dict[float, CostPoint] = {}
    free = ahead.free_value
    for value, kept in zip(policy.value[0], policy.kept[0], strict=True):
        confidence, worth = float(programme.cells.read(kept, at)[0]), float(programme.cells.read(value, at)[0])
        points[round(confidence, 3)] = CostPoint(confidence, worth, worth / free if free else 1.0)
    return replace(plan, cost=tuple(points[key] for key in sorted(points)))

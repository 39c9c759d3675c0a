"""The plans that a decision follows, and the operator's cash, or the prize reserve, under them.

Figures of cash leave this module in a CashOutlook alone.

The mathematics: docs/decision.md, "Cash".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..cash import CashOutlook
from ..market import schema
from .draw_law import DrawLaw, draw_law
from .payout_ratio import Ledger, Timeline, cash_timeline, draw_margins, surplus
from .plan import Ahead, LookAhead, Plan, capped, cash_ahead, make_plan
from .pool_paths import pool_paths
from .pool_plan import PoolPlan
from .pool_states import laws_of_path, sales_ahead
from .programme import Stage
from .replan import replan
from .rollout import Rollout, roll
from .situation import Array, Situation
from .true_ledger import TrueLedger, true_ledger

_BUFFERS = (0.0, 0.15, 0.3, 0.5)
"""Shares of the cash over its floor that are kept back for what sales may still do."""
_LOST = 0.01
_COARSER = 0.5

FAN = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True)
class RatioPlan:
    """The plan for the payout ratio, with its rule and ledger."""

    rule: schema.PayoutRatio
    ledger: Ledger
    plan: Plan
    _missing: list[TrueLedger | None] = field(default_factory=list, compare=False)

    def missing(self, situation: Situation) -> TrueLedger | None:
        """Return what the programme misses in a window shorter than what is left of the period, of the largest change,
        and of the pool; computed once.
        """
        if not self._missing:
            self._missing.append(_missed(situation, self.plan, self.rule, self.ledger))
        return self._missing[0]

    def from_here(self, situation: Situation) -> float:
        """Return the highest probability of keeping what is left of the promise."""
        if self.plan.ahead.largest_change == np.inf and situation.market.game.pool is None:
            return self.plan.attainable
        allowed = self.plan.ahead.stages[self.plan.ahead.now].allowed
        jackpots = self.plan.ahead.jackpots if allowed is None else self.plan.ahead.jackpots[allowed]
        return float(self.look(situation, jackpots).attainable.max())

    def look(self, situation: Situation, jackpots: Array, then: Sequence[float] = ()) -> LookAhead:
        """Return what each jackpot leads to, where the draws after it announce those of `then`."""
        law = law_now(situation, jackpots)
        increment = surplus(self.rule, law.counted(self.rule.contribution), law.sales)
        ahead = self.plan.ahead
        fixed = _fixed(situation, ahead, then, self.rule)
        look = self.plan.look(law, increment * float(np.any(ahead.stages[ahead.now].increment)), fixed)
        missing = None if then else self.missing(situation)
        return look if missing is None else missing.corrected(look, jackpots)


@dataclass(frozen=True)
class Outlook:
    """The plan for the payout ratio, the plan for cash where the ratio asks for none, or that of a rollover pool.

    Each may be None; where the pool has one, the others are.
    """

    ratio: RatioPlan | None
    cash: Plan | None
    pool: PoolPlan | None = None
    uncapped: Outlook | None = None
    """The outlook before its later jackpots were capped for the prize reserve."""
    lows: dict[tuple[int, int, tuple[float, ...], bool], tuple[Array, Array]] = field(
        default_factory=dict, compare=False
    )
    """The lowest changes of cash, or of the reserve, by draws and path, shapes (samples,): computed once."""
    purses: dict[tuple[int, bool], Ahead] = field(default_factory=dict, compare=False)
    """The draws ahead as cash or the reserve sees them, by draws of the period that are over: whatever is held."""
    lower: dict[int, Outlook] = field(default_factory=dict, compare=False)
    """The outlooks under plans that are capped at so many candidates."""

    _cash_missing: list[TrueLedger | None] = field(default_factory=list, compare=False)

    def cash_missing(self, situation: Situation) -> TrueLedger | None:
        """Return what the programme of cash misses of the largest change, and of the pool; computed once."""
        if not self._cash_missing and self.cash is not None:
            self._cash_missing.append(_missed(situation, self.cash))
        return self._cash_missing[0] if self._cash_missing else None

    @property
    def plan(self) -> Plan | None:
        """The plan that later draws follow."""
        return self.cash if self.ratio is None else self.ratio.plan

    def look(self, situation: Situation, jackpots: Array, then: Sequence[float] = ()) -> LookAhead | None:
        """Return what each jackpot leads to under the plan, None where nothing ahead depends on it.

        The draws after this one announce the jackpots of `then`, and follow the plan after those.
        """
        if self.ratio is not None:
            return self.ratio.look(situation, jackpots, then)
        if self.cash is not None:
            law = law_now(situation, jackpots)
            margin = law.margin - self.cash.ahead.due_at(0)
            look = self.cash.look(law, margin, _fixed(situation, self.cash.ahead, then))
            missing = None if then else self.cash_missing(situation)
            return look if missing is None else missing.corrected(look, jackpots)
        return None if self.pool is None else self.pool.look(situation, jackpots, then)

    def after(self, situation: Situation, jackpots: Array, look: LookAhead | None = None) -> Array:
        """Return what each jackpot leads to as the plan weighs it, in currency; zeros without a plan."""
        look = self.look(situation, jackpots) if look is None else look
        if look is not None and self.pool is not None:
            return look.value
        return np.zeros(len(jackpots)) if look is None or self.plan is None else self.plan.objective(look)

    def roll(self, situation: Situation, path: float | Sequence[float], draws: int) -> Rollout | None:
        """Return the plan played forward from a first jackpot, or several, None where there is no plan."""
        if self.ratio is not None:
            return roll(situation, self.ratio.plan, path, draws, self.ratio.rule, self.ratio.ledger)
        if self.pool is not None:
            return self.pool.roll(situation, [path] if isinstance(path, int | float) else path, draws)
        return None if self.cash is None else roll(situation, self.cash, path, draws)

    def lowest(self, situation: Situation, path: tuple[float, ...], draws: int, *, reserve: bool = False) -> Array:
        """Return the lowest change of cash, or of the `reserve`, over the draws ahead, shape (samples,)."""
        return self.lowest_in_parts(situation, path, draws, 0, reserve=reserve)[0]

    def lowest_in_parts(
        self, situation: Situation, path: tuple[float, ...], draws: int, more: int, *, reserve: bool = False
    ) -> tuple[Array, Array]:
        """Return the lowest change over the next `draws`, and that over `more` draws after those, infinite for none."""
        key = draws, more, path, reserve
        if key not in self.lows:
            change = self.change(situation, path, draws + more, reserve=reserve)
            now, then = (part.min(axis=1, initial=np.inf) for part in (change[:, :draws], change[:, draws:]))
            self.lows[key] = now, then
        return self.lows[key]

    def capped(self, count: int) -> Outlook:
        """Return the outlook under a plan with the lowest `count` candidates alone at later draws."""
        ratio = self.ratio
        if ratio is None:
            raise ValueError("a plan for the payout ratio is capped")
        if count not in self.lower:
            certain = ratio.rule.basis == "accrued"
            plan = make_plan(capped(ratio.plan.ahead, count), ratio.plan.confidence, certain=certain)
            plan.ahead.programme.forget()
            self.lower[count] = Outlook(RatioPlan(ratio.rule, ratio.ledger, plan), None)
        return self.lower[count]

    def change(self, situation: Situation, path: Sequence[float], draws: int, *, reserve: bool = False) -> Array:
        """Return the change of cash, or of the `reserve`, up to each draw ahead, shape (samples, draws)."""
        ahead = self.roll(situation, path, draws)
        if ahead is None:
            raise ValueError("cash is looked at under a plan")
        return np.asarray((ahead.counted - ahead.prizes if reserve else ahead.margin).cumsum(axis=1), dtype=np.float64)


def _missed(
    situation: Situation, plan: Plan, rule: schema.PayoutRatio | None = None, ledger: Ledger | None = None
) -> TrueLedger | None:
    """Return what the programme of a plan misses, for the ratio by its `rule`, or for cash; None: nothing."""
    if situation.market.game.pool is not None:
        return pool_paths(situation, plan, rule, ledger)
    return true_ledger(plan, None if rule is None or rule.tested == "year_end" else rule.window_draws)


def _fixed(
    situation: Situation, ahead: Ahead, then: Sequence[float], rule: schema.PayoutRatio | None = None
) -> list[Stage]:
    """Return the draws after this one with the one jackpot of each: of the ratio by its `rule`, or of cash."""
    if not then:
        return []
    fixed, count = [], min(len(then) + 1, len(ahead.dates))
    draws = sales_ahead(situation, ahead.sales[:, :count], ahead.sampled_at, ahead.dates[:count])
    for t, law in enumerate(laws_of_path(situation, draws, then), start=1):
        stage = ahead.stages[ahead.now + t]
        counted = law.counted(None if rule is None else rule.contribution)
        increment = law.margin - ahead.due_at(t) if rule is None else surplus(rule, counted, law.sales)
        increment = increment * float(np.any(stage.increment))
        fixed.append(replace(stage, increment=increment, chance=law.chance, reward=law.value, allowed=None))
    return fixed


def law_now(situation: Situation, jackpots: Array) -> DrawLaw:
    """Return the law of this draw at each jackpot."""
    sales = situation.sample_sales(jackpots)[:, 0, :]
    must = float(situation.must_be_won)
    return draw_law(situation.market, situation.price, sales, jackpots, situation.pool, must)


@dataclass(frozen=True)
class Purse:
    """A sum with a floor under it that is promised after every draw: the cash, or the `reserve` of a rule.

    `room` is what it holds over its floor now, `past` what each draw of the named period so far has added, NaN where
    that is not known; `horizon` is how many draws after the period it is looked at. In units of currency.
    """

    room: float
    confidence: float
    horizon: int
    time: Timeline
    past: Array
    reserve: schema.Contribution | None = None


def cash_purse(situation: Situation, cash_now: float, rule: schema.Cash) -> Purse:
    """Return the cash as what is promised."""
    time = cash_timeline(situation, rule)
    past = draw_margins(situation, time.past)
    return Purse(cash_now - rule.floor, rule.confidence, rule.horizon_draws, time, past)


@dataclass(frozen=True)
class CashPromise:
    """What is left of a promise on cash or the reserve: joint over a named period, of which `left` draws are to come.

    `plan` keeps it from the period's start, as if cash were all that is promised. `kept` is its chance from here on,
    after the luck so far, and `later` that of the next period: what any other plan is held to, and `asked` that below
    which a jackpot breaks the promise. `spent` is False where the luck so far is not known, and the promise begins
    here.
    """

    left: int
    plan: Plan | None
    kept: float
    asked: float
    later: float
    spent: bool


def floor_promise(situation: Situation, outlook: Outlook, purse: Purse, jackpots: Array) -> CashPromise:
    """Return what is left of a promise; what was held at its start is what is held now less what the draws left.

    There is no plan where the payout ratio's keeps the cash far enough from its floor, at
    the middle and the highest jackpot now.
    """
    time, x, past = purse.time, purse.room, purse.past
    spent = not np.isnan(past).any()
    if not spent:
        time = replace(time, past=0, tested=time.tested[time.past :], last=time.last[time.past :])
    if outlook.ratio is not None:
        # Luck that has spared a reserve is not spent again; cash is let be where half of the risk allowed is not taken.
        nodes, enough = jackpots[[len(jackpots) // 2, -1]], 1.0 - (1.0 - purse.confidence) / 2
        if purse.reserve is not None:
            nodes, enough = nodes[:1], 1.0
        lows = lows_of(situation, outlook, purse, time.left, nodes)
        if all((x + low >= 0).mean() >= enough for parts in lows for low in parts):
            return CashPromise(time.left, None, purse.confidence, purse.confidence, purse.confidence, spent)
    key = time.past, purse.reserve is not None
    if key not in outlook.purses:
        known = None if outlook.ratio is None else outlook.ratio.plan.ahead
        ahead = cash_ahead(situation, 0.0, 0.0, time, jackpots, purse.reserve, known)
        outlook.purses[key] = ahead if outlook.ratio is None else replace(ahead, fineness=_COARSER, programmes={})
    x_start = x - float(past.sum()) if spent else x
    plan = make_plan(replace(outlook.purses[key], x_start=x_start, x_now=x), purse.confidence)
    if outlook.ratio is not None:
        plan.ahead.programme.forget()
    kept, later = float(plan.worth.kept[0]), float(plan.worth.later[0])
    if plan.restoring or time.past == 0:
        kept = purse.confidence
    elif plan.multiplier == 0.0:
        kept = min(kept, purse.confidence)
    least, after = min(kept, purse.confidence), min(later, purse.confidence)
    return CashPromise(time.left, plan, kept, least, after, spent)


def lows_of(
    situation: Situation, outlook: Outlook, purse: Purse, left: int, jackpots: Array
) -> list[tuple[Array, Array]]:
    """Return the lowest changes of a purse over the `left` draws of its period, and after them, for each jackpot."""
    reserve = purse.reserve is not None
    return [outlook.lowest_in_parts(situation, (float(one),), left, purse.horizon, reserve=reserve) for one in jackpots]


def with_floor(situation: Situation, outlook: Outlook, purse: Purse, promise: CashPromise, jackpots: Array) -> Outlook:
    """Return the outlook with a plan that keeps the floor under the cash, or under the reserve.

    Where the payout ratio has a plan and cash would not last under it, there are two ways to make it last, judged by
    rollouts with common random numbers. For prizes really paid that are tested at the year's end, the plan keeps cash
    as an upper limit of its own sum (`cash_limited`). Otherwise its later jackpots are capped, at the highest candidate
    under which cash lasts, by bisection. A plan is left as it is where the ratio's promise, for this period or the
    next, would be less attainable than before.
    """
    ratio = outlook.ratio
    if promise.plan is None:
        return outlook
    if ratio is None:
        return Outlook(None, promise.plan)

    def keeps_ratio(plan: Plan) -> bool:
        now, then = plan.worth, ratio.plan.worth
        least = min(float(then.later[0]), ratio.plan.confidence) - _LOST
        return plan.restoring <= ratio.plan.restoring and float(now.later[0]) >= least

    def lasts(one: Outlook, least: float) -> bool:
        lows = lows_of(situation, one, purse, promise.left, jackpots[[0, len(jackpots) // 2]])
        now, then = (max(float((purse.room + low >= 0).mean()) for low in part) for part in zip(*lows, strict=True))
        return now >= least and then >= promise.later

    year = ratio.rule.tested == "year_end" and ratio.rule.basis == "realised" and ratio.rule.ceiling is None
    year = year and purse.reserve is None
    tried: dict[float, Outlook] = {}
    near = ratio.plan
    for least in dict.fromkeys((promise.kept, promise.asked)):
        if lasts(outlook, least):
            return outlook
        for buffer in _BUFFERS if year else ():
            if buffer not in tried:
                room = (1 - buffer) * purse.room
                near = replan(cash_limited(situation, outlook, ratio, room, promise.left + purse.horizon), near)
                tried[buffer] = Outlook(RatioPlan(ratio.rule, ratio.ledger, near), None)
            limited = tried[buffer]
            if limited.plan is None or not keeps_ratio(limited.plan):
                break
            if lasts(limited, least):
                return limited
        low, high, best = 0, len(ratio.plan.ahead.jackpots), outlook
        while high - low > 1:
            count = (low + high) // 2
            other = outlook.capped(count)
            if other.plan is None or not lasts(other, least):
                high = count
            else:
                low = count
                if keeps_ratio(other.plan):
                    best = other
        if best is not outlook:
            return best
    return outlook


def cash_limited(situation: Situation, outlook: Outlook, ratio: RatioPlan, room: float, draws: int) -> Ahead:
    """Return the draws ahead with the cash floor as an upper limit of the sum x, where x counts prizes really paid.

    What a draw adds to cash and to x together, (1 - s' - F) S less fixed costs with s' the costs' share of sales, holds
    no prizes: cash stays above its floor while x <= x_now + room + sum of (1 - s' - F) E[S], with the sales of the plan
    so far. A year's end passes its mean on.
    """
    ahead = ratio.plan.ahead
    played = outlook.roll(situation, float(ahead.jackpots[len(ahead.jackpots) // 2]), min(draws, len(ahead.dates)))
    if played is None:
        raise ValueError("cash is limited under a plan")
    added = surplus(ratio.rule, played.counted, played.sales)
    both, each = (played.margin + added).mean(axis=0), added.mean(axis=0)
    stages, limit, x = list(ahead.stages), ahead.x_now + room, ahead.x_now
    for t in range(len(both)):
        limit, x = limit + float(both[t]), x + float(each[t])
        at = ahead.now + t
        stages[at] = replace(stages[at], high=max(limit, 0.0))
        if stages[at].resets:
            limit, x = limit - x, 0.0
    return replace(ahead, stages=tuple(stages), fineness=_COARSER)


def chance_of_floor(situation: Situation, outlook: Outlook, purse: Purse) -> Callable[[Array], Array]:
    """Return what gives the chance of no draw left in the period going below the floor, at each jackpot.

    It is the highest attainable where cash alone is planned for, and that of the payout ratio's plan otherwise.
    """

    def chance(jackpots: Array) -> Array:
        if outlook.ratio is None:
            look = outlook.look(situation, jackpots)
            return np.ones(len(jackpots)) if look is None else look.attainable
        reserve, draws = purse.reserve is not None, purse.time.left
        lowest = [outlook.lowest(situation, (float(one),), draws, reserve=reserve) for one in jackpots]
        return np.array([float((purse.room + one >= 0).mean()) for one in lowest])

    return chance


def chance_of_reserve(situation: Situation, outlook: Outlook, purse: Purse) -> Callable[[Array], Array]:
    """Return the same for the reserve, no later draw announcing more than this one or the plan's cap allows.

    A jackpot over the cap would otherwise take its risk anew at every draw, each time with a cautious plan after it.
    """
    base = outlook.uncapped or outlook

    def chance(jackpots: Array) -> Array:
        if base.ratio is None or outlook.ratio is None:
            raise ValueError("a prize reserve is kept beside a payout ratio")
        nodes, cap = base.ratio.plan.ahead.jackpots, len(outlook.ratio.plan.ahead.jackpots)
        counts = np.maximum(np.searchsorted(nodes, jackpots * (1 + 1e-12), side="right"), cap)
        found = []
        for one, count in zip(jackpots, counts, strict=True):
            then = outlook if count == cap else base if count == len(nodes) else base.capped(int(count))
            low = then.lowest(situation, (float(one),), purse.time.left, reserve=True)
            found.append(float((purse.room + low >= 0).mean()))
        return np.array(found)

    return chance


def cash_outlook(situation: Situation, outlook: Outlook, jackpot: float) -> CashOutlook | None:
    """Return the cash ahead at a jackpot and the plan after it; None without cash figures or without a floor."""
    rule, cash_now = situation.market.cash, situation.cash_now
    if rule is None or cash_now is None:
        return None
    left = cash_timeline(situation, rule).left
    dates, cash = _cash(situation, outlook, cash_now, jackpot, max(left, rule.horizon_draws))
    kept = float((cash[:, :left].min(axis=1) >= rule.floor).mean())
    dates, cash = dates[: rule.horizon_draws], cash[:, : rule.horizon_draws]
    quantiles = dict(zip(FAN, np.quantile(cash, list(FAN.values()), axis=0), strict=True))
    fan = pd.DataFrame({"draw_date": dates, **quantiles})
    return CashOutlook(situation.market.currency, cash_now, rule.floor, rule.confidence, kept, fan)


def _cash(
    situation: Situation, outlook: Outlook, cash_now: float, jackpot: float, draws: int
) -> tuple[pd.DatetimeIndex, Array]:
    """Return the dates of the draws ahead, and cash after each, shape (samples, draws)."""
    ahead = outlook.roll(situation, jackpot, draws)
    if ahead is None:
        raise ValueError("cash is looked at under a plan")
    return ahead.dates, np.asarray(cash_now + ahead.margin.cumsum(axis=1), dtype=np.float64)

"""The plans that a decision follows, and the operator's cash under them.

Figures of cash leave this module in a CashOutlook alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..cash import CashOutlook
from ..market import schema
from .draw_law import DrawLaw, draw_law
from .payout_ratio import Ledger, cash_timeline, draw_margins, surplus
from .plan import Ahead, LookAhead, Plan, capped, cash_ahead, make_plan, pools_ahead
from .programme import Stage
from .rollout import Rollout, roll, sales_at
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

    @cached_property
    def true_ledger(self) -> TrueLedger | None:
        """What the programme misses where the window is shorter than what is left of the period."""
        return None if self.rule.tested == "year_end" else true_ledger(self.plan, self.rule.window_draws)

    def look(self, situation: Situation, jackpots: Array, then: Sequence[float] = ()) -> LookAhead:
        """Return what each jackpot leads to, where the draws after it announce those of `then`."""
        law = law_now(situation, jackpots)
        increment = surplus(self.rule, law.counted(self.rule.contribution), law.sales)
        ahead = self.plan.ahead
        fixed = _fixed(situation, ahead, then, self.rule)
        look = self.plan.look(law, increment * float(np.any(ahead.stages[ahead.now].increment)), fixed)
        return look if then or self.true_ledger is None else self.true_ledger.corrected(look, jackpots)


@dataclass(frozen=True)
class Outlook:
    """The plan for the payout ratio, and the plan for cash where the ratio asks for none; either may be None."""

    ratio: RatioPlan | None
    cash: Plan | None
    lows: dict[tuple[int, tuple[float, ...]], Array] = field(default_factory=dict, compare=False)
    """The lowest change of cash by draws and path, shape (samples,): whatever the cash, and computed once."""

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
            return self.cash.look(law, law.margin, _fixed(situation, self.cash.ahead, then))
        return None

    def after(self, situation: Situation, jackpots: Array, look: LookAhead | None = None) -> Array:
        """Return what each jackpot leads to as the plan weighs it, in currency; zeros without a plan."""
        look = self.look(situation, jackpots) if look is None else look
        return np.zeros(len(jackpots)) if look is None or self.plan is None else self.plan.objective(look)

    def roll(self, situation: Situation, path: float | Sequence[float], draws: int) -> Rollout | None:
        """Return the plan played forward from a first jackpot, or several, None where there is no plan."""
        if self.ratio is not None:
            return roll(situation, self.ratio.plan, path, draws, self.ratio.rule, self.ratio.ledger)
        return None if self.cash is None else roll(situation, self.cash, path, draws)

    def lowest(self, situation: Situation, path: tuple[float, ...], draws: int) -> Array:
        """Return the lowest change of cash over the draws ahead, shape (samples,)."""
        if (draws, path) not in self.lows:
            self.lows[draws, path] = self.change(situation, path, draws).min(axis=1)
        return self.lows[draws, path]

    def change(self, situation: Situation, path: Sequence[float], draws: int) -> Array:
        """Return the change of cash up to each draw ahead, shape (samples, draws)."""
        ahead = self.roll(situation, path, draws)
        if ahead is None:
            raise ValueError("cash is looked at under a plan")
        return ahead.margin.cumsum(axis=1)


def _fixed(
    situation: Situation, ahead: Ahead, then: Sequence[float], rule: schema.PayoutRatio | None = None
) -> list[Stage]:
    """Return the draws after this one with the one jackpot of each: of the ratio by its `rule`, or of cash."""
    market, fixed = situation.market, []
    pools = pools_ahead(situation, ahead.sales, ahead.dates[: len(then) + 1])
    for t, jackpot in enumerate(then[: len(ahead.dates) - 1], start=1):
        stage, sales = ahead.stages[ahead.now + t], sales_at(ahead, t, jackpot)[:, None]
        price = market.price_on(ahead.dates[t].date())
        law = draw_law(market, price, sales, np.array([max(jackpot, pools[t])]), pools[t])
        increment = law.margin if rule is None else surplus(rule, law.counted(rule.contribution), law.sales)
        increment = increment * float(np.any(stage.increment))
        fixed.append(replace(stage, increment=increment, chance=law.chance, reward=law.value))
    return fixed


def law_now(situation: Situation, jackpots: Array) -> DrawLaw:
    """Return the law of this draw at each jackpot."""
    sales = situation.sample_sales(jackpots)[:, 0, :]
    return draw_law(situation.market, situation.price, sales, jackpots, situation.pool)


@dataclass(frozen=True)
class CashPromise:
    """What is left of the promise on cash: joint over a named period, of which `left` draws are to come.

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


def cash_promise(
    situation: Situation, outlook: Outlook, cash_now: float, rule: schema.Cash, jackpots: Array
) -> CashPromise:
    """Return what is left of the promise on cash; the cash at its start is that of now less what the draws left.

    There is no plan where the payout ratio's never comes near the floor.
    """
    time, x = cash_timeline(situation, rule), cash_now - rule.floor
    past = draw_margins(situation, time.past)
    spent = not np.isnan(past).any()
    if not spent:
        time = replace(time, past=0, tested=time.tested[time.past :], last=time.last[time.past :])
    if outlook.ratio is not None:
        typical = (float(jackpots[len(jackpots) // 2]),)
        if x + outlook.change(situation, typical, time.left + rule.horizon_draws).min() >= 0:
            return CashPromise(time.left, None, rule.confidence, rule.confidence, rule.confidence, spent)
    ahead = cash_ahead(situation, x - float(past.sum()) if spent else x, x, time, jackpots)
    plan = make_plan(ahead if outlook.ratio is None else replace(ahead, fineness=_COARSER), rule.confidence)
    kept, later = float(plan.worth.kept[0]), float(plan.worth.later[0])
    if plan.restoring or time.past == 0:
        kept = rule.confidence
    elif plan.multiplier == 0.0:
        kept = min(kept, rule.confidence)
    least, after = min(kept, rule.confidence), min(later, rule.confidence)
    return CashPromise(time.left, plan, kept, least, after, spent)


def with_cash(
    situation: Situation, outlook: Outlook, cash_now: float, rule: schema.Cash, promise: CashPromise, jackpots: Array
) -> Outlook:
    """Return the outlook with a plan that keeps the floor under the cash.

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
        few, draws = jackpots[[0, len(jackpots) // 2]], promise.left + rule.horizon_draws
        paths = [cash_now - rule.floor + one.change(situation, (float(jackpot),), draws) for jackpot in few]
        now = max(float((cash[:, : promise.left].min(axis=1) >= 0).mean()) for cash in paths)
        then = max(float((cash[:, promise.left :].min(axis=1, initial=np.inf) >= 0).mean()) for cash in paths)
        return now >= least and then >= promise.later

    year = ratio.rule.tested == "year_end" and ratio.rule.basis == "realised" and ratio.rule.ceiling is None
    for least in dict.fromkeys((promise.kept, promise.asked)):
        if lasts(outlook, least):
            return outlook
        for buffer in _BUFFERS if year else ():
            room = (1 - buffer) * (cash_now - rule.floor)
            ahead = cash_limited(situation, outlook, ratio, room, promise.left + rule.horizon_draws)
            one = RatioPlan(ratio.rule, ratio.ledger, make_plan(ahead, ratio.plan.confidence))
            if keeps_ratio(one.plan) and lasts(Outlook(one, None), least):
                return Outlook(one, None)
        low, high, best = 0, len(jackpots), outlook
        while high - low > 1:
            count = (low + high) // 2
            certain = ratio.rule.basis == "accrued"
            plan = make_plan(capped(ratio.plan.ahead, count), ratio.plan.confidence, certain=certain)
            other = Outlook(RatioPlan(ratio.rule, ratio.ledger, plan), None)
            if not lasts(other, least):
                high = count
            else:
                low = count
                if keeps_ratio(plan):
                    best = other
        if best is not outlook:
            return best
    return outlook


def cash_limited(situation: Situation, outlook: Outlook, ratio: RatioPlan, room: float, draws: int) -> Ahead:
    """Return the draws ahead with the cash floor as an upper limit of the sum x, where x counts prizes really paid.

    What a draw adds to cash and to x together, (1 - s - F) S, holds no prizes: cash stays above its floor while
    x <= x_now + room + sum of (1 - s - F) E[S], with the sales of the plan so far. A year's end passes its mean on.
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


def chance_of_floor(
    situation: Situation, outlook: Outlook, cash_now: float, rule: schema.Cash, draws: int
) -> Callable[[Array], Array]:
    """Return what gives the chance of cash at or above its floor after each of the next draws, at each jackpot.

    It is the highest attainable where cash alone is planned for, and that of the payout ratio's plan otherwise.
    """

    def chance(jackpots: Array) -> Array:
        if outlook.ratio is None:
            look = outlook.look(situation, jackpots)
            return np.ones(len(jackpots)) if look is None else look.attainable
        lowest = [cash_now + outlook.lowest(situation, (float(one),), draws) for one in jackpots]
        return np.array([float((cash >= rule.floor).mean()) for cash in lowest])

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

"""The plans that a decision follows, and the operator's cash under them.

Figures of cash leave this module in a CashOutlook alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..cash import CashOutlook
from ..market import schema
from .draw_law import DrawLaw, draw_law
from .payout_ratio import Ledger, surplus
from .plan import LookAhead, Plan, capped, cash_ahead, make_plan
from .rollout import Rollout, roll
from .situation import Array, Situation

FAN = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True)
class RatioPlan:
    """The plan for the payout ratio, with its rule and ledger."""

    rule: schema.PayoutRatio
    ledger: Ledger
    plan: Plan

    def look(self, situation: Situation, jackpots: Array) -> LookAhead:
        """Return what each jackpot leads to."""
        law = law_now(situation, jackpots)
        increment = surplus(self.rule, law.counted(self.rule.contribution), law.sales)
        stage = self.plan.ahead.stages[self.plan.ahead.now]
        return self.plan.look(law, increment * float(np.any(stage.increment)))


@dataclass(frozen=True)
class Outlook:
    """The plan for the payout ratio, and the plan for cash where the ratio asks for none; either may be None."""

    ratio: RatioPlan | None
    cash: Plan | None

    @property
    def plan(self) -> Plan | None:
        """The plan that later draws follow."""
        return self.cash if self.ratio is None else self.ratio.plan

    def look(self, situation: Situation, jackpots: Array) -> LookAhead | None:
        """Return what each jackpot leads to under the plan, None where nothing ahead depends on it."""
        if self.ratio is not None:
            return self.ratio.look(situation, jackpots)
        if self.cash is not None:
            law = law_now(situation, jackpots)
            return self.cash.look(law, law.margin)
        return None

    def after(self, situation: Situation, jackpots: Array, look: LookAhead | None = None) -> Array:
        """Return what each jackpot leads to as the plan weighs it, in currency; zeros without a plan."""
        look = self.look(situation, jackpots) if look is None else look
        return np.zeros(len(jackpots)) if look is None or self.plan is None else self.plan.objective(look)

    def roll(self, situation: Situation, first: float, draws: int) -> Rollout | None:
        """Return the plan played forward from a first jackpot, None where there is no plan."""
        if self.ratio is not None:
            return roll(situation, self.ratio.plan, first, draws, self.ratio.rule, self.ratio.ledger)
        return None if self.cash is None else roll(situation, self.cash, first, draws)


def law_now(situation: Situation, jackpots: Array) -> DrawLaw:
    """Return the law of this draw at each jackpot."""
    sales = situation.sample_sales(jackpots)[:, 0, :]
    return draw_law(situation.market, situation.price, sales, jackpots, situation.pool)


def with_cash(situation: Situation, outlook: Outlook, cash_now: float, rule: schema.Cash, jackpots: Array) -> Outlook:
    """Return the outlook with a plan that keeps the floor under the cash.

    Where the payout ratio has a plan and cash would not last under it, the plan's later jackpots are capped: at the
    highest candidate under which cash lasts and the ratio's promise is as attainable as before, by bisection over
    rollouts with common random numbers. Where there is none, or the ratio's would suffer, its plan is left as it is.
    """
    ratio = outlook.ratio
    if ratio is None:
        ahead = cash_ahead(situation, cash_now, rule.floor, rule.horizon_draws, jackpots)
        return Outlook(None, make_plan(ahead, rule.confidence))

    def lasts(one: Outlook) -> bool:
        chance = chance_of_floor(situation, one, cash_now, rule)
        return bool(chance(jackpots[[0, len(jackpots) // 2]]).max() >= rule.confidence)

    if lasts(outlook):
        return outlook
    low, high, best = 0, len(jackpots), outlook
    while high - low > 1:
        count = (low + high) // 2
        plan = make_plan(capped(ratio.plan.ahead, count), ratio.plan.confidence, certain=ratio.rule.basis == "accrued")
        one = Outlook(RatioPlan(ratio.rule, ratio.ledger, plan), None)
        if not lasts(one):
            high = count
        else:
            low = count
            if plan.restoring <= ratio.plan.restoring:
                best = one
    return best


def chance_of_floor(
    situation: Situation, outlook: Outlook, cash_now: float, rule: schema.Cash
) -> Callable[[Array], Array]:
    """Return what gives the chance of cash at or above its floor after each draw of the horizon, at each jackpot.

    It is the highest attainable where cash alone is planned for, and that of the payout ratio's plan otherwise.
    """

    def chance(jackpots: Array) -> Array:
        if outlook.ratio is None:
            look = outlook.look(situation, jackpots)
            return np.ones(len(jackpots)) if look is None else look.attainable
        lowest = [
            _cash(situation, outlook, cash_now, float(one), rule.horizon_draws)[1].min(axis=1) for one in jackpots
        ]
        return np.array([float((cash >= rule.floor).mean()) for cash in lowest])

    return chance


def cash_outlook(situation: Situation, outlook: Outlook, jackpot: float) -> CashOutlook | None:
    """Return the cash ahead at a jackpot and the plan after it; None without cash figures or without a floor."""
    rule, cash_now = situation.market.cash, situation.cash_now
    if rule is None or cash_now is None:
        return None
    dates, cash = _cash(situation, outlook, cash_now, jackpot, rule.horizon_draws)
    quantiles = dict(zip(FAN, np.quantile(cash, list(FAN.values()), axis=0), strict=True))
    kept = float((cash.min(axis=1) >= rule.floor).mean())
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

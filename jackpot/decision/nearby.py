"""The plan of circumstances that differ a little from those of a plan at hand.

The mathematics: docs/decision.md, "What it hangs on".
"""

from __future__ import annotations

from dataclasses import replace

from .cash_floor import RatioPlan
from .payout_ratio import timeline
from .plan import laws_ahead, ratio_ahead
from .replan import replan
from .situation import Situation

_EVERY = 4
_COARSE = 0.5
_OFTEN = 12


def nearby(situation: Situation, known: RatioPlan) -> RatioPlan:
    """Return the plan of a situation that differs from that of `known` in its market and demand alone.

    The law of every fourth draw stands for four, unless a rollover pool makes each draw another; where tests are many
    the grid of the sum is half as fine.
    """
    rule, plan = known.rule, known.plan
    time = timeline(situation, rule)
    every = 1 if situation.market.game.pool is not None else _EVERY
    jackpots, dates = plan.ahead.jackpots, time.dates[::every]
    sales = situation.sample_sales(jackpots, dates)
    laws = [law for law in laws_ahead(situation, sales, jackpots, dates) for _ in range(every)]
    few = replace(plan.ahead, uncapped=None, dates=time.dates, sales=sales, laws=tuple(laws[: len(time.dates)]))
    ahead = ratio_ahead(situation, rule, known.ledger, time, jackpots, few)
    if ahead.lucky and sum(stage.tested for stage in ahead.stages) > _OFTEN:
        ahead = replace(ahead, fineness=_COARSE)
    return RatioPlan(rule, known.ledger, replan(ahead, plan, smooth=True))

"""What a plan that promises something really leads to in a rollover game, whose pool the programme takes by the draw.

There a pool is drawn anew at each draw (`pool_states`), while really a large pool follows a large one. Both the plan
and the most confident policy are played forward with the pool that each path has (`rollout`).

The mathematics: docs/decision.md, "How far it is exact".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..market.schema import PayoutRatio
from .payout_ratio import Ledger
from .plan import Plan, look_ahead
from .programme import Policy
from .rollout import Rollout, roll
from .situation import Array, Situation
from .true_ledger import TrueLedger, share


def pool_paths(
    situation: Situation, plan: Plan, rule: PayoutRatio | None = None, ledger: Ledger | None = None
) -> TrueLedger:
    """Return what the programme misses of the chances of a promise: on the ratio by its `rule`, or on cash."""
    ahead = plan.ahead
    stage, left = ahead.stages[ahead.now], ahead.period_end - ahead.now
    look = look_ahead(ahead, stage.chance, stage.increment, plan.policy)

    def rolled(followed: Plan, draws: int) -> list[Rollout]:
        return [roll(situation, followed, float(one), draws, rule, ledger) for one in ahead.jackpots]

    mine = rolled(plan, len(ahead.dates))
    most, kept = _kept(rolled(_most_confident(plan), left), slice(0, left)), _kept(mine, slice(0, left))
    none = np.zeros(len(kept))
    return TrueLedger(
        ahead.jackpots,
        share(np.maximum(most, kept) - look.attainable, look.now),
        share(kept - look.kept, look.now),
        none if plan.tail is None else _kept(mine, slice(left, None)) - look.later,
        none,
        np.ones(len(kept), dtype=bool),
    )


def _kept(rolled: list[Rollout], draws: slice) -> Array:
    return np.array([float(one.kept[:, draws].all(axis=1).mean()) for one in rolled])


def _most_confident(plan: Plan) -> Plan:
    programme = plan.ahead.programme
    most = Policy(0, np.zeros(1), programme.restoring, programme.score, programme.attainable, programme.attainable)
    return replace(plan, policy=most, tail=None)

"""What a plan that promises something really leads to in a rollover game, whose pool the programme takes by the draw.

There a pool is drawn anew at each draw (`pool_states`), while really a large pool follows a large one. Both the plan
and the most confident policy are played forward with the pool that each path has (`rollout`), at a few jackpots.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..market.schema import PayoutRatio
from .payout_ratio import Ledger
from .plan import LookAhead, Plan, look_ahead
from .programme import Policy
from .rollout import Rollout, roll
from .situation import Array, Situation
from .true_ledger import TrueLedger

_JACKPOTS = 7


def pool_paths(
    situation: Situation, plan: Plan, rule: PayoutRatio | None = None, ledger: Ledger | None = None
) -> TrueLedger:
    """Return what the programme misses of the chances of a promise: on the ratio by its `rule`, or on cash."""
    ahead = plan.ahead
    stage, left = ahead.stages[ahead.now], ahead.period_end - ahead.now
    nodes = np.unique(np.linspace(0, len(ahead.jackpots) - 1, _JACKPOTS).round().astype(np.int64))
    look = look_ahead(ahead, stage.chance[:, nodes], stage.increment[:, nodes], plan.policy)

    def chances(followed: Plan) -> tuple[Array, Array]:
        rolled = [
            roll(situation, followed, float(one), len(ahead.dates), rule, ledger) for one in ahead.jackpots[nodes]
        ]
        return _kept(rolled, slice(0, left)), _kept(rolled, slice(left, None))

    kept, later = chances(plan)
    most, _ = chances(_most_confident(plan))
    gained, none = np.maximum(most, kept) - look.attainable, np.zeros(len(nodes))
    return TrueLedger(
        ahead.jackpots[nodes],
        LookAhead(gained, gained, kept - look.kept, later - look.later if plan.tail is not None else none, none),
    )


def _kept(rolled: list[Rollout], draws: slice) -> Array:
    return np.array([float(one.kept[:, draws].all(axis=1).mean()) for one in rolled])


def _most_confident(plan: Plan) -> Plan:
    programme = plan.ahead.programme
    most = Policy(0, np.zeros(1), programme.restoring, programme.score, programme.attainable, programme.attainable)
    return replace(plan, policy=most, tail=None)

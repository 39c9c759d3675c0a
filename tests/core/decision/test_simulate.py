"""Policies over many runs of the same luck: the plan keeps its promise where others do not, and always answers."""

import datetime as dt

import numpy as np
import pytest

from jackpot.decision.simulate import simulate_policy
from jackpot.decision.situation import situate

pytestmark = pytest.mark.slow


def test_the_plan_keeps_its_promise_in_each_period_and_always_answers(world):
    market = world.market(
        costs={"variable_share_of_sales": 0.30},
        regulation={"payout_ratio": {"floor": 0.4, "basis": "realised", "tested": "year_end"}},
        decision={"horizon_draws": 52},
    )
    truth = world.Demand(b=0.3, noise=0.08)
    situation = situate(market, world.history(market), truth, dt.date(2025, 12, 29), None)
    nodes = np.array([5, 10, 15, 20, 30, 50]) * 1e6
    policies = {"plan": "plan", "seed": "seed_rule", "held": 15e6, "last": "last_jackpot"}
    found = simulate_policy(situation, truth, nodes, policies, 300, 104, 1)
    plan = found["plan"]
    assert len(plan.breach) == 2
    assert all(rate <= 0.05 + 2 * error for rate, error in zip(plan.breach, plan.breach_error, strict=True))
    assert plan.no_answer == 0.0
    assert found["seed"].no_answer > 0.5
    assert found["held"] == found["last"]
    assert min(found["held"].breach) > 0.2
    assert simulate_policy(situation, truth, nodes, {"plan": "plan"}, 300, 104, 1)["plan"] == plan

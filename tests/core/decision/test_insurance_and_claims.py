"""What insurance and unclaimed prizes do to value, cash and the realised ratio."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from jackpot.decision.claims import due_ahead, falls_due
from jackpot.decision.draw_law import draw_law
from jackpot.decision.payout_ratio import cash_timeline, draw_margins, ledger_of
from jackpot.decision.plan import cash_ahead, make_plan
from jackpot.decision.rollout import roll
from jackpot.decision.situation import situate
from jackpot.game.moments import draw_moments, expected_value
from jackpot.market.schema import Unclaimed

COSTS = {"variable_share_of_sales": 0.3}
TODAY = dt.date(2025, 12, 29)
COVER = {"excess": 20e6, "premium_per_expected_claim": 1.3}
CLAIMS = {"late_share": 0.2, "late_days": 10, "expired_share": 0.1, "expires_after_days": 30}


def situation_of(world, market, **given):
    return situate(market, world.history(market, **given), world.Demand(b=0.3), TODAY, None)


@pytest.mark.parametrize("payout", ["per_winner", "shared"])
def test_the_law_of_an_insured_draw_has_its_moments(world, payout):
    market = world.market(game={"payout": payout, "secondary_log_sd": 0.3}, costs=COSTS, insurance=COVER)
    sales, jackpots = np.array([[4e7], [4e7]]) * np.ones(3), np.array([10e6, 25e6, 45e6])
    law = draw_law(market, world.price, sales, jackpots, 0.0)
    assert (law.chance * law.margin).sum(axis=0) == pytest.approx(law.value, abs=100.0)
    assert law.margin.min() > 0.7 * 4e7 - 20e6 - 4e7
    free = draw_law(market.model_copy(update={"insurance": None}), world.price, sales, jackpots, 0.0)
    assert (law.prizes == free.prizes).all()


@pytest.mark.slow
def test_insurance_keeps_the_cash(world):
    """Little cash, and jackpots that may not be paid out of it: only with the insurer are they recommended."""
    free, insured = (
        world.run(
            world.market(costs=COSTS, cash={"floor": 5e6}, insurance=cover, decision={"samples": 500}),
            world.Demand(b=0.8, noise=0.08),
            money=30e6,
        )
        for cover in (None, {"excess": 8e6, "premium_per_expected_claim": 1.05})
    )
    assert insured.recommendation.jackpot > free.recommendation.jackpot
    assert insured.recommendation.status == "recommended"
    assert insured.cash.probability_kept >= 0.95


def test_past_margins_are_after_the_insurer_s_part(world):
    market = world.market(costs=COSTS, insurance={"excess": 8e6, "premium_per_draw": 1e5})
    situation = situation_of(world, market, draws=2, sales=1e7, prizes=[30e6, 0.0])
    assert draw_margins(situation, 2).tolist() == pytest.approx([7e6 - 8e6 - 1e5, 7e6 - 1e5])


def test_what_falls_due_and_when():
    dates = pd.date_range("2026-01-03", periods=7, freq="7D")
    won = np.array([100.0, 0.0, 10.0, 0.0, 0.0, 0.0, 0.0])
    charity = falls_due(Unclaimed(**CLAIMS), dates, won)
    assert charity.tolist() == pytest.approx([0, 0, 20, 0, 2, 10, 0])
    kept = falls_due(Unclaimed(**CLAIMS, expired_go_to="operator"), dates, np.stack([won, 2 * won]))
    assert kept[1].tolist() == pytest.approx([0, 0, 40, 0, 4, 0, 0])


@pytest.mark.parametrize("owner", ["operator", "good_causes"])
def test_value_has_what_expires_into_the_operator_s_hands(world, owner):
    plain = world.market(costs=COSTS)
    market = world.market(costs=COSTS, unclaimed={**CLAIMS, "expired_go_to": owner})
    gain = expected_value(market, world.price, 1e7, 1e7) - expected_value(plain, world.price, 1e7, 1e7)
    assert float(gain) == pytest.approx(0.1 * 0.25 * 1e7 if owner == "operator" else 0.0)
    law = draw_law(market, world.price, np.full((2, 1), 1e7), np.array([1e7]), 0.0)
    at_once = (law.chance * law.margin).sum(axis=0)
    assert float(at_once[0]) == pytest.approx(float(law.value[0]) + 2.5e6 * (0.2 + (0.1 if owner != "operator" else 0)))


@pytest.mark.parametrize("owner", ["operator", "good_causes"])
def test_cash_is_right_to_the_day(world, owner):
    """No jackpot, steady sales: each draw pays 70% of its prizes, and what is due of those before it."""
    market = world.market(
        costs=COSTS,
        jackpot={"start": 5e6, "cap": 5e6},
        game={"jackpot_odds_one_in": 1e12, "secondary_share_of_sales": 0.2},
        cash={"floor": 0.0, "horizon_draws": 12},
        unclaimed={**CLAIMS, "expired_go_to": owner},
        decision={"samples": 50},
    )
    past = world.history(market, draws=10, sales=1e7, prizes=0.0)
    past.draws["secondary_paid"] = 3e6
    demand = world.Demand(b=0.0, scale=1e7)
    situation = situate(market, past, demand, TODAY, None)
    handed = 0.1 if owner == "good_causes" else 0.0
    time = cash_timeline(situation, market.cash)
    ahead = cash_ahead(situation, 1e8, 1e8, time, np.array([5e6]))
    late = [0.2 * (3e6 if t < 2 else 2e6) for t in range(12)]
    expired = [handed * (3e6 if t < 5 else 2e6) for t in range(12)]
    wanted = [0.7 * 1e7 - 0.7 * 2e6 - a - b for a, b in zip(late, expired, strict=True)]
    rolled = roll(situation, make_plan(ahead, 0.95), 5e6, 12)
    assert rolled.margin.mean(axis=0) == pytest.approx(wanted, rel=1e-5)
    stages = ahead.stages[ahead.now : ahead.now + 12]
    assert [float((one.chance * one.increment).sum()) for one in stages] == pytest.approx(wanted, rel=1e-5)
    assert draw_margins(situation, 1)[0] == pytest.approx(7e6 - 0.7 * 3e6 - 0.2 * 3e6 - handed * 3e6)
    assert due_ahead(situation, time.dates, np.zeros(len(time.dates)))[6:].sum() == 0


@pytest.mark.parametrize("counted", ["won", "claimed"])
def test_the_realised_ratio_counts_prizes_as_the_regulator_does(world, counted):
    rule = {"payout_ratio": {"floor": 0.3, "basis": "realised"}}
    market = world.market(costs=COSTS, regulation=rule, unclaimed={**CLAIMS, "counted": counted})
    past = world.history(market, draws=3, sales=1e7, prizes=5e6)
    past.draws["secondary_paid"] = 2e6
    situation = situate(market, past, world.Demand(), TODAY, None)
    share = 0.9 if counted == "claimed" else 1.0
    assert ledger_of(situation, market.regulation.payout_ratio, 3).prizes.tolist() == pytest.approx(
        [5e6 + share * 2e6] * 3
    )
    law = draw_law(market, world.price, np.full((2, 1), 1e7), np.array([1e7]), 0.0)
    moments = draw_moments(market, world.price, 1e7, 1e7)
    mean = float(moments.jackpot_prizes + share * moments.secondary_prizes)
    assert float((law.chance * law.prizes).sum()) == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"late_share": 0.6, "expired_share": 0.5}, "more than all prizes"),
        ({"late_share": 0.1, "late_days": 200, "expired_share": 0.1}, "after 200 days prizes have expired"),
        ({}, "give `late_share`, `expired_share` or both"),
        ({"expired_share": -0.1}, "greater than or equal to 0"),
    ],
)
def test_contradictions_are_refused(world, claims, said):
    with pytest.raises(ValidationError, match=said):
        world.market(unclaimed=claims)

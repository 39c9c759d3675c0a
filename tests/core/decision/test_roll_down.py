"""Decisions on games whose pool must be paid out at times, or has a cap."""

import datetime as dt
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jackpot.decision.draw_law import draw_law
from jackpot.decision.payout_ratio import cash_timeline, draw_margins, ledger_of
from jackpot.decision.plan import cash_ahead, make_plan
from jackpot.decision.pool_states import PoolStates
from jackpot.decision.rollout import roll
from jackpot.decision.simulate import simulate_runs
from jackpot.decision.situation import rollovers_before, situate
from jackpot.decision.solution import solve
from jackpot.decision.value import values
from jackpot.errors import InputError
from jackpot.game.draw import simulate_draws
from jackpot.game.moments import draw_moments, expected_value
from jackpot.game.rollover import must_be_won

COSTS = {"variable_share_of_sales": 0.3}
MUST = {"after_rollovers": 3}
TODAY = dt.date(2025, 12, 29)


def rolling(world, cap=None, must=MUST, **parts):
    game = {
        "payout": "rollover",
        "jackpot_odds_one_in": 8e6,
        "pool": {"share_of_sales": 0.2, "opening": 3e6, "cap": cap},
        "must_be_won": must,
    }
    settings = {"samples": 4000, "horizon_draws": 8}
    parts = {"jackpot": {"start": 5e6, "cap": 12e6}, "costs": COSTS, "decision": settings} | parts
    return world.market(game=game, **parts)


def situation_of(world, market, pool=(1e6, 2e6, 0.0, 3e6), **given):
    past = world.history(market, draws=len(pool), pool=list(pool), sales=1e7, prizes=0.0, **given)
    return situate(market, past, world.Demand(b=0.4), TODAY, None)


@pytest.mark.slow
@pytest.mark.parametrize("cap", [None, 12e6])
def test_draws_ahead_pay_what_the_game_pays(world, cap):
    market = rolling(world, cap, cash={"floor": 0.0})
    situation = situation_of(world, market)
    assert situation.rollovers == 1
    plan = make_plan(cash_ahead(situation, 1e9, 1e9, cash_timeline(situation, market.cash), np.array([5e6])), 0.95)
    ahead = roll(situation, plan, 5e6, 8)
    rng, pool, count = np.random.default_rng(5), np.full(4000, 3e6), np.ones(4000)
    prizes = margin = np.zeros(4000)
    musts, paid = [], []
    for date in ahead.dates:
        announced = np.maximum(5e6, pool)
        sales = 11.75e6 * (announced / 15e6) ** 0.4
        must = must_be_won(market, date.date(), count)
        musts.append(must.mean())
        drawn = simulate_draws(market, world.price, sales, announced, pool, rng, must)
        paid.append(drawn.jackpot_paid + drawn.secondary_paid)
        prizes = prizes + paid[-1]
        margin = margin + 0.7 * sales - 0.2 * sales - drawn.jackpot_cost - (drawn.secondary_paid - drawn.rolled_down)
        pool, count = drawn.pool_after, np.where((drawn.jackpot_winners > 0) | must, 0.0, count + 1)
    for mine, theirs in ((ahead.counted.sum(axis=1), prizes), (ahead.margin.sum(axis=1), margin)):
        error = theirs.std() / math.sqrt(4000)
        assert abs(mine.mean() - theirs.mean()) < 5 * error
        assert mine.std() == pytest.approx(theirs.std(), rel=0.1)
    states, stated = PoolStates.now(situation), []
    for date in ahead.dates:
        stated.append(float(states.chance @ states.must_be_won(market, date.date())))
        held = np.maximum(5e6, states.held)
        states = states.after(market, date.date(), np.tile(11.75e6 * (held / 15e6) ** 0.4, (10, 1)))
    assert stated == pytest.approx(musts, abs=0.02)
    for law, each in zip(plan.ahead.laws, paid, strict=False):
        mean = float((law.chance * law.prizes).sum())
        assert mean == pytest.approx(each.mean(), abs=5 * each.std() / math.sqrt(4000))
        assert math.sqrt(float((law.chance * law.prizes**2).sum()) - mean**2) == pytest.approx(each.std(), rel=0.1)


@pytest.mark.slow
def test_a_promise_beside_a_pool_is_stated_as_paths_with_their_own_pools_keep_it(world):
    """The programme draws each pool anew: alone, it is far off where a large pool makes a large one."""
    ratio = {
        "ceiling": 0.5,
        "basis": "realised",
        "window_draws": 20,
        "period_draws": 8,
        "period_starts": dt.date(2026, 1, 3),
        "confidence": 0.6,
    }
    market = rolling(world, regulation={"payout_ratio": ratio}, decision={"samples": 4000, "horizon_draws": 8})
    situation = situation_of(world, market)
    solved = solve(situation)
    outlook, jackpot = solved.constraints.outlook, np.array([solved.jackpot])
    other = market.model_copy(update={"decision": market.decision.model_copy(update={"seed": 7})})
    left = outlook.plan.ahead.period_end - outlook.plan.ahead.now
    ratio = outlook.ratio
    played = roll(replace(situation, market=other), ratio.plan, solved.jackpot, left, ratio.rule, ratio.ledger)
    stated = float(outlook.look(situation, jackpot).kept[0])
    assert stated == pytest.approx(float(played.kept.all(axis=1).mean()), abs=4 * math.sqrt(2 * 0.25 / 4000))
    assert np.abs(ratio.missing(situation).kept).max() > 0.05


@pytest.mark.parametrize("must", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("cap", [None, 12e6])
def test_the_law_of_a_draw_has_its_moments(world, cap, must):
    market = rolling(world, cap)
    sales, jackpots = np.array([[1e7], [1e7]]) * np.ones(3), np.array([5e6, 8e6, 12e6])
    law = draw_law(market, world.price, sales, jackpots, 11e6, must)
    moments = draw_moments(market, world.price, sales[0], jackpots, 11e6, must)
    assert law.chance.sum(axis=0) == pytest.approx(1.0)
    total = moments.jackpot_prizes + moments.rolled_down + moments.secondary_prizes
    assert (law.chance * law.prizes).sum(axis=0) == pytest.approx(total)
    assert law.expected_jackpot[0] == pytest.approx(moments.jackpot_prizes + moments.rolled_down)
    assert (law.chance * law.margin).sum(axis=0) == pytest.approx(law.value)


def test_runs_of_rollovers_are_counted_from_pool_or_winners(world):
    market = rolling(world)
    draws = world.history(market, draws=6, prizes=0.0, pool=[1e6, 2e6, 0.0, 1e6, np.nan, 3e6]).draws
    draws["jackpot_winners"] = pd.array([0, 0, 1, 0, 1, 0], dtype="Int64")
    assert rollovers_before(market, draws).tolist() == [0, 1, 2, 0, 1, 0, 1]
    unknown = draws.assign(pool=np.nan, jackpot_paid=np.nan, jackpot_winners=pd.array([pd.NA] * 6, dtype="Int64"))
    with pytest.raises(InputError, match="does not say when the jackpot was won") as caught:
        rollovers_before(market, unknown)
    assert caught.value.problems[0].field == "game.must_be_won.after_rollovers"
    assert rollovers_before(rolling(world, must=None), unknown).sum() == 0


def test_a_draw_that_must_be_won_is_worth_less_and_pays_for_certain(world):
    market = rolling(world, decision={"samples": 100})
    due, spared = (situation_of(world, market, pool) for pool in ((1e6, 2e6, 2.5e6, 3e6), (1e6, 2e6, 0.0, 3e6)))
    assert due.must_be_won
    assert not spared.must_be_won
    jackpots = np.array([5e6, 9e6])
    now, later = values(due, jackpots), values(spared, jackpots)
    sales = due.sample_sales(jackpots)[:, 0, :]
    exact = expected_value(market, world.price, sales, jackpots, 3e6, must_be_won=True).mean(axis=0)
    assert now["expected_value"].to_numpy() == pytest.approx(exact)
    assert (now["expected_value"] < later["expected_value"]).all()
    assert now["expected_jackpot_payout"].to_numpy() == pytest.approx(np.maximum(jackpots - 3e6 - 0.2 * sales[0], 0))
    found = world.run(market, world.Demand(b=0.4), world.history(market, draws=4, pool=[1e6, 2e6, 2.5e6, 3e6]))
    assert found.recommendation.status == "recommended"
    assert any("must be won" in warning for warning in found.recommendation.warnings)


def test_the_accrued_ratio_counts_what_a_draw_must_pay(world):
    rule = {"floor": 0.3, "basis": "accrued", "contribution": {"share_of_sales": 0.1}}
    market = rolling(world, regulation={"payout_ratio": rule}, decision={"samples": 100})
    situation = situation_of(world, market, (1e6, 2e6, 3e6, 0.0))
    ledger = ledger_of(situation, market.regulation.payout_ratio, 4)
    held = [max(15e6, before + 2e6) for before in (0.0, 1e6, 2e6, 3e6)]
    win = -math.expm1(-1e7 / world.price / 8e6)
    expected = [1e6 + chance * one for one, chance in zip(held, (win, win, win, 1.0), strict=True)]
    assert ledger.prizes == pytest.approx(expected)


def test_past_margins_leave_out_what_came_from_the_pool(world):
    """Third draw: it must be won and is not, 6M of pool and 2M of sales roll down, topped up to 9M."""
    market = rolling(world, 12e6)
    past = world.history(market, draws=4, sales=1e7, prizes=0.0, pool=[4e6, 6e6, 0.0, 2e6])
    past.draws["secondary_paid"] = [1e6, 1e6, 1e6 + 9e6, 1e6]
    situation = situate(market, past, world.Demand(), TODAY, None)
    assert draw_margins(situation, 3).tolist() == pytest.approx([7e6 - 3e6, 7e6 - 3e6 - 1e6, 7e6 - 3e6])


@pytest.mark.slow
def test_a_policy_is_simulated_with_the_same_rule(world):
    market = rolling(world, 12e6, decision={"samples": 200, "horizon_draws": 8})
    situation = situation_of(world, market)
    rule, none = (
        simulate_runs(one, one.demand, np.array([5e6, 8e6, 12e6]), {"held": 5e6}, 500, 30, 1)["held"]
        for one in (situation, situation_of(world, rolling(world, 12e6, None)))
    )
    assert rule.value.mean() < none.value.mean()


def test_a_pool_over_its_cap_is_refused_with_its_field(world):
    market = rolling(world, 12e6)
    with pytest.raises(InputError, match="the rollover pool holds more than its cap") as caught:
        situation_of(world, market, (1e6, 2e6, 13e6))
    assert caught.value.problems[0].field == "game.pool.cap"


@pytest.mark.parametrize("must", [0.0, 1.0])
def test_tails_of_the_law_are_those_of_simulated_draws(world, must):
    """Chances that prizes, and what a draw leaves in the cash, lie beyond some amounts: 200,000 draws."""
    market = rolling(world, 12e6, insurance={"excess": 3e6, "premium_per_expected_claim": 1.2})
    law = draw_law(market, world.price, np.full((2, 1), 1e7), np.array([9e6]), 2e6, must)
    sales = np.full(200_000, 1e7)
    drawn = simulate_draws(market, world.price, sales, 9e6, 2e6, np.random.default_rng(8), bool(must))
    cover = float(draw_moments(market, world.price, 1e7, 9e6, 2e6, must).insurance_premium)
    prizes = drawn.jackpot_paid + drawn.secondary_paid
    margin = 0.7e7 - 2e6 - cover - drawn.jackpot_cost - (drawn.secondary_paid - drawn.rolled_down)
    for mine, theirs, amounts in ((law.prizes, prizes, (1e6, 5e6, 1e7)), (law.margin, margin, (0.0, 2e6, 4e6))):
        for amount in amounts:
            stated = float(law.chance[mine > amount + 1].sum())
            error = math.sqrt(max(stated * (1 - stated), 1e-6) / 200_000)
            assert abs(float((theirs > amount + 1).mean()) - stated) <= 4 * error


@pytest.mark.parametrize("selection", [1.0, 0.6])
def test_tails_of_an_insured_jackpot_to_each_winner(world, selection):
    game = {"jackpot_odds_one_in": 1e6, "conscious_selection": selection, "secondary_share_of_sales": 0.0}
    market = world.market(game=game, insurance={"excess": 20e6, "premium_per_draw": 1e5})
    law = draw_law(market, world.price, np.full((2, 1), 6e6), np.array([6e6]), 0.0)
    drawn = simulate_draws(market, world.price, np.full(200_000, 6e6), 6e6, 0.0, np.random.default_rng(9))
    for amount in (0.0, 6e6, 12e6, 18e6):
        stated = float(law.chance[law.margin < 6e6 - 1e5 - amount - 1].sum())
        error = math.sqrt(stated * (1 - stated) / 200_000)
        assert abs(float((drawn.jackpot_cost > amount + 1).mean()) - stated) <= 4 * error
    assert law.margin.min() == pytest.approx(6e6 - 1e5 - 20e6)


def test_a_game_without_lower_prizes_has_a_law(world):
    market = world.market(game={"secondary_share_of_sales": 0.0}, costs=COSTS)
    law = draw_law(market, world.price, np.full((2, 1), 6e6), np.array([6e6]), 0.0)
    assert (law.chance * law.margin).sum(axis=0) == pytest.approx(law.value)

"""The regulator's ratio and the cash floor: what is feasible, what binds, what helps where nothing is."""

import datetime as dt
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from jackpot.decision.constraints import constraints_of
from jackpot.decision.grid import step_grid
from jackpot.decision.payout_ratio import cash_timeline
from jackpot.decision.plan import cash_ahead, make_plan
from jackpot.decision.rollout import roll
from jackpot.decision.situation import situate
from jackpot.game.draw import simulate_draws

pytestmark = pytest.mark.slow

hypothesis = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHORT = {"period_starts": dt.date(2026, 1, 3), "period_draws": 6}
COSTS = {"variable_share_of_sales": 0.30}


def payout(**parts):
    period = {} if parts.get("tested") == "year_end" else SHORT
    return {"payout_ratio": {"floor": 0.4, "basis": "realised", **period, **parts}}


def accrued(**parts):
    return payout(basis="accrued", contribution={"share_of_sales": 0.25}, **parts)


def state(found, name):
    return next(one for one in found.constraints if one.name == name)


@pytest.mark.parametrize("b", [0.1, 0.5])
def test_accrued_floor_asks_for_17_045_million(world, b):
    least = 0.15 * world.price * world.odds
    market = world.market(jackpot={"start": least - 5e6, "step": 1e3}, costs=COSTS, regulation=accrued())
    past = world.history(market, jackpot=least, sales=11.75e6 * (least / 15e6) ** b)
    found = world.run(market, world.Demand(b=b, noise=0.08), past).recommendation
    assert found.jackpot == pytest.approx(17.045e6, rel=1e-4)
    ratio = state(found, "payout_ratio_floor")
    assert ratio.value == pytest.approx(0.4, abs=1e-6)
    if b < 0.5:
        assert found.binding_constraint == "payout_ratio_floor"
        assert ratio.status == "binding"


def test_accrued_ledger_counts_the_draws_before(world):
    market = world.market(jackpot={"start": 30e6, "cap": 30e6}, costs=COSTS, regulation=accrued(window_draws=3))
    past = world.history(market, jackpot=20e6, sales=10e6)
    found = world.run(market, world.Demand(b=0.3), past).recommendation
    sales = found.expected_sales.mean
    each = 0.25 * 10e6 + 10e6 / world.price / world.odds * 20e6
    this = 0.25 * sales + sales / world.price / world.odds * 30e6
    first, second, third = (one.ratio_p50 for one in found.planned_path[:3])
    assert first == pytest.approx((2 * each + this) / (20e6 + sales))
    assert second == pytest.approx((each + 2 * this) / (10e6 + 2 * sales))
    assert third == pytest.approx(this / sales)


def test_ceiling_holds_the_jackpot_down(world):
    rule = accrued(floor=None, ceiling=0.35, window_draws=1)
    found = world.run(world.market(regulation=rule), world.Demand(b=0.5)).recommendation
    assert found.binding_constraint == "payout_ratio_ceiling"
    assert found.jackpot == 11e6  # 0.25 + J p / x <= 0.35: J <= 11.36 million


def test_realised_chance_is_that_of_the_wins(world):
    """One draw in the period: 250 of 600 million, and each win of 20 million moves the ratio by 3.3 points."""
    rule = payout(floor=0.42, period_starts=dt.date(2026, 1, 3), period_draws=1)
    market = world.market(jackpot={"start": 20e6, "cap": 20e6}, regulation=rule)
    found = world.run(market, world.Demand(b=0.3)).recommendation
    sales = 11.75e6 * (20 / 15) ** 0.3
    without = (250e6 + 0.25 * sales) / (600e6 + sales)
    assert without < 0.42 < without + 20e6 / (600e6 + sales)
    assert found.status == "restoring"
    assert found.attainable[0].from_here == pytest.approx(-math.expm1(-sales / world.price / world.odds), rel=1e-6)


def test_realised_with_several_winners_each_paid(world):
    market = world.market(
        game={"jackpot_odds_one_in": 1e6},
        jackpot={"start": 5e6, "cap": 5e6},
        regulation=payout(floor=0.43, period_starts=dt.date(2026, 1, 3), period_draws=1),
    )
    found = world.run(market, world.Demand(b=0.0)).recommendation
    needed = math.ceil((0.43 * 611.75e6 - 250e6 - 0.25 * 11.75e6) / 5e6)
    chance = poisson.sf(needed - 1, 11.75e6 / world.price / 1e6)
    assert found.attainable[0].from_here == pytest.approx(chance, abs=1e-6)


def test_totals_of_the_ledger_are_not_enough_the_layout_decides(world):
    """One more win of 50 million in the ledger carries the ratio for as long as the window holds it."""
    chances = []
    for oldest in (True, False):
        paid = np.full(51, 0.35 * 600e6 / 51)
        paid[0 if oldest else 50] += 250e6 - paid.sum()
        market = world.market(
            regulation=payout(period_starts=dt.date(2026, 1, 3), period_draws=26), decision={"samples": 50}
        )
        found = world.run(market, world.Demand(b=0.1), world.history(market, prizes=paid)).recommendation
        chances.append(found.attainable[0].from_here)
    assert chances[0] < 0.2 < 0.5 < chances[1]


@pytest.mark.parametrize(("tested", "basis"), [("each_draw", "realised"), ("year_end", "realised")])
def test_unknown_ledger_is_not_checked_and_says_so(world, tested, basis):
    market = world.market(regulation=payout(tested=tested))
    past = world.history(market, prizes=np.r_[np.full(50, 1e6), np.nan])
    past.draws["draw_date"] += pd.Timedelta(days=7)
    found = world.run(market, past=past, as_of=dt.date(2026, 1, 4)).recommendation
    ratio = state(found, "payout_ratio_floor")
    assert found.status == "recommended"
    assert ratio.status == "not_checked"
    assert "2026-01-03" in ratio.reason
    assert any("payout_ratio_floor was not checked" in warning for warning in found.warnings)


def test_short_history_is_used_and_said(world):
    market = world.market(regulation=accrued(floor=0.3))
    found = world.run(market, past=world.history(market, draws=20)).recommendation
    assert any("20 of the 51 draws" in warning for warning in found.warnings)


def test_year_end_counts_this_years_draws_and_those_left(world):
    """Four draws before the year's end: with the ledger of the year so far and expected jackpots it is plain sums."""
    market = world.market(
        jackpot={"start": 20e6, "cap": 20e6}, regulation=accrued(tested="year_end", year_end="01-24", floor=0.3)
    )
    past = world.history(market, jackpot=10e6, sales=8e6)
    past.draws["draw_date"] = pd.date_range(end="2025-12-27", periods=51, freq="7D")
    found = world.run(market, world.Demand(b=0.3), past).recommendation
    sales, before = 11.75e6 * (20 / 15) ** 0.3, (past.draws["draw_date"] > "2025-01-24").sum()
    before = min(before, 52 - 4)
    share = 1 / world.price / world.odds
    prizes = before * 8e6 * (0.25 + share * 10e6) + 4 * sales * (0.25 + share * 20e6)
    assert state(found, "payout_ratio_floor").value == pytest.approx(prizes / (before * 8e6 + 4 * sales))
    assert found.planned_path[4].ratio_p50 == pytest.approx(0.25 + share * 20e6)  # the sum begins anew


def test_year_end_from_an_empty_year_needs_no_ledger(world):
    market = world.market(regulation=payout(tested="year_end", floor=0.3), decision={"samples": 100})
    found = world.run(market, past=world.history(market, prizes=np.nan)).recommendation
    assert state(found, "payout_ratio_floor").status in ("kept", "binding")


@pytest.mark.parametrize("convention", ["per_winner", "shared", "rollover"])
def test_draws_ahead_pay_what_the_game_pays(world, convention):
    game = {"payout": convention, "jackpot_odds_one_in": 4e6, "secondary_log_sd": 0.3}
    if convention == "rollover":
        game["pool"] = {"share_of_sales": 0.1, "opening": 3e6}
    market = world.market(
        game=game, jackpot={"start": 5e6, "cap": 5e6}, decision={"samples": 4000}, costs=COSTS, cash={"floor": 0.0}
    )
    situation = situate(market, world.history(market), world.Demand(b=0.4), dt.date(2025, 12, 29), None)
    plan = make_plan(cash_ahead(situation, 1e9, 1e9, cash_timeline(situation, market.cash), np.array([5e6])), 0.95)
    ahead = roll(situation, plan, 5e6, 6)
    rng, pool = np.random.default_rng(5), np.full(4000, situation.pool)
    prizes = margin = np.zeros(4000)
    for _ in ahead.dates:
        announced = np.maximum(5e6, pool) if market.game.pool else np.full(4000, 5e6)
        sales = 11.75e6 * (announced / 15e6) ** 0.4
        drawn = simulate_draws(market, world.price, sales, announced, pool, rng)
        prizes = prizes + drawn.jackpot_paid + drawn.secondary_paid
        into_pool = 0.1 * sales if market.game.pool else 0.0
        margin = margin + 0.7 * sales - drawn.jackpot_cost - drawn.secondary_paid - into_pool
        pool = drawn.pool_after
    for mine, theirs in ((ahead.counted.sum(axis=1), prizes), (ahead.margin.sum(axis=1), margin)):
        error = theirs.std() / math.sqrt(4000)
        assert abs(mine.mean() - theirs.mean()) < 5 * error
        assert mine.std() == pytest.approx(theirs.std(), rel=0.1)


def test_cash_floor_holds_the_jackpot_down_and_more_cash_lets_it_go(world):
    market = world.market(costs=COSTS, cash={"floor": 5e6}, decision={"samples": 500})
    poor, rich = (world.run(market, world.Demand(b=0.5, noise=0.08), money=money) for money in (12e6, 900e6))
    assert poor.recommendation.binding_constraint == "cash_floor"
    assert poor.recommendation.jackpot < rich.recommendation.jackpot
    assert rich.recommendation.binding_constraint is None
    assert poor.cash.probability_kept >= 0.95 - 2 * math.sqrt(0.95 * 0.05 / 500)
    assert poor.cash.fan["p05"].iloc[0] <= poor.cash.fan["p95"].iloc[0]
    assert len(poor.cash.fan) == 52


def test_least_starting_cash_for_17_million(world):
    """38 million keep 5 million over 52 draws of 17 million at 99%, 24 million at 95% (simulated elsewhere)."""
    for money, low, high in ((24e6, 0.935, 0.965), (38e6, 0.98, 0.998)):
        market = world.market(
            jackpot={"start": 17e6, "cap": 17e6}, costs=COSTS, cash={"floor": 5e6}, decision={"samples": 2000}
        )
        found = world.run(market, world.Demand(b=0.3, noise=0.08), money=money)
        assert low < found.cash.probability_kept < high


def test_no_cash_figure_leaves_in_the_open_parts(world):
    amount = 45_678_912.0
    market = world.market(
        costs=COSTS, cash={"floor": 5e6, "horizon_draws": 8}, regulation=accrued(**SHORT), decision={"samples": 100}
    )
    for demand in (world.Demand(b=0.5, noise=0.08), world.Demand(b=0.5, scale=1e5)):
        decision = world.run(market, demand, money=amount, seed_demand=world.Demand(b=0.5))
        text = decision.recommendation.to_bytes().decode() + decision.curve.to_csv()
        for trace in ("45678912", "45,678,912", "45.67", "40678912", "40,678,912"):
            assert trace not in text
        cash = state(decision.recommendation, "cash_floor")
        assert (cash.limit, cash.value, cash.distance) == (None, None, None)
        assert decision.cash.cash_now == amount


def test_seed_rule_decided_by_its_cash_test_is_not_told(world):
    market = world.market(cash={"floor": 5e6})
    told = world.run(market, money=500e6, seed_demand=world.Demand(b=0.5)).recommendation.seed_rule
    kept = world.run(market, money=25e6, seed_demand=world.Demand(b=0.5)).recommendation.seed_rule
    assert told.jackpot is not None
    assert kept.jackpot is None
    assert kept.expected_value is None
    assert "would tell the cash" in kept.reason


def test_seed_rule_without_an_answer(world):
    market = world.market(regulation=payout(**SHORT))
    past = world.history(market, prizes=0.2 * 600e6 / 51)
    found = world.run(market, past=past, seed_demand=world.Demand()).recommendation.seed_rule
    assert found.jackpot is None
    assert "none of its jackpots" in found.reason


def test_missing_cash_is_not_checked_and_says_so(world):
    decision = world.run(world.market(cash={"floor": 5e6}))
    found = state(decision.recommendation, "cash_floor")
    assert (found.status, found.reason) == ("not_checked", "no cash figures were given")
    assert any("cash_floor was not checked" in warning for warning in decision.recommendation.warnings)
    assert decision.cash is None


def test_cash_figures_of_another_month_are_said(world):
    market = world.market(cash={"floor": 5e6})
    past = world.history(market)
    past.draws["draw_date"] += pd.Timedelta(days=42)
    found = world.run(market, past=past, money=90e6, as_of=dt.date(2026, 2, 9)).recommendation
    assert "the cash figures are not of the 31 days up to 2026-02-09" in found.warnings
    assert not world.run(market, money=90e6).recommendation.warnings


def test_cash_that_no_jackpot_keeps_is_restored_as_far_as_it_goes(world):
    market = world.market(costs={"variable_share_of_sales": 0.74}, cash={"floor": 5e6})
    decision = world.run(market, money=6e6)
    found = decision.recommendation
    assert found.status == "restoring"
    assert state(found, "cash_floor").status == "violated"
    assert found.attainable == ()
    assert decision.cash.probability_kept < 0.95


@pytest.mark.parametrize("rule", [accrued(floor=0.60, **SHORT), payout(floor=0.45, **SHORT)])
def test_promise_out_of_reach_says_what_would_help(world, rule):
    def found(floor):
        market = world.market(regulation={"payout_ratio": {**rule["payout_ratio"], "floor": floor}})
        return world.run(market, world.Demand(b=0.3, noise=0.08), world.history(market, jackpot=20e6)).recommendation

    before = found(rule["payout_ratio"]["floor"])
    assert before.status == "restoring"
    assert before.jackpot is not None
    assert before.attainable[0].from_here < 0.95
    old, new = before.attainable[0].remedies[0].removeprefix("floor ").split(" -> ")
    assert float(old) == rule["payout_ratio"]["floor"]
    assert found(float(new)).status == "recommended"
    assert found(float(new) + 0.02).status == "restoring"


def test_bounds_that_leave_nothing_are_infeasible(world):
    market = world.market(jackpot={"cap": 30e6, "largest_change": 1e6})
    found = world.run(market, past=world.history(market, jackpot=45e6)).recommendation
    assert found.status == "infeasible"
    assert found.infeasibility.constraint == "largest_change"
    assert found.infeasibility.smallest_relaxation == "largest_change 1000000 -> 15000000"
    assert found.infeasibility.least_harmful_jackpot == 30e6
    assert (found.jackpot, found.expected_value, found.near_optimal) == (None, None, None)


def test_accrued_floor_out_of_reach_is_restored_by_the_largest_jackpot(world):
    found = world.run(world.market(regulation=accrued(floor=0.7, window_draws=1, **SHORT))).recommendation
    assert (found.status, found.jackpot) == ("restoring", 50e6)


@pytest.mark.parametrize(
    "rule", [accrued(window_draws=4, **SHORT), payout(tested="year_end"), payout(window_draws=20, **SHORT)]
)
def test_a_looser_floor_never_lowers_what_is_attainable_or_its_value(world, rule):
    demand = world.Demand(b=0.3, noise=0.05)
    plans = []
    for floor in (0.30, 0.38, 0.42):
        rules = {"payout_ratio": {**rule["payout_ratio"], "floor": floor}}
        market = world.market(costs=COSTS, regulation=rules, decision={"samples": 100, "horizon_draws": 10})
        situation = situate(market, world.history(market, jackpot=20e6), demand, dt.date(2025, 12, 29), None)
        plans.append(constraints_of(situation, step_grid(situation)).outlook.plan)
    for loose, tight in pairwise(plans):
        assert loose.attainable >= tight.attainable - 1e-6
        if not tight.restoring:
            assert loose.worth.value[0] >= tight.worth.value[0] * (1 - 1e-3)


@pytest.mark.integration
@hypothesis
@given(money=st.floats(6e6, 2e8), more=st.floats(0, 1e8))
def test_more_cash_never_lowers_the_value(world, money, more):
    market = world.market(costs=COSTS, cash={"floor": 5e6, "horizon_draws": 20}, jackpot={"step": 5e6})

    def value(cash):
        found = world.run(market, world.Demand(b=0.5, noise=0.08), money=cash).recommendation
        return -math.inf if found.expected_value is None else found.expected_value

    assert value(money + more) >= value(money)

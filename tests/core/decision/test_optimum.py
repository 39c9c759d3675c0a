"""The recommended jackpot against closed forms, and what holds whatever the market."""

import datetime as dt
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackpot.decision.contract import CURVE_COLUMNS
from jackpot.errors import InputError, Problem

pytestmark = pytest.mark.slow

hypothesis = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def closed_form(world, b, kept):
    return b / (1 + b) * kept * world.price * world.odds


@pytest.mark.parametrize(("b", "millions"), [(0.1, 7.75), (0.3, 19.67), (0.5, 28.41), (1.0, 42.61)])
def test_per_winner_optimum_is_the_closed_form(world, b, millions):
    found = world.run(world.market(jackpot={"step": 100.0}), world.Demand(b=b, noise=0.08)).recommendation
    assert found.jackpot == pytest.approx(closed_form(world, b, 0.75), rel=1e-3)
    assert found.jackpot == pytest.approx(millions * 1e6, rel=1e-3)
    assert found.binding_constraint is None


@pytest.mark.parametrize(("b", "millions"), [(0.1, 5.0), (0.2, 8.52), (0.3, 11.80), (0.5, 17.05)])
def test_optimum_at_the_margin_after_costs(world, b, millions):
    market = world.market(jackpot={"step": 100.0}, costs={"variable_share_of_sales": 0.30})
    found = world.run(market, world.Demand(b=b)).recommendation
    assert found.jackpot == pytest.approx(millions * 1e6, rel=1e-3)
    assert found.binding_constraint == ("start" if b == 0.1 else None)


def test_optimum_is_found_on_a_grid_of_a_million_steps(world):
    market = world.market(jackpot={"start": 1e6, "cap": 1e9, "step": 1e3})
    decision = world.run(market, world.Demand(b=0.3))
    exact = closed_form(world, 0.3, 0.75)
    assert decision.recommendation.jackpot == pytest.approx(exact, rel=1e-4)
    near = decision.recommendation.near_optimal
    best = decision.recommendation.expected_value

    def value(jackpot):
        return 11.75e6 * (jackpot / 15e6) ** 0.3 * (0.75 - jackpot / world.odds / world.price)

    for inside, outside in ((near.low, near.low - 1e3), (near.high, near.high + 1e3)):
        assert value(inside) >= 0.99 * best > value(outside)
    assert len(decision.curve) <= 401


def test_a_narrow_window_of_change_is_found_on_a_large_grid(world):
    market = world.market(jackpot={"start": 1e6, "cap": 1e9, "step": 1e3, "largest_change": 1_900.0})
    found = world.run(market, world.Demand(b=0.3)).recommendation
    assert found.jackpot == 15_001_000
    assert found.binding_constraint == "largest_change"


def test_curve_has_its_columns_and_holds_the_recommendation(world):
    decision = world.run(world.market(jackpot={"step": 1e5}))
    curve = decision.curve
    assert list(curve) == list(CURVE_COLUMNS)
    assert 380 <= len(curve) <= 401
    assert curve["jackpot"].is_monotonic_increasing
    assert curve["jackpot"].iloc[[0, -1]].tolist() == [5e6, 50e6]
    at = curve[curve["jackpot"] == decision.recommendation.jackpot]
    assert at["expected_value"].item() == decision.recommendation.expected_value


def test_value_adds_up(world):
    market = world.market(costs={"variable_share_of_sales": 0.1, "fixed_per_draw": 1e5})
    found = world.run(market, world.Demand(noise=0.1)).recommendation
    sales = found.expected_sales.mean
    paid = found.expected_jackpot_payout + found.expected_secondary_prizes + 0.1 * sales + 1e5
    assert found.expected_value == pytest.approx(sales - paid)
    assert found.expected_jackpot_payout == pytest.approx(sales / world.price / world.odds * found.jackpot)
    assert found.expected_value_90[0] < found.expected_value < found.expected_value_90[1]


def test_shared_jackpot_is_valued_over_the_forecast_not_at_its_mean(world):
    market = world.market(game={"payout": "shared", "jackpot_odds_one_in": 1e6}, decision={"samples": 1000})
    found = world.run(market, world.Demand(noise=0.5)).recommendation
    at_mean = -np.expm1(-found.expected_sales.mean / world.price / 1e6)
    assert found.win_probability < at_mean - 1e-3


def test_cap_binds_and_extrapolation_is_said(world):
    found = world.run(world.market(jackpot={"cap": 20e6}), world.Demand(b=0.5, largest_seen=15e6)).recommendation
    assert (found.jackpot, found.binding_constraint) == (20e6, "cap")
    assert found.model.extrapolated
    assert any("20,000,000 GBP is above the largest jackpot" in warning for warning in found.warnings)
    states = {state.name: state for state in found.constraints}
    assert (states["cap"].status, states["cap"].distance, states["start"].status) == ("binding", 0, "kept")


def test_without_a_cap_the_grid_ends_at_the_largest_seen_or_promised(world):
    market = world.market(jackpot={"cap": None})
    past = world.history(market, jackpot=[12e6] * 50 + [21.2e6])
    assert world.run(market, world.Demand(b=1.0), past).recommendation.jackpot == 21.5e6
    past = world.history(market, next_jackpot=30e6)
    assert world.run(market, world.Demand(b=1.0), past).recommendation.jackpot == 30e6


def test_rollover_never_announces_less_than_the_pool(world):
    game = {"payout": "rollover", "pool": {"share_of_sales": 0.2}}
    market = world.market(game=game, jackpot={"start": 2e6, "cap": 80e6})
    past = world.history(market, jackpot=40e6, pool=41.3e6)
    decision = world.run(market, world.Demand(b=0.01), past)
    assert decision.recommendation.jackpot == 43.5e6  # free until the pool with this draw's share, 43.67 million
    assert decision.recommendation.expected_jackpot_payout == 0.0
    assert decision.curve["feasible"].tolist() == (decision.curve["jackpot"] >= 41.3e6).tolist()


def test_pool_falls_back_to_its_opening(world):
    game = {"payout": "rollover", "pool": {"share_of_sales": 0.2, "opening": 20e6}}
    market = world.market(game=game)
    assert world.run(market, world.Demand(b=0.1)).recommendation.jackpot >= 20e6


def test_cap_below_the_pool_is_infeasible_and_its_relaxation_helps(world):
    game = {"payout": "rollover", "pool": {"share_of_sales": 0.2}}
    market = world.market(game=game)
    past = world.history(market, pool=61.3e6)
    found = world.run(market, past=past).recommendation
    assert (found.status, found.jackpot, found.infeasibility.constraint) == ("infeasible", None, "cap")
    assert found.infeasibility.smallest_relaxation == "cap 50000000 -> 61500000"
    assert found.infeasibility.least_harmful_jackpot == 61.5e6
    wider = world.market(game=game, jackpot={"cap": 61.5e6})
    assert world.run(wider, past=past).recommendation.jackpot == 61.5e6


def test_change_that_leaves_no_jackpot_is_infeasible_and_its_relaxation_helps(world):
    market = world.market(jackpot={"largest_change": 1e6})
    past = world.history(market, jackpot=60e6)
    found = world.run(market, past=past).recommendation
    assert found.infeasibility.constraint == "largest_change"
    assert found.infeasibility.smallest_relaxation == "largest_change 1000000 -> 10000000"
    assert found.infeasibility.least_harmful_jackpot == 50e6
    assert found.keep_last.jackpot == 50e6
    assert not found.keep_last.feasible
    wider = world.market(jackpot={"largest_change": 1e7})
    assert world.run(wider, past=past).recommendation.jackpot == 50e6


def test_draw_date_price_and_special_come_from_the_market(world):
    calendar = {
        "time_zone": "Europe/London",
        "draw_days": [{"starts": dt.date(2020, 1, 1), "weekdays": ["sat"]}],
        "specials": [{"name": "new_year", "month_day": "01-03"}],
    }
    prices = [{"starts": dt.date(2020, 1, 1), "price": 2.5}, {"starts": dt.date(2026, 1, 3), "price": 3.0}]
    market = world.market(calendar=calendar, prices=prices)
    found = world.run(market, world.Demand(b=0.3)).recommendation
    assert found.draw_date == "2026-01-03"
    assert found.jackpot == pytest.approx(0.3 / 1.3 * 0.75 * 3.0 * world.odds, abs=2.5e5)
    assert any("new_year" in warning for warning in found.warnings)


def test_history_that_reaches_beyond_the_day_is_refused(world):
    market = world.market()
    with pytest.raises(InputError, match="not before the day of the decision"):
        world.run(market, as_of=dt.date(2025, 12, 27))


def test_before_the_first_draw_there_is_no_jackpot_to_keep(world):
    market = world.market()
    found = world.run(market, past=world.history(market, draws=0)).recommendation
    assert found.status == "recommended"
    assert (found.keep_last.jackpot, found.keep_last.gain) == (None, None)
    assert "no draw was held yet" in found.keep_last.reason


def test_warnings_of_the_history_travel(world):
    past = world.history(world.market())
    problem = Problem("a gap", "x.csv", severity="warning")
    object.__setattr__(past, "problems", (problem,))
    assert world.run(world.market(), past=past, warnings=["read"]).recommendation.warnings == ("read", str(problem))


def test_keep_last_and_seed_rule_stand_beside(world):
    market = world.market()
    found = world.run(market, world.Demand(b=0.3), seed_demand=world.Demand(b=0.3)).recommendation
    assert found.keep_last.jackpot == 15e6
    assert found.keep_last.gain == pytest.approx(found.expected_value - found.keep_last.expected_value)
    assert found.keep_last.gain > 0
    rule = np.linspace(5e6, 50e6, 200)
    lam = 11.75e6 * (rule / 15e6) ** 0.3 / world.price / world.odds
    greedy = 0.75 * lam * world.price * world.odds - rule * -np.expm1(-lam)
    assert found.seed_rule.jackpot == pytest.approx(rule[greedy.argmax()])
    assert found.seed_rule.gain > 0


def test_same_inputs_give_the_same_bytes(world):
    one, other = (world.run(world.market(), world.Demand(noise=0.1), money=60e6) for _ in range(2))
    assert one.recommendation.to_bytes() == other.recommendation.to_bytes()
    assert one.curve.equals(other.curve)


def test_a_decision_takes_little_time(world):
    payout = {"floor": 0.3, "basis": "realised", "window_draws": 52}
    market = world.market(
        jackpot={"step": 1e5},
        decision={"samples": 1000},
        regulation={"payout_ratio": payout},
        cash={"floor": 5e6},
    )
    started = time.process_time()
    world.run(market, world.Demand(noise=0.08), money=90e6, seed_demand=world.Demand())
    assert time.process_time() - started < 5


@hypothesis
@given(
    b=st.floats(0.02, 1.5),
    start=st.floats(1e5, 2e7),
    steps=st.integers(2, 3000),
    step=st.floats(1e3, 1e6),
    change=st.none() | st.floats(1e6, 1e8),
    last=st.floats(1e5, 5e7),
)
def test_recommended_jackpot_is_announceable(world, b, start, steps, step, change, last):
    cap = start + steps * step
    market = world.market(
        jackpot={"start": start, "cap": cap, "step": step, "largest_change": change}, decision={"samples": 50}
    )
    found = world.run(market, world.Demand(b=b), world.history(market, jackpot=last)).recommendation
    jackpot = found.jackpot if found.jackpot is not None else found.infeasibility.least_harmful_jackpot
    assert start <= jackpot <= cap * (1 + 1e-9)
    assert (jackpot - start) / step == pytest.approx(round((jackpot - start) / step), abs=1e-6)
    if found.jackpot is not None:
        assert change is None or abs(jackpot - last) <= change * (1 + 1e-9)
        assert found.near_optimal.low <= jackpot <= found.near_optimal.high
        assert found.expected_value >= 0.999999 * found.keep_last.expected_value or not found.keep_last.feasible


@hypothesis
@given(scale=st.sampled_from([0.01, 0.5, 7.0, 1000.0]), b=st.floats(0.1, 0.9))
def test_scaling_the_currency_scales_the_answer(world, scale, b):
    def answer(unit):
        market = world.market(
            prices=[{"starts": dt.date(2020, 1, 1), "price": 2.5 * unit}],
            jackpot={"start": 5e6 * unit, "cap": 50e6 * unit, "step": 5e5 * unit},
        )
        past = world.history(market, jackpot=15e6 * unit, sales=11e6 * unit)
        return world.run(market, world.Demand(b=b, scale=11.75e6 * unit, reference=15e6 * unit), past).recommendation

    one, other = answer(1.0), answer(scale)
    assert other.jackpot == pytest.approx(scale * one.jackpot)
    assert other.expected_value == pytest.approx(scale * one.expected_value)


def test_order_of_tiers_changes_nothing(world):
    tiers = [
        {"name": "5", "odds_one_in": 1e6, "prize": 1e5},
        {"name": "4", "odds_one_in": 1e4, "prize": 1e3},
        {"name": "3", "odds_one_in": 50, "share_of_sales": 0.1},
    ]
    records = []
    for order in (tiers, tiers[::-1]):
        game = {"secondary_share_of_sales": 0.0, "tiers": order, "secondary_log_sd": 0.2}
        market = world.market(game=game, cash={"floor": 0.0})
        records.append(world.run(market, world.Demand(noise=0.1), money=50e6).recommendation.to_bytes())
    assert records[0] == records[1]

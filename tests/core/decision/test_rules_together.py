"""All the game's rules together: scale-free, deterministic, and no worse where a rule is loosened."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from jackpot.decision.situation import situate
from jackpot.decision.solution import solve

pytestmark = pytest.mark.slow

SATURDAY = dt.date(2026, 1, 3)


def everything(world, unit=1.0, change=4e6, opening=40e6, excess=8e6):
    """Return a market with every rule that one kind of game can have, in a currency of so many units."""
    reserve = {"opens": SATURDAY, "opening": unit * opening}
    rule = {
        "floor": 0.3,
        "basis": "accrued",
        "contribution": {"share_of_sales": 0.25, "reserve": reserve},
        "period_starts": SATURDAY,
        "period_draws": 10,
        "window_draws": 10,
    }
    market = world.market(
        prices=[{"starts": dt.date(2020, 1, 1), "price": unit * world.price}],
        jackpot={"start": unit * 5e6, "cap": unit * 30e6, "step": unit * 5e5, "largest_change": unit * change},
        regulation={"payout_ratio": rule},
        costs={"variable_share_of_sales": 0.3},
        insurance={"excess": unit * excess, "premium_per_expected_claim": 1.1},
        unclaimed={"late_share": 0.1, "expired_share": 0.05, "expired_go_to": "operator"},
        decision={"samples": 200, "horizon_draws": 10},
    )
    past = world.history(market, draws=12, jackpot=unit * 15e6, sales=unit * 12e6, prizes=unit * 5e6)
    demand = world.Demand(b=0.6, noise=0.08, scale=unit * 11.75e6, reference=unit * 15e6)
    return situate(market, past, demand, dt.date(2025, 12, 29), None)


def test_scaling_the_currency_scales_the_answer(world):
    one, other = (solve(everything(world, unit)) for unit in (1.0, 160.0))
    assert other.status == one.status
    assert other.jackpot == pytest.approx(160 * one.jackpot)
    value, scaled = (one_.optimum.table["expected_value"].to_numpy() for one_ in (one, other))
    assert scaled == pytest.approx(160 * value, rel=1e-6)


def test_the_same_again(world):
    first, second = (solve(everything(world)) for _ in range(2))
    assert first.jackpot == second.jackpot
    assert (first.optimum.table == second.optimum.table).all(axis=None)


@pytest.mark.parametrize("looser", [{"opening": 200e6}, {"change": 25e6}])
def test_a_looser_rule_never_makes_the_promises_less_attainable(world, looser):
    def best(situation):
        solved = solve(situation)
        index = solved.optimum.table.index.to_numpy()
        return {promise.name: promise.chance(index).max() for promise in solved.constraints.promises}

    tight, loose = best(everything(world)), best(everything(world, **looser))
    assert set(tight) == {"payout_ratio_floor", "reserve_floor"}
    assert all(loose[name] >= tight[name] - 0.02 for name in tight)


def test_cheap_cover_with_a_lower_excess_lowers_the_spread_of_a_draw(world):
    low, high = (solve(everything(world, excess=one)) for one in (2e6, 25e6))
    path = (10e6,)
    spreads = [one.constraints.outlook.roll(one.situation, path, 10).margin.std() for one in (low, high)]
    assert spreads[0] < 0.5 * spreads[1]


def test_nothing_of_the_rules_is_asked_where_they_are_absent(world):
    situation = everything(world)
    plain = situation.market.model_copy(update={"insurance": None, "unclaimed": None})
    bare = replace(situation, market=plain)
    assert not bare.must_be_won
    assert bare.rollovers == 0.0
    assert plain.secondary_cost_share == plain.secondary_counted_share == 1.0
    assert np.ptp(solve(bare).optimum.table["expected_value"]) > 0

"""The prize reserve: contributions in, prizes out, and a floor under it that is promised jointly."""

import datetime as dt

import numpy as np
import pytest
from pydantic import ValidationError

from jackpot.decision.cash_floor import Purse
from jackpot.decision.payout_ratio import reserve_timeline
from jackpot.decision.reserve import reserve_purse
from jackpot.decision.situation import situate

COSTS = {"variable_share_of_sales": 0.30}
SATURDAY = dt.date(2026, 1, 3)


def rule(opening, opens=SATURDAY, floor=0.0, ratio=0.3, draws=52, **more):
    reserve = {"opens": opens, "opening": opening, "floor": floor, **more}
    contribution = {"share_of_sales": 0.25, "reserve": reserve}
    return {
        "payout_ratio": {
            "floor": ratio,
            "basis": "accrued",
            "contribution": contribution,
            "period_starts": SATURDAY,
            "period_draws": draws,
        }
    }


def state(found, name="reserve_floor"):
    return next(one for one in found.constraints if one.name == name)


def chance(found):
    return float(state(found).reason.split()[4].rstrip("%")) / 100


@pytest.mark.slow
@pytest.mark.parametrize(("opening", "confidence"), [(82e6, 0.95), (115e6, 0.99)])
def test_reserve_behind_17_million(world, opening, confidence):
    """82 million last 52 draws of 17 million at 95%, 115 million at 99% (simulated elsewhere)."""
    market = world.market(
        jackpot={"start": 17e6, "cap": 17e6}, costs=COSTS, regulation=rule(opening), decision={"samples": 4000}
    )
    found = world.run(market, world.Demand(noise=0.08)).recommendation
    assert chance(found) == pytest.approx(confidence, abs=0.012)


@pytest.mark.slow
def test_a_small_reserve_holds_the_jackpots_ahead_down(world):
    found = []
    for opening in (30e6, 70e6, 900e6):
        market = world.market(costs=COSTS, regulation=rule(opening), decision={"samples": 500})
        found.append(world.run(market, world.Demand(b=0.8, noise=0.08)).recommendation)
    assert [one.status for one in found] == ["recommended"] * 3
    small, middle, large = (one.planned_path[-1].jackpot_p50 for one in found)
    assert small < middle < large
    assert found[0].jackpot < found[1].jackpot < found[2].jackpot
    assert found[0].jackpot <= 1.3 * small
    assert min(chance(one) for one in found) >= 0.95
    assert state(found[2]).status == "kept"
    assert found[2].binding_constraint != "reserve_floor"


def test_what_it_holds_is_its_opening_and_all_that_draws_since_then_left_in_it(world):
    opens = dt.date(2025, 12, 13)
    market = world.market(regulation=rule(20e6, opens, floor=5e6, draws=10))
    past = world.history(market, draws=8, sales=10e6, jackpot=15e6, prizes=[1e9, 1e9, 1e9, 1e9, 1e9, 0.0, 1e6, 4e6])
    situation = situate(market, past, world.Demand(), dt.date(2025, 12, 29), None)
    purse = reserve_purse(
        situation, market.regulation.payout_ratio, market.regulation.payout_ratio.contribution.reserve
    )
    assert isinstance(purse, Purse)
    each = 0.25 * 10e6 + 10e6 / 2.5 * 2.2e-8 * 15e6
    assert purse.room == pytest.approx(20e6 - 5e6 + 3 * each - 5e6)
    assert reserve_timeline(situation, market.regulation.payout_ratio).left == 10
    assert purse.past.size == 0


def test_draws_of_the_period_before_it_opened_do_not_count(world):
    regulation = rule(20e6, dt.date(2025, 12, 20), draws=12)
    regulation["payout_ratio"]["period_starts"] = dt.date(2025, 12, 6)
    market = world.market(regulation=regulation)
    past = world.history(market, draws=8, sales=10e6, prizes=2e6)
    situation = situate(market, past, world.Demand(), dt.date(2025, 12, 29), None)
    ratio = market.regulation.payout_ratio
    purse = reserve_purse(situation, ratio, ratio.contribution.reserve)
    each = 0.25 * 10e6 + 10e6 / 2.5 * 2.2e-8 * 15e6 - 2e6
    assert purse.past == pytest.approx([0.0, 0.0, each, each])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("opens", "prizes", "said"),
    [
        (dt.date(2024, 1, 6), 1e6, "the history begins on 2025-11-08, after it opened on 2024-01-06"),
        (dt.date(2025, 12, 20), np.nan, "the prizes paid are not known for 2 of the draws since it opened"),
        (dt.date(2026, 2, 7), 1e6, "it opens on 2026-02-07"),
    ],
)
def test_what_it_holds_may_not_be_known(world, opens, prizes, said):
    market = world.market(regulation=rule(50e6, opens), decision={"samples": 50})
    found = world.run(market, past=world.history(market, draws=8, prizes=prizes)).recommendation
    assert state(found).status == "not_checked"
    assert said in state(found).reason
    assert any(said in warning for warning in found.warnings)


def test_it_opens_at_its_floor_or_above(world):
    with pytest.raises(ValidationError, match="opening 1,000,000 is below the reserve's floor 2,000,000"):
        world.market(regulation=rule(1e6, floor=2e6))

"""The largest change binds every draw of a path, and the probabilities that are stated are those of such a path."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from jackpot.decision.grid import within_reach
from jackpot.decision.rollout import roll
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve

pytestmark = pytest.mark.slow

COSTS = {"variable_share_of_sales": 0.30}
YEAR = {"floor": 0.4, "basis": "realised", "tested": "year_end"}


def solution(world, change, money=None, samples=200, past=15e6, **parts):
    settings = {"samples": samples, "horizon_draws": 12}
    jackpot = {"largest_change": change, "start": 5e6, "cap": 50e6, "step": 5e5}
    market = world.market(costs=COSTS, jackpot=jackpot, decision=settings, **parts)
    situation = situate(
        market, world.history(market, jackpot=past), world.Demand(noise=0.08), dt.date(2025, 12, 29), None
    )
    return solve(replace(situation, cash_now=money))


@pytest.mark.parametrize("change", [5e5, 1.7e6, 6e6])
def test_no_path_changes_by_more(world, change):
    solved = solution(world, change, regulation={"payout_ratio": YEAR})
    ahead = solved.constraints.outlook.roll(solved.situation, solved.jackpot, 52)
    path = np.column_stack([np.full(200, 15e6), ahead.jackpot])
    assert np.abs(np.diff(path, axis=1)).max() <= change * (1 + 1e-12)
    on_grid = (ahead.jackpot - 5e6) / 5e5
    assert on_grid == pytest.approx(np.rint(on_grid), abs=1e-9)
    assert np.ptp(ahead.jackpot) > 0


def test_candidates_are_those_within_reach(world):
    solved = solution(world, 2e6, regulation={"payout_ratio": YEAR})
    ahead = solved.constraints.outlook.ratio.plan.ahead
    for draws, stage in enumerate(ahead.stages[ahead.now :], start=1):
        away = np.abs(ahead.jackpots[stage.allowed] - 15e6)
        assert away.max() <= draws * 2e6 * (1 + 1e-9)
        assert (stage.allowed | (np.abs(ahead.jackpots - 15e6) > draws * 2e6)).all()


def test_the_stated_chance_is_that_of_paths_that_keep_the_limit(world):
    """A rule of a period of 12 draws: the plan played by the game itself, each jackpot from the one before it."""
    rule = YEAR | {"tested": "each_draw", "period_starts": dt.date(2026, 1, 3), "period_draws": 12}
    solved = solution(world, 1e6, samples=2000, regulation={"payout_ratio": rule})
    ratio, situation = solved.constraints.outlook.ratio, solved.situation
    look = ratio.look(situation, np.array([solved.jackpot]))
    rolled = roll(situation, ratio.plan, solved.jackpot, 12, ratio.rule, ratio.ledger)
    past = ratio.ledger.surplus(ratio.rule)
    added = np.concatenate([np.tile(past, (2000, 1)), rolled.counted - 0.4 * rolled.sales], axis=1)
    sums = np.array([added[:, t - 51 : t + 1].sum(axis=1) for t in range(51, 63)])
    kept = float((sums >= 0).all(axis=0).mean())
    assert float(look.kept[0]) == pytest.approx(kept, abs=4 * np.sqrt(kept * (1 - kept) * (1 / 2000 + 1 / 512)))
    assert look.kept[0] <= look.attainable[0] + 1e-6


@pytest.mark.parametrize("change", [5e5, 3e6])
def test_stated_attainable_is_never_above_that_without_the_limit(world, change):
    """Where cash alone is promised, too; and the more may change, the more is attainable, beyond chance."""
    cash = {"floor": 0.0, "horizon_draws": 12, "period_starts": dt.date(2026, 1, 3)}
    tight, loose = (solution(world, one, 12e6, cash=cash) for one in (change, 45e6))
    at = np.array([15e6])
    chances = [float(one.constraints.outlook.look(one.situation, at).attainable[0]) for one in (tight, loose)]
    assert chances[0] <= chances[1] + 0.01
    assert chances[0] < chances[1] - 0.005 or change > 1e6


def test_limits_are_on_the_grid(world):
    bounds = world.market(jackpot={"largest_change": 1.7e6, "step": 5e5}).jackpot
    reached = within_reach(bounds, np.array([15e6, 15e6, 5.2e6]), np.array([5e6, 50e6, 5e6]), np.zeros(3))
    assert reached.tolist() == [13.5e6, 16.5e6, 5e6]
    free = world.market().jackpot
    assert within_reach(free, np.array([15e6]), np.array([50e6]), np.zeros(1)).tolist() == [50e6]


def test_a_loose_limit_changes_nothing_that_is_certain(world):
    """On the accrued basis luck plays no part: the steady jackpot is in reach, and is promised with certainty."""
    rule = {
        "floor": 0.4,
        "basis": "accrued",
        "contribution": {"share_of_sales": 0.25},
        "period_starts": dt.date(2026, 1, 3),
        "period_draws": 12,
    }
    found = [solution(world, one, past=18e6, regulation={"payout_ratio": rule}) for one in (4e6, None)]
    assert [one.status for one in found] == ["recommended", "recommended"]
    assert found[0].jackpot == pytest.approx(found[1].jackpot, abs=1.5e6)

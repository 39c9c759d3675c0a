"""The rollover pool as a state: what a guarantee leaves to later draws counts."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from jackpot.decision.pool_plan import make_pool_plan
from jackpot.decision.simulate import simulate_runs
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve
from jackpot.game.moments import draw_moments, expected_value

pytestmark = pytest.mark.slow

TODAY = dt.date(2025, 12, 29)


def steep(world, planned=True, must=None, cap=None, **parts):
    """Return a situation where jackpots sell much and are cheap to guarantee: 1 in 8 million, elasticity 0.7."""
    game = {
        "payout": "rollover",
        "jackpot_odds_one_in": 8e6,
        "secondary_share_of_sales": 0.1,
        "pool": {"share_of_sales": 0.3, "cap": cap},
        "must_be_won": must,
    }
    settings = {"samples": 100, "horizon_draws": 12, "pool": "planned" if planned else "expected"}
    jackpot = {"start": 1e6, "cap": 20e6, "step": 2.5e5, "largest_change": parts.pop("change", None)}
    market = world.market(
        game=game, jackpot=jackpot, decision=settings, costs={"variable_share_of_sales": 0.3}, **parts
    )
    past = world.history(market, draws=3, pool=[1e6, 2e6, 0.0], prizes=0.0)
    return situate(market, past, world.Demand(b=0.7, scale=5e6, reference=5e6), TODAY, None)


@pytest.mark.parametrize("must", [None, {"after_rollovers": 2}])
def test_it_is_the_tree_of_wins_and_rollovers_summed_up(world, must):
    """Three draws from an empty pool, every pool and jackpot followed exactly; beyond them the plan's own value."""
    situation = steep(world, must=must, cap=25e6)
    market, grid = situation.market, solve(situation).grid
    plan = make_pool_plan(situation, grid)
    demand, pool_rule = situation.demand, market.game.pool

    def best(t, pool, count):
        if t == 3:
            return float(np.interp(pool, plan.pools, plan.value[3][min(count, len(plan.value[3]) - 1)]))
        announced = np.maximum(plan.jackpots, pool)
        sales = demand.mean(announced, plan.dates[:1])[0]
        pays = must is not None and count >= 2
        win = draw_moments(market, world.price, sales, announced, pool).win_probability
        value = expected_value(market, world.price, sales, announced, pool, pays)
        after = np.minimum(pool + pool_rule.share_of_sales * sales, 25e6)
        won = best_known(t + 1, 0.0, 0)
        if pays:
            return float((value + won).max())
        few = range(0, len(after), 6)
        return max(value[i] + win[i] * won + (1 - win[i]) * best_known(t + 1, float(after[i]), count + 1) for i in few)

    known = {}

    def best_known(t, pool, count):
        key = t, round(pool, 3), count
        if key not in known:
            known[key] = best(t, pool, count)
        return known[key]

    exact = best(0, 0.0, 0)
    assert plan.value[0, 0, 0] == pytest.approx(exact, rel=2e-3)


@pytest.mark.parametrize("must", [None, {"after_rollovers": 3}])
def test_what_is_stated_is_what_is_played(world, must):
    situation = steep(world, must=must)
    solved = solve(situation)
    plan = solved.constraints.outlook.pool
    look = plan.look(situation, np.array([solved.jackpot]))
    market = situation.market.model_copy(
        update={"decision": situation.market.decision.model_copy(update={"samples": 20_000})}
    )
    wide = replace(situation, market=market)
    ahead = make_pool_plan(wide, solved.grid).roll(wide, [solved.jackpot], 12)
    first = float(solved.optimum.table.loc[solved.shown, "expected_value"])
    stated = first + float(look.value[0]) - _beyond(plan, wide, ahead)
    played = ahead.margin.sum(axis=1)
    assert stated == pytest.approx(played.mean(), abs=5 * played.std() / np.sqrt(20_000) + 2e-3 * abs(stated))


def _beyond(plan, situation, ahead):
    """Return the mean value of what the pool holds after the last draw."""
    share, pool, count = situation.market.game.pool.share_of_sales, np.zeros(20_000), np.zeros(20_000)
    rng = np.random.default_rng([situation.market.decision.seed, 1])
    uniform = rng.random((12, 20_000))
    rule = situation.market.game.must_be_won
    for t in range(12):
        win = draw_moments(situation.market, 2.5, ahead.sales[:, t], ahead.jackpot[:, t], pool).win_probability
        out = (uniform[t] < win) | (rule is not None and count >= 3)
        pool = np.where(out, 0.0, pool + share * ahead.sales[:, t])
        count = np.where(out, 0, count + 1)
    rows = np.minimum(count, plan.value.shape[1] - 1).astype(int)
    return float(np.mean([np.interp(p, plan.pools, plan.value[-1][c]) for p, c in zip(pool, rows, strict=True)]))


def test_a_reset_is_answered_with_a_higher_guarantee_and_it_pays(world):
    planned, alone = steep(world), steep(world, planned=False)
    assert solve(planned).jackpot > solve(alone).jackpot
    nodes = np.geomspace(1e6, 60e6, 60)
    values = [
        simulate_runs(one, one.demand, nodes, {"plan": "plan"}, 4000, 52, 3)["plan"].value for one in (planned, alone)
    ]
    gain = values[0] - values[1]
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain))


def test_a_path_is_followed_and_the_largest_change_is_kept(world):
    situation = steep(world, change=2e6)
    solved = solve(situation)
    plan = solved.constraints.outlook.pool
    one, two = (plan.look(situation, np.array([5e6]), then).value[0] for then in ((), (1e6, 1e6)))
    assert two < one
    path = plan.roll(situation, [15e6], 12).jackpot
    assert np.diff(path, axis=1).min() >= -2e6 - 1e-6
    assert np.diff(steep_path(world), axis=1).min() < -2e6


def steep_path(world):
    situation = steep(world)
    return solve(situation).constraints.outlook.pool.roll(situation, [15e6], 12).jackpot


def test_every_rollover_has_it_where_nothing_is_promised_and_it_can_be_left_out(world):
    assert solve(steep(world, planned=False)).constraints.outlook.pool is None
    assert world.market().decision.pool == "planned"
    fixed = situate(world.market(), world.history(world.market()), world.Demand(), TODAY, None)
    assert solve(fixed).constraints.outlook.pool is None
    found = world.run(steep(world).market, world.Demand(b=0.7), world.history(steep(world).market, pool=0.0))
    assert found.recommendation.status == "recommended"
    assert len(found.recommendation.planned_path) == 12

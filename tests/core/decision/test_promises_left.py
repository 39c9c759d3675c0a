"""Risk that has been spent is not renewed, and a short window's ledger is looked at draw by draw."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, poisson

from jackpot.decision.cash_floor import Outlook, cash_purse, floor_promise
from jackpot.decision.draw_law import luck_nodes
from jackpot.decision.payout_ratio import draw_margins
from jackpot.decision.plan import Ahead, Plan, look_ahead
from jackpot.decision.programme import Stage
from jackpot.decision.situation import situate
from jackpot.decision.true_ledger import true_ledger

pytestmark = pytest.mark.slow

NODES = np.array([5e6, 10e6, 17e6, 25e6])
BEGAN = dt.date(2025, 12, 6)


def promise(world, cash_now, prizes, begins=BEGAN, b=0.3):
    """Return what is left of a promise over 12 draws, four of which are over."""
    market = world.market(
        costs={"variable_share_of_sales": 0.3}, cash={"floor": 5e6, "period_starts": begins, "horizon_draws": 12}
    )
    past = world.history(market, draws=20, sales=11e6, prizes=prizes)
    situation = situate(market, past, world.Demand(b=b), dt.date(2025, 12, 29), None)
    return floor_promise(situation, Outlook(None, None), cash_purse(situation, cash_now, market.cash), NODES)


def test_cash_at_the_period_s_start_is_that_of_now_less_what_the_draws_left(world):
    found = promise(world, 20e6, 10e6)
    assert found.left == 8
    assert found.plan.ahead.now == 4
    assert found.plan.ahead.x_start == pytest.approx(20e6 - 5e6 - 4 * (0.7 * 11e6 - 10e6))
    assert found.plan.ahead.x_now == 15e6


def test_risk_that_luck_has_spent_is_not_renewed(world):
    """The same cash: after bad luck less is left of the promise than a new period would give, after good luck more."""
    fresh = promise(world, 20e6, 5e6, begins=dt.date(2026, 1, 3), b=1.0)
    lucky, unlucky = promise(world, 20e6, 5e6, b=1.0), promise(world, 20e6, 12e6, b=1.0)
    assert fresh.kept == 0.95
    assert fresh.left == 12
    assert unlucky.asked < 0.95 < lucky.kept
    assert lucky.asked == 0.95


def test_the_chance_left_is_a_martingale_under_the_plan(world):
    plan = promise(world, 14e6, 2.75e6).plan
    look = plan.look(plan.ahead.laws[0], plan.ahead.stages[plan.ahead.now].increment)
    chosen = int(plan.action(plan.ahead.now, np.array([plan.ahead.x_now]))[0])
    assert float(look.kept[chosen]) == pytest.approx(float(plan.worth.kept[0]), abs=0.01)


def test_cash_is_promised_from_here_where_the_luck_so_far_is_not_known(world):
    found = promise(world, 14e6, np.nan)
    assert not found.spent
    assert (found.plan.ahead.now, found.left, found.kept) == (0, 8, 0.95)
    market = world.market(costs={"variable_share_of_sales": 0.3}, cash={"floor": 5e6, "period_starts": BEGAN})
    past = world.history(market, draws=20, prizes=np.nan)
    told = world.run(market, world.Demand(b=0.3), past, money=60e6).recommendation.warnings
    assert any("promised from this draw on" in warning for warning in told)


def test_a_rollover_s_margin_counts_the_top_up_and_what_goes_into_the_pool(world):
    game = {"payout": "rollover", "pool": {"share_of_sales": 0.1, "opening": 0.0}}
    market = world.market(game=game)
    past = world.history(market, draws=3, sales=10e6, prizes=[0.0, 0.0, 9e6], pool=[1e6, 2e6, 0.0])
    situation = situate(market, past, world.Demand(), dt.date(2025, 12, 29), None)
    assert draw_margins(situation, 2).tolist() == [9e6, 10e6 - 1e6 - (9e6 - 3e6)]


def small(draws):
    """Return a plan over a window of 3 draws: a safe jackpot and one that wins more, more seldom."""
    increment, chance = np.array([[-1.0, -1.0], [2.5, 6.0]]), np.array([[0.5, 0.75], [0.5, 0.25]])
    ledger = (0.0, 2.0, 1.0)
    stages = tuple(
        Stage(
            increment,
            chance,
            np.array([1.0, 2.0]),
            low=0.0,
            drop=ledger[i] if i < 3 else 0.0,
            decay=1.0 if i < 3 else 2 / 3,
            last=i == draws - 1,
        )
        for i in range(draws)
    )
    ahead = Ahead(np.array([1.0, 2.0]), pd.DatetimeIndex([]), NODES, (), stages, 0, 3.0, 3.0)
    policy = ahead.programme.solve(np.array([20.0]), 0.0, 0, draws, restore=False)
    return Plan(ahead, 0.0, 0.0, 1.0, 1.0, policy, None, ())


def test_a_window_as_long_as_the_period_misses_nothing():
    assert true_ledger(small(3), 3) is None


def test_what_is_stated_on_the_true_ledger_is_attained():
    """A plan's own chance by plain simulation of the ledger, each draw leaving the window whole."""
    plan = small(6)
    stage = plan.ahead.stages[0]
    look = look_ahead(plan.ahead, stage.chance, stage.increment, plan.policy)
    missed = true_ledger(plan, 3, 4096)
    stated = missed.corrected(look, plan.ahead.jackpots)
    assert np.all(stated.kept <= stated.attainable + 1e-12)
    best = 0.0
    rng = np.random.default_rng(2)
    for first in (0, 1):
        runs = 20_000
        added = np.zeros((runs, 9))
        added[:, :3] = (0.0, 2.0, 1.0)
        kept = np.ones(runs, dtype=bool)
        for t in range(6):
            x = added[:, t : t + 3].sum(axis=1)
            node = np.full(runs, first) if t == 0 else plan.action(t, x)
            won = rng.random(runs) < np.array([0.5, 0.25])[node]
            added[:, t + 3] = np.where(won, np.array([2.5, 6.0])[node], -1.0)
            kept &= added[:, t + 1 : t + 4].sum(axis=1) >= 0
        assert stated.attainable[first] >= kept.mean() - 0.02
        best = max(best, float(kept.mean()))
    assert stated.kept.max() >= best - 0.05


def test_a_plan_is_as_fine_as_what_can_be_lost_and_won_back():
    """Losing n jackpots of 1, n of Poisson(1) a draw: P(Poisson(5) <= 8), whatever 10,000 would do."""
    winners = np.arange(30.0)
    chance = np.exp(-1.0 - np.array([math.lgamma(n + 1) for n in winners]))
    increment = -winners[:, None] * np.array([1.0, 1e4])
    stages = tuple(
        Stage(increment, np.stack([chance, chance], axis=1), np.zeros(2), low=0.0, last=i == 4) for i in range(5)
    )
    ahead = Ahead(np.array([1.0, 1e4]), pd.DatetimeIndex([]), NODES, (), stages, 0, 8.5, 8.5)
    look = look_ahead(ahead, stages[0].chance, stages[0].increment)
    assert look.attainable[0] == pytest.approx(float(poisson(5.0).cdf(8)), abs=0.01)


def test_a_plan_is_as_fine_as_a_draw_s_luck_where_much_leaves_the_window():
    """Eight draws of normal luck, beside 200 that leaves and comes back: P(the sum of them is -4 or more)."""
    nodes, chances = np.array(luck_nodes(25)).T[:, :, None]
    stages = tuple(
        Stage(nodes, chances, np.zeros(1), low=0.0 if i == 7 else -np.inf, drop=200.0 * (-1) ** i, last=i == 7)
        for i in range(8)
    )
    ahead = Ahead(np.array([1.0]), pd.DatetimeIndex([]), NODES, (), stages, 0, 4.0, 4.0)
    look = look_ahead(ahead, chances, nodes)
    assert look.attainable[0] == pytest.approx(float(norm.cdf(4.0 / math.sqrt(8))), abs=0.01)

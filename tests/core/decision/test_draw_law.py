"""The law of one draw: its parts, and the samples of sales behind a plan whose later jackpots are capped."""

import datetime as dt

import numpy as np
import pytest
from scipy.stats import lognorm

from jackpot.decision.draw_law import draw_law, luck_nodes, parts, sales_nodes
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve

RATIO = {"floor": 0.4, "basis": "realised", "window_draws": 20, "period_draws": 8, "confidence": 0.6}


@pytest.mark.parametrize("count", [7, 12, 25])
def test_luck_has_no_mean_and_unit_variance(count):
    nodes, chances = np.array(luck_nodes(count)).T
    assert chances.sum() == pytest.approx(1.0)
    assert chances @ nodes == pytest.approx(0.0, abs=1e-12)
    assert chances @ nodes**2 == pytest.approx(1.0)
    assert (np.diff(parts(count)) > 0).all()


def test_sales_keep_their_mean_and_their_tails():
    samples = np.random.default_rng(3).lognormal(0.0, 0.1, (1000, 2))
    nodes, chances = sales_nodes(samples)
    assert chances @ nodes == pytest.approx(samples.mean(axis=0))
    assert (nodes[0] < np.quantile(samples, 0.02, axis=0)).all()
    few = samples[:5]
    assert sales_nodes(few)[0] is few


def test_the_law_is_as_smooth_as_the_prizes(world):
    """Secondary prizes alone: no step of the distribution stands out by more than an eighth."""
    market = world.market(game={"payout": "shared", "secondary_log_sd": 0.3, "jackpot_odds_one_in": 1e12})
    sales = np.full((50, 1), 1e7)
    law = draw_law(market, world.price, sales, np.array([5e6]), 0.0)
    order = law.prizes[:, 0].argsort()
    reached, chance = law.chance[order, 0].cumsum(), law.chance[order, 0]
    sd = 0.3
    exact = lognorm(sd, scale=2.5e6 * np.exp(-(sd**2) / 2)).cdf(law.prizes[order, 0])
    assert np.abs(reached - chance / 2 - exact).max() < 1 / 16


def test_a_capped_plan_knows_the_sales_of_jackpots_above_its_candidates(world):
    market = world.market(regulation={"payout_ratio": RATIO | {"period_starts": dt.date(2026, 1, 3)}})
    past = world.history(market, draws=30)
    solved = solve(situate(market, past, world.Demand(b=0.5), dt.date(2025, 12, 29), None))
    low = solved.constraints.outlook.capped(2)
    high = float(solved.grid.jackpots(solved.grid.last))
    assert low.plan.ahead.jackpots[-1] < high / 2
    sold = low.roll(solved.situation, high, 3).sales
    assert sold[:, 0].mean() == pytest.approx(solved.situation.sample_sales(np.array([high])).mean())
    assert sold[:, 1].mean() < sold[:, 0].mean() / 1.5

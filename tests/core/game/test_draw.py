"""Realised draws agree with their moments, and their money adds up."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jackpot.game.draw import simulate_draws
from jackpot.game.moments import draw_moments
from jackpot.market.schema import Market

MarketOf = Callable[..., Market]
N = 40_000
FIXED = {"name": "5", "odds_one_in": 2e5, "prize": 5_000.0}
POOLED = [
    {"name": "4", "odds_one_in": 3e6, "share_of_sales": 0.05},
    {"name": "3", "odds_one_in": 1e3, "share_of_sales": 0.1},
]
GAMES: dict[str, dict[str, Any]] = {
    "shared": {"payout": "shared", "secondary_share_of_sales": 0.25, "secondary_log_sd": 0.2},
    "per winner": {"tiers": [FIXED]},
    "per winner, picked alike": {"conscious_selection": 0.5, "tiers": [FIXED], "secondary_log_sd": 0.47},
    "rollover": {
        "payout": "rollover",
        "pool": {"share_of_sales": 0.2},
        "conscious_selection": 0.857,
        "tiers": [FIXED, *POOLED],
        "secondary_log_sd": 0.3,
    },
    "postcode": {
        "payout": "postcode",
        "jackpot_odds_one_in": 2e6,
        "postcode": {"tickets_per_postcode": 12.0, "log_sd": 0.7},
        "tiers": [FIXED],
        "secondary_log_sd": 0.1,
    },
}


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
@pytest.mark.parametrize(("sales", "jackpot", "pool"), [(1.2e7, 1.5e7, 0.0), (1.5e8, 4e7, 2e7)])
def test_draws_have_the_stated_moments(
    market_of: MarketOf, game: dict[str, Any], sales: float, jackpot: float, pool: float
) -> None:
    market = market_of(**game)
    moments = draw_moments(market, 2.5, sales, jackpot, pool)
    outcomes = simulate_draws(market, 2.5, np.full(N, sales), jackpot, pool, np.random.default_rng(20))

    def agrees(realised: np.ndarray, mean: float) -> None:
        assert abs(realised.mean() - mean) <= 4.5 * realised.std() / math.sqrt(N) + 1e-9 * mean

    agrees(outcomes.jackpot_winners > 0, float(moments.win_probability))
    agrees(outcomes.jackpot_paid, float(moments.jackpot_prizes))
    agrees(outcomes.jackpot_cost, float(moments.jackpot_cost))
    agrees(outcomes.secondary_paid, float(moments.secondary_prizes))
    agrees((outcomes.jackpot_paid - moments.jackpot_prizes) ** 2, float(moments.jackpot_prizes_variance))
    agrees((outcomes.secondary_paid - moments.secondary_prizes) ** 2, float(moments.secondary_prizes_variance))
    for tier in market.game.tiers:
        agrees(outcomes.tier_winners[tier.name], sales / 2.5 / tier.odds_one_in)


def test_rollover_money_is_conserved(market_of: MarketOf) -> None:
    market = market_of(payout="rollover", pool={"share_of_sales": 0.2})
    sales = np.random.default_rng(1).uniform(1e6, 3e8, 2_000)
    outcomes = simulate_draws(market, 2.5, sales, 3e7, 1e7, np.random.default_rng(2))
    assert outcomes.jackpot_paid + outcomes.pool_after == pytest.approx(1e7 + 0.2 * sales + outcomes.jackpot_cost)
    won = outcomes.jackpot_winners > 0
    assert 0 < won.sum() < won.size
    assert (outcomes.pool_after[won] == 0).all()
    assert (outcomes.jackpot_paid[won] >= 3e7).all()
    assert (outcomes.jackpot_paid[~won] == 0).all()


def test_pari_mutuel_money_rolls_down_to_a_class_with_winners(market_of: MarketOf) -> None:
    market = market_of(tiers=POOLED)
    outcomes = simulate_draws(market, 2.5, np.full(500, 5e6), 1e7, 0.0, np.random.default_rng(3))
    nobody = outcomes.tier_winners["4"] == 0
    assert 0 < nobody.sum() < 500
    assert outcomes.tier_paid["4"] == pytest.approx(np.where(nobody, 0, 0.05 * 5e6))
    assert outcomes.tier_paid["3"] == pytest.approx(np.where(nobody, 0.15 * 5e6, 0.1 * 5e6))
    assert outcomes.secondary_paid == pytest.approx(0.15 * 5e6)


def test_paid_tiers_are_their_winners_and_add_up(market_of: MarketOf) -> None:
    market = market_of(tiers=[FIXED, *POOLED])
    outcomes = simulate_draws(market, 2.5, np.array([[0.0, 2.5, 1e8]]), 1e7, 0.0, np.random.default_rng(4))
    assert outcomes.secondary_paid.shape == (1, 3)
    assert (outcomes.tier_paid["5"] == outcomes.tier_winners["5"] * 5_000).all()
    assert sum(outcomes.tier_paid.values()) == pytest.approx(outcomes.secondary_paid)
    for name, paid in outcomes.tier_paid.items():
        assert ((paid > 0) == (outcomes.tier_winners[name] > 0)).all()
    assert outcomes.secondary_paid[0, 0] == 0


def test_the_same_generator_draws_the_same(market_of: MarketOf) -> None:
    market = market_of(**GAMES["rollover"])
    first, second = (
        simulate_draws(market, 2.5, np.full(50, 5e7), 1e7, 0.0, np.random.default_rng(9)) for _ in range(2)
    )
    assert (first.jackpot_paid == second.jackpot_paid).all()
    assert (first.secondary_paid == second.secondary_paid).all()

"""Moments and tails against arbitrary precision, where floats overflow or cancel first."""

from itertools import product

import mpmath
import numpy as np
import pytest

from jackpot.game.moments import draw_moments, expected_value
from jackpot.game.winners import variance_over_mean, winner_chances

JACKPOTS = (1.0, 1e3, 1e6, 1e9)
ODDS = (2.0, 1e6, 1e12)
SALES = (1.0, 1e7, 1e12)


@pytest.fixture(autouse=True)
def _precision():
    with mpmath.workdps(50):
        yield


@pytest.mark.parametrize(("jackpot", "odds", "sales"), list(product(JACKPOTS, ODDS, SALES)))
@pytest.mark.parametrize("payout", ["per_winner", "shared", "rollover"])
def test_moments_keep_their_digits(market_of, payout, jackpot, odds, sales):
    pool = {"pool": {"share_of_sales": 0.1, "opening": 0.0}} if payout == "rollover" else {}
    market = market_of(payout=payout, jackpot_odds_one_in=odds, conscious_selection=0.857, **pool)
    c, price = mpmath.mpf(market.game.conscious_selection), mpmath.mpf("2.5")
    mean = mpmath.mpf(sales) / price / mpmath.mpf(odds)
    win = -mpmath.expm1(-c * mean)
    into = mpmath.mpf(market.game.pool.share_of_sales) * sales if market.game.pool else mpmath.mpf(0)
    paid = {
        "per_winner": mean * jackpot,
        "shared": win * jackpot,
        "rollover": win * max(mpmath.mpf(jackpot), into),
    }[payout]
    cost = win * max(mpmath.mpf(jackpot) - into, 0) if payout == "rollover" else paid
    found = draw_moments(market, 2.5, sales, jackpot)
    for mine, exact in ((found.win_probability, win), (found.jackpot_prizes, paid), (found.jackpot_cost, cost)):
        assert float(mine) == pytest.approx(float(exact), rel=1e-12, abs=1e-300)
    kept = mpmath.mpf(sales) * (1 - mpmath.mpf(market.costs.share_of_sales)) - market.costs.fixed_per_draw
    secondary = mpmath.mpf(market.game.secondary_share_of_sales) * sales
    value = kept - cost - into - secondary
    scale = float(abs(kept) + cost + into + secondary)
    assert float(expected_value(market, 2.5, sales, jackpot)) == pytest.approx(float(value), abs=1e-12 * scale)


@pytest.mark.parametrize("selection", [1.0, 0.857, 0.3])
@pytest.mark.parametrize("mean", [1e-12, 1e-3, 1.0, 40.0, 290.0, 310.0, 1000.0])
def test_the_distribution_of_winners_is_the_negative_binomial_to_its_tail(market_of, selection, mean):
    market = market_of(payout="per_winner", jackpot_odds_one_in=1e6, conscious_selection=selection)
    chances = list(winner_chances(market.game, np.array([mean])))
    u = mpmath.mpf(variance_over_mean(market.game)) - 1
    m = mpmath.mpf(mean)
    for n in {0, 1, 2, int(mean), int(mean + 2 * mean**0.5), len(chances) - 1}:
        if u == 0:
            exact = mpmath.exp(-m) * m**n / mpmath.factorial(n)
        else:
            size = m / u
            exact = mpmath.binomial(size + n - 1, n) * (u / (1 + u)) ** n * (1 + u) ** -size
        assert float(chances[n][0]) == pytest.approx(float(exact), rel=1e-8, abs=1e-250)
    assert sum(float(one[0]) for one in chances) == pytest.approx(1.0, abs=1e-7)

"""Must-be-won draws and caps: the pool's money goes to somebody, and the moments are those of the draws."""

import datetime as dt
import math
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from jackpot.game.draw import simulate_draws
from jackpot.game.moments import draw_moments, expected_value
from jackpot.game.rollover import must_be_won, pool_draw
from jackpot.market.schema import Market

N = 40_000
MUST = {"after_rollovers": 5}
TIERS = [
    {"name": "5", "odds_one_in": 4e6, "prize": 50_000.0},
    {"name": "4", "odds_one_in": 1e3, "share_of_sales": 0.05},
]


def rolling(market_of, cap=None, must=MUST, **game):
    return market_of(payout="rollover", pool={"share_of_sales": 0.2, "cap": cap}, must_be_won=must, **game)


@pytest.mark.parametrize(
    ("cap", "sales", "pool", "must"), list(product([None, 5e7], [1.2e7, 1.5e8], [0.0, 4.5e7], [False, True]))
)
def test_draws_have_the_stated_moments(market_of, cap, sales, pool, must):
    market = rolling(market_of, cap, tiers=TIERS, conscious_selection=0.857)
    moments = draw_moments(market, 2.5, sales, 4.6e7, pool, must)
    drawn = simulate_draws(market, 2.5, np.full(N, sales), 4.6e7, pool, np.random.default_rng(3), must)
    for realised, mean in (
        (drawn.jackpot_paid, moments.jackpot_prizes),
        (drawn.jackpot_cost, moments.jackpot_cost),
        (drawn.rolled_down, moments.rolled_down),
        (drawn.secondary_paid, moments.secondary_prizes + moments.rolled_down),
    ):
        error = realised.std() / math.sqrt(N)
        assert abs(float(realised.mean()) - float(mean)) <= 4.5 * error + 1e-9 * float(mean)
    if must:
        assert (drawn.pool_after == 0).all()
        assert float(moments.jackpot_prizes + moments.rolled_down) >= 4.6e7 * (1 - 1e-12)


def test_moments_of_a_draw_that_must_be_won_are_its_two_cases_enumerated(market_of):
    market = rolling(market_of, 5e7)
    sales, pool, jackpot = 3e7, 4.8e7, 5e7
    for must in (0.0, 0.3, 1.0):
        win = -math.expm1(-sales / 2.5 * 2.2e-8)
        held, spilled = 5e7, 4.8e7 + 6e6 - 5e7
        moments = draw_moments(market, 2.5, sales, jackpot, pool, must)
        assert float(moments.jackpot_prizes) == pytest.approx(win * held, rel=1e-12)
        assert float(moments.rolled_down) == pytest.approx((1 - win) * must * held + spilled, rel=1e-12)
        assert float(moments.jackpot_cost) == 0.0
        low = draw_moments(market, 2.5, sales, jackpot, 1e7, must)
        assert float(low.jackpot_cost) == pytest.approx((win + (1 - win) * must) * (5e7 - 1.6e7), rel=1e-12)
        value = expected_value(market, 2.5, sales, jackpot, 1e7, must)
        assert float(value) == pytest.approx(sales - 6e6 - float(low.jackpot_cost), rel=1e-12)


@pytest.mark.parametrize("must", [False, True])
@pytest.mark.parametrize("tiers", [(), TIERS])
def test_no_money_of_the_pool_is_lost(market_of, must, tiers):
    market = rolling(market_of, 5e7, tiers=tiers)
    sales = np.random.default_rng(1).uniform(1e6, 3e8, 2000)
    drawn = simulate_draws(market, 2.5, sales, 3e7, 2e7, np.random.default_rng(2), must)
    out = drawn.jackpot_paid + drawn.rolled_down + drawn.pool_after
    assert out == pytest.approx(2e7 + 0.2 * sales + drawn.jackpot_cost)
    assert drawn.pool_after.max() <= 5e7
    assert (drawn.pool_after == 0).all() == must
    if tiers:
        assert sum(drawn.tier_paid.values()) == pytest.approx(drawn.secondary_paid)
        assert all((paid > 0).sum() <= (drawn.tier_winners[name] > 0).sum() for name, paid in drawn.tier_paid.items())


def test_it_rolls_down_to_the_hardest_class_that_was_won(market_of):
    market = rolling(market_of, tiers=TIERS, jackpot_odds_one_in=1e12)
    drawn = simulate_draws(market, 2.5, np.full(500, 5e6), 3e7, 0.0, np.random.default_rng(4), must_be_won=True)
    won = drawn.tier_paid["5"] > 0
    assert 0 < won.sum() < 500
    assert drawn.tier_paid["5"][won] == pytest.approx(3e7 + 50_000 * drawn.tier_winners["5"][won])
    assert drawn.tier_paid["4"][~won] == pytest.approx(3e7 + 0.05 * 5e6)


def test_a_pool_at_its_cap_passes_on_what_comes_in(market_of):
    drawn = pool_draw(rolling(market_of, 5e7).game.pool, *(np.array([one]) for one in (1e7, 5e7, 5e7)))
    assert (drawn.carried, drawn.spilled, drawn.top_up, drawn.jackpot) == (5e7, 2e6, 0.0, 5e7)


def test_which_draws_must_be_won(market_of):
    market = rolling(market_of, must={"after_rollovers": 3})
    counts = np.array([0.0, 2.0, 3.0, 4.0])
    assert must_be_won(market, dt.date(2025, 1, 4), counts).tolist() == [False, False, True, True]
    content = market.model_dump()
    content["calendar"]["specials"] = [{"name": "new_year", "month_day": "12-31"}]
    content["game"]["must_be_won"] = {"specials": ["new_year"]}
    special = Market.model_validate(content)
    assert must_be_won(special, dt.date(2025, 12, 31), counts).all()
    assert not must_be_won(special, dt.date(2025, 12, 30), counts).any()
    assert not must_be_won(market_of(), dt.date(2025, 12, 31), counts).any()


@pytest.mark.parametrize(
    ("game", "said"),
    [
        ({"must_be_won": MUST}, "`must_be_won` belongs to payout: rollover"),
        ({"payout": "rollover", "pool": {"share_of_sales": 0.2, "opening": 6e7, "cap": 5e7}}, "below its opening"),
        ({"payout": "rollover", "pool": {"share_of_sales": 0.2, "cap": 4e7}}, "below the jackpot's cap 50,000,000"),
        (
            {"payout": "rollover", "pool": {"share_of_sales": 0.2}, "must_be_won": {"specials": ["xmas"]}},
            "calendar.specials has none of the name 'xmas'",
        ),
        ({"payout": "rollover", "pool": {"share_of_sales": 0.2}, "must_be_won": {}}, "say which draws must be won"),
    ],
)
def test_contradictions_are_refused(market_of, game, said):
    with pytest.raises(ValidationError, match=said):
        market_of(**game)

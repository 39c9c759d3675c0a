"""Insurance: the excess of all jackpots of a draw is the operator's, the rest the insurer's."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from jackpot.game.draw import simulate_draws
from jackpot.game.insurance import premium, retained, retained_per_winner
from jackpot.game.moments import draw_moments, expected_value
from jackpot.game.winners import winner_chances
from jackpot.market.schema import Insurance

GAMES = {
    "per winner": {},
    "picked alike": {"conscious_selection": 0.6},
    "shared": {"payout": "shared"},
    "rollover": {"payout": "rollover", "pool": {"share_of_sales": 0.1}},
    "postcode": {"payout": "postcode", "jackpot_odds_one_in": 2e7, "postcode": {"tickets_per_postcode": 8.0}},
}
COVER = {"excess": 1.2e7, "premium_per_draw": 2e5, "premium_share_of_sales": 0.01, "premium_per_expected_claim": 1.3}


def insured(market, **cover):
    return market.model_copy(update={"insurance": Insurance(**{**COVER, **cover})})


@pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)
def test_draws_have_the_stated_cost(market_of, game):
    plain = market_of(**game)
    market = insured(plain)
    for sales, jackpot in ((5e7, 1e7), (2e8, 3e7)):
        moments = draw_moments(market, 2.5, sales, jackpot)
        drawn = simulate_draws(market, 2.5, np.full(40_000, sales), jackpot, 0.0, np.random.default_rng(5))
        error = drawn.jackpot_cost.std() / 200
        assert abs(float(drawn.jackpot_cost.mean()) - float(moments.jackpot_cost)) <= 4.5 * error
        assert drawn.jackpot_cost.max() <= 1.2e7
        before = draw_moments(plain, 2.5, sales, jackpot)
        assert moments.jackpot_prizes == before.jackpot_prizes
        claims = float(before.jackpot_cost - moments.jackpot_cost)
        assert float(moments.insurance_premium) == pytest.approx(2e5 + 0.01 * sales + 1.3 * claims)
        lost = float(expected_value(plain, 2.5, sales, jackpot) - expected_value(market, 2.5, sales, jackpot))
        assert lost == pytest.approx(float(moments.insurance_premium) - claims)


@pytest.mark.parametrize("selection", [1.0, 0.857, 0.4])
@pytest.mark.parametrize("mean", [1e-9, 0.1, 3.0, 60.0, 400.0])
def test_what_is_retained_of_a_jackpot_to_each_winner_is_the_enumeration(market_of, selection, mean):
    market = market_of(conscious_selection=selection)
    chances = [float(one[0]) for one in winner_chances(market.game, np.array([mean]))]
    win = -math.expm1(-selection * mean)
    for excess in (0.0, 5e6, 1e7, 2.5e7, 3e9):
        exact = math.fsum(min(n * 1e7, excess) * chance for n, chance in enumerate(chances))
        cover = Insurance(excess=excess, premium_per_draw=1.0)
        found = retained_per_winner(cover, market.game, np.array([mean]), np.array([1e7]), np.array([win]))
        assert float(found[0]) == pytest.approx(exact, rel=1e-6)


def test_an_excess_beyond_all_claims_is_no_insurance(market_of):
    assert retained(None, np.array([1e9])).tolist() == [1e9]
    assert premium(None, np.array([1e9]), np.array([1e9])).tolist() == [0.0]
    market = market_of()
    free = draw_moments(market, 2.5, 1e7, 1e7)
    covered = draw_moments(insured(market, excess=4.9e7), 2.5, 1e7, 1e7)
    assert float(covered.jackpot_cost) == pytest.approx(float(free.jackpot_cost), rel=1e-4)
    assert float(covered.jackpot_cost) <= float(free.jackpot_cost)


@pytest.mark.parametrize(
    ("cover", "said"),
    [
        ({"excess": 5e7, "premium_per_draw": 1.0}, "the excess 50,000,000 is not below the jackpot's cap 50,000,000"),
        ({"excess": 1e7}, "insurance has a premium"),
        ({"excess": -1.0, "premium_per_draw": 1.0}, "greater than or equal to 0"),
        ({"excess": 1e7, "premium_share_of_sales": -0.1}, "greater than or equal to 0"),
        ({"excess": 1e7, "premium_share_of_sales": 0.99, "premium_per_draw": 1.0}, "more is paid than is sold"),
    ],
)
def test_contradictions_are_refused(market_of, cover, said):
    content = market_of(secondary_share_of_sales=0.25).model_dump()
    content["insurance"] = cover
    with pytest.raises(ValidationError, match=said):
        type(market_of()).model_validate(content)

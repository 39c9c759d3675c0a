"""The law of the number of winners."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from jackpot.game.winners import (
    draw_tier_winners,
    draw_winners,
    group_rate,
    settled,
    tier_variance_over_mean,
    variance_over_mean,
)
from jackpot.market.schema import Game


def lotto(c: float) -> Game:
    return Game(payout="shared", jackpot_odds_one_in=1e7, conscious_selection=c)


def postcodes(mean: float, log_sd: float) -> Game:
    return Game.model_validate(
        {
            "payout": "postcode",
            "jackpot_odds_one_in": 1e6,
            "postcode": {"tickets_per_postcode": mean, "log_sd": log_sd},
        }
    )


@settings(max_examples=60, deadline=None)
@given(st.floats(1e-12, 1.0))
def test_negative_binomial_has_the_stated_chance_of_no_winner(c: float) -> None:
    dispersion = variance_over_mean(lotto(c)) - 1
    if dispersion > 1e-6:  # below, `variance_over_mean` has no digits left to test
        assert math.log1p(dispersion) / dispersion == pytest.approx(c, rel=1e-8)
    else:
        assert c == pytest.approx(1, abs=1e-6)


def test_independent_picks_are_poisson() -> None:
    assert group_rate(lotto(1.0)) == 1
    assert variance_over_mean(lotto(1.0)) == 1


@pytest.mark.parametrize(("mean", "log_sd"), [(1, 0.0), (1, 0.5), (20, 0.5), (20, 3.0), (1e6, 1.0)])
def test_group_rate_of_postcodes_is_the_integral_over_log_normal_sizes(mean: float, log_sd: float) -> None:
    def held(z: float) -> float:
        return (
            -math.expm1(-mean * math.exp(log_sd * z - log_sd**2 / 2)) * math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        )

    expected = integrate.quad(held, -12, 12, points=[-3, 0, 3], epsabs=0, epsrel=1e-11, limit=500)[0] / mean
    assert group_rate(postcodes(mean, log_sd)) == pytest.approx(expected, rel=1e-9)


def test_wider_spread_of_postcodes_wins_less_often_and_counts_more_at_once() -> None:
    narrow, wide = postcodes(20, 0.1), postcodes(20, 1.5)
    assert group_rate(wide) < group_rate(narrow) <= 1 / 20
    assert variance_over_mean(wide) > variance_over_mean(narrow) > 20


@pytest.mark.parametrize("game", [lotto(1.0), lotto(0.857), lotto(0.3), postcodes(4, 0.5), postcodes(4, 0.0)])
@pytest.mark.parametrize("mean", [0.02, 1.0, 7.0])
def test_drawn_winners_have_the_stated_mean_variance_and_chance_of_none(game: Game, mean: float) -> None:
    n = 60_000
    winners = draw_winners(game, np.full(n, mean), np.random.default_rng(5))
    none = math.exp(-group_rate(game) * mean)
    variance = mean * variance_over_mean(game)
    assert abs(winners.mean() - mean) < 4.5 * math.sqrt(variance / n)
    assert abs((winners == 0).mean() - none) < 4.5 * math.sqrt(none * (1 - none) / n)
    spread = (winners - mean) ** 2
    assert abs(spread.mean() - variance) < 4.5 * spread.std() / math.sqrt(n)


@pytest.mark.parametrize("log_sd", [0.0, 0.4])
def test_sums_of_very_many_groups_keep_their_moments(log_sd: float) -> None:
    game, n, mean = postcodes(3, log_sd), 20_000, 30_000.0
    winners = draw_tier_winners(game, np.full(n, mean), np.random.default_rng(8))
    variance = mean * tier_variance_over_mean(game)
    assert abs(winners.mean() - mean) < 4.5 * math.sqrt(variance / n)
    assert winners.var() / variance == pytest.approx(1, abs=4.5 * math.sqrt(2 / n))


@given(st.floats(1e-300, 1e300))
def test_settled_keeps_nine_digits_and_forgets_the_last_bits(value: float) -> None:
    kept = float(settled(value))
    assert kept == pytest.approx(value, rel=1e-9)
    assert float(settled(kept)) == kept
    assert float(settled(math.nextafter(kept, math.inf))) == kept

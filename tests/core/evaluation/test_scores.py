"""Scores: by hand on toys, against quadrature, against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from jackpot.evaluation import scores
from jackpot.evaluation.forecasts import LEVELS, Forecasts


def test_wmape_and_the_unit_of_mase_by_hand() -> None:
    sales, forecast = np.array([100.0, 200.0, 300.0]), np.array([110.0, 180.0, 300.0])
    assert scores.wmape(np.abs(sales - forecast), sales) == pytest.approx(30 / 600)
    assert scores.naive_unit(np.array([100.0, 130.0, 120.0])) == pytest.approx((30 + 10) / 2)
    assert scores.naive_unit(np.array([70.0, 70.0, 70.0])) == 70


def test_pinball_by_hand() -> None:
    # 10 above the 90% quantile costs 9, 10 below it costs 1.
    loss = scores.pinball(np.array([110.0, 90.0]), np.full((1, 2), 100.0), np.array([0.9]))
    assert loss == pytest.approx(np.array([[9.0, 1.0]]))


@pytest.mark.parametrize("value", [-1.0, 0.1, 1.5])
def test_the_crps_is_the_integral_that_defines_it(value: float) -> None:
    law = norm(0.1, 0.4)
    below, _ = quad(lambda x: law.cdf(x) ** 2, -np.inf, value)
    above, _ = quad(lambda x: law.sf(x) ** 2, value, np.inf)
    exact = scores.crps_normal(np.array([value]), np.array([0.1]), np.array([0.4]))
    assert exact[0] == pytest.approx(below + above, rel=1e-7)
    by_quantiles = scores.crps(np.array([value]), law.ppf(LEVELS)[:, None])
    assert by_quantiles == pytest.approx(exact, rel=2e-3)


def test_the_true_distribution_scores_best() -> None:
    values = np.random.default_rng(1).normal(0, 1, 4000)

    def mean_score(centre: float, spread: float) -> float:
        return float(scores.crps_normal(values, np.full(4000, centre), np.full(4000, spread)).mean())

    assert mean_score(0, 1) < min(mean_score(0.2, 1), mean_score(0, 1.3), mean_score(0, 0.7))


def test_normal_scores_are_standard_deviations_from_the_median() -> None:
    z = np.array([-1.0, 0.0, 2.0])
    quantiles = np.exp(3.0 + 0.2 * norm.ppf(LEVELS))[:, None] * np.ones(3)
    assert Forecasts(np.exp(3.0 + 0.2 * z), np.full(3, 20.0), quantiles).normal_scores == pytest.approx(z, abs=1e-9)

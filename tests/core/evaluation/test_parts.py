"""Calibration, slices and horizons: a perfect forecaster, groups that add up, a series without chance."""

from __future__ import annotations

from itertools import pairwise
from math import gcd

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jackpot.demand.models import new_model
from jackpot.evaluation import slices
from jackpot.evaluation.calibration import calibration, coverage_p_values
from jackpot.evaluation.forecasts import LEVELS, Forecasts
from jackpot.evaluation.horizons import horizons, stride
from tests.strategies.demand import toy_draws, toy_market

MARKET = toy_market(("2021-01-01", 2.5))


def forecaster(n: int, width: float = 1.0, shift: float = 0.0, seed: int = 0) -> Forecasts:
    """Return forecasts of log-normal sales whose stated log-sd is `width` times the true one, off by `shift` of it."""
    generator = np.random.default_rng(seed)
    median = generator.uniform(14, 16, n)
    sales = np.exp(median + 0.1 * (generator.standard_normal(n) + shift))
    quantiles = np.exp(median + 0.1 * width * norm.ppf(LEVELS)[:, None])
    return Forecasts(sales, np.exp(median + 0.005 * width**2), quantiles)


def test_a_perfect_forecaster_is_calibrated() -> None:
    found = calibration(forecaster(4000))
    for at in found.reliability:
        assert at.observed == pytest.approx(at.level, abs=4 * np.sqrt(at.level * (1 - at.level) / 4000))
    for one in found.intervals:
        assert one.observed_pct == pytest.approx(one.nominal_pct, abs=3)
    assert sum(found.pit) == 4000
    assert found.pit_p_value is not None
    assert found.pit_p_value > 0.01


@pytest.mark.parametrize(("width", "shift"), [(0.7, 0.0), (1.4, 0.0), (1.0, 0.5)])
def test_a_forecaster_that_is_wrong_about_its_doubt_is_found_out(width: float, shift: float) -> None:
    found = calibration(forecaster(1000, width, shift))
    assert found.pit_p_value is not None
    assert found.pit_p_value < 1e-6


def test_too_few_draws_have_no_test_of_uniformity() -> None:
    assert calibration(forecaster(19)).pit_p_value is None


def test_coverage_p_values_by_hand() -> None:
    held = np.array([True, True, False])
    assert coverage_p_values(held) == pytest.approx((1 - 0.9**3, 0.9**3 + 3 * 0.9**2 * 0.1))
    assert coverage_p_values(np.array([False])) == pytest.approx((0.1, 1.0))


def test_tenths_of_the_jackpot_hold_every_draw_once_and_equal_jackpots_together() -> None:
    forecasts = forecaster(200)
    jackpots = np.repeat(np.arange(1.0, 41.0), 5)
    parts = slices.by_jackpot(forecasts, jackpots)
    assert len(parts) == 10
    assert sum(part.n for part in parts) == 200
    assert all(a.largest_jackpot < b.smallest_jackpot for a, b in pairwise(parts))
    (one,) = slices.by_jackpot(forecasts, np.full(200, 3.0))
    assert one.n == 200
    assert one.wmape_pct == pytest.approx(100 * forecasts.errors.sum() / forecasts.sales.sum())
    assert len(slices.by_jackpot(forecaster(35), np.arange(35.0))) == 3


def test_slices_by_date_fall_where_the_calendar_says() -> None:
    dates = pd.DatetimeIndex(["2020-12-30", "2021-01-02", "2021-05-05", "2021-07-10"])
    forecasts = forecaster(4)
    assert [(part.name, part.n) for part in slices.by_price(forecasts, dates, MARKET)] == [
        ("2 from 2000-01-01", 1),
        ("2.5 from 2021-01-01", 3),
    ]
    assert [part.n for part in slices.by_quarter(forecasts, dates)] == [1, 1, 1, 1]
    assert {part.name: part.n for part in slices.by_weekday(forecasts, dates)} == {"Wednesday": 2, "Saturday": 2}


@pytest.mark.parametrize("days", [1, 2, 3, 6, 7])
def test_origins_are_few_and_visit_every_weekday(days: int) -> None:
    for draws in (1, 50, 104, 105, 400, 2000):
        step = stride(draws, days)
        assert -(-draws // step) <= 104
        assert gcd(step, days) == 1
    assert stride(100, days) == 1


def a_history(sales: np.ndarray) -> pd.DataFrame:
    return toy_draws(np.linspace(2e6, 9e6, len(sales)), sales)


def test_horizons_of_a_series_without_chance_by_hand() -> None:
    """Sales rise by 10 a draw: the naive forecast j ahead misses 10 j, whatever the origin."""
    draws = a_history(100.0 + 10 * np.arange(30))
    naive = new_model("naive").fit(draws[:20], MARKET)
    found = horizons(naive, {"naive": naive}, draws, MARKET, np.arange(20, 30), 8, unit=10.0)
    assert [at.ahead for at in found] == list(range(1, 9))
    assert [at.n for at in found] == list(range(10, 2, -1))
    assert [at.mase for at in found] == pytest.approx(range(1, 9))
    for at in found:
        sold = 100.0 + 10 * np.arange(19 + at.ahead, 30)
        assert at.wmape_pct == pytest.approx(100 * 10 * at.ahead / sold.mean())
        assert at.baselines_wmape_pct["naive"] == pytest.approx(at.wmape_pct)


def test_specials_are_no_targets_and_no_target_lies_beyond_the_history() -> None:
    draws = a_history(np.full(30, 100.0))
    draws.loc[25, "special"] = "party"
    naive = new_model("naive").fit(draws[:20], MARKET)
    found = horizons(naive, {}, draws, MARKET, np.array([25, 29]), 4, unit=1.0)
    # From 25: the special, 26, 27, 28; from 29: 29 alone.
    assert [(at.ahead, at.n) for at in found] == [(1, 1), (2, 1), (3, 1), (4, 1)]
    assert all(at.wmape_pct == pytest.approx(0, abs=1e-9) for at in found)

"""The Diebold-Mariano test, the block bootstrap and the residual check: by hand, and by their rates of error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t as student

from jackpot.demand.base import Array
from jackpot.evaluation.bootstrap import block_length, interval, ratio_resamples, resampled_sums
from jackpot.evaluation.comparison import diebold_mariano, long_run_variance
from jackpot.evaluation.residuals import autocorrelations, drift, ljung_box


def ar1(paths: int, n: int, phi: float, seed: int) -> Array:
    """Return stationary AR(1) paths of unit shocks, shape (paths, n)."""
    shocks = np.random.default_rng(seed).standard_normal((paths, n + 50))
    path: Array = lfilter([1.0], [1.0, -phi], shocks, axis=1)[:, 50:]
    return path


def test_the_long_run_variance_by_hand() -> None:
    series = np.array([1.0, -1.0, 1.0, -1.0])
    # Autocovariances 1 and -3/4; Bartlett's weight of the first lag is 1/2.
    assert long_run_variance(series, 0) == pytest.approx(1)
    assert long_run_variance(series, 1) == pytest.approx(1 - 0.75)


def test_diebold_mariano_by_hand() -> None:
    """A differential without autocorrelation, and two lags counted of 24 (three steps)."""
    difference = np.tile([2.0, 2.0, -1.0, -1.0, 2.0, -1.0], 4)
    n, variance = 24, long_run_variance(difference, 2) / 24
    test = diebold_mariano(np.zeros(n), difference)
    assert test is not None
    assert test.lags == 2
    correction = (n + 1 - 2 * 3 + 3 * 2 / n) / n
    assert test.statistic == pytest.approx(np.sqrt(correction) * 0.5 / np.sqrt(variance))
    assert test.p_value == pytest.approx(2 * student.sf(test.statistic, n - 1))


def test_the_sign_says_who_is_better_and_equal_forecasters_are_not_compared() -> None:
    loss, other = np.abs(ar1(2, 100, 0.2, 1))
    ahead, back = diebold_mariano(loss, other + 1), diebold_mariano(other + 1, loss)
    assert ahead is not None
    assert back is not None
    assert ahead.statistic == pytest.approx(-back.statistic)
    assert ahead.statistic > 5
    assert diebold_mariano(loss, loss) is None
    assert diebold_mariano(loss[:7], other[:7]) is None


@pytest.mark.parametrize("phi", [0.0, 0.4])
def test_equal_forecasters_are_rarely_told_apart(phi: float) -> None:
    losses = zip(ar1(400, 150, phi, 2), ar1(400, 150, phi, 3), strict=True)
    tests = [diebold_mariano(one, other) for one, other in losses]
    rejected = np.mean([test is not None and test.p_value < 0.05 for test in tests])
    assert 0.02 <= rejected <= 0.10


@pytest.mark.parametrize(("phi", "least"), [(0.0, 0.85), (0.5, 0.78)])
def test_bootstrap_intervals_cover_the_truth(phi: float, least: float) -> None:
    """90% is meant; with few blocks percentile intervals are known to be somewhat narrow."""
    spread = 0.3 / np.sqrt(1 - phi**2)
    losses = np.exp(0.3 * ar1(120, 200, phi, 4))
    truth = np.exp(spread**2 / 2)
    ends = [interval(ratio_resamples(loss, np.ones(200))) for loss in losses]
    covered = np.mean([end is not None and end[0] <= truth <= end[1] for end in ends])
    assert least <= covered <= 0.97


def test_resamples_are_blocks_of_neighbours_and_the_same_by_seed() -> None:
    rows = np.arange(10.0)[:, None]
    sums = resampled_sums(rows, 4, replications=200, seed=5)
    assert (sums == resampled_sums(rows, 4, replications=200, seed=5)).all()
    assert (sums != resampled_sums(rows, 4, replications=200, seed=6)).any()
    # Two blocks of four (sums 6, 10, ..., 30) and one of two (1, 3, ..., 17): what a loop over blocks can give.
    whole, rest = {4 * a + 6 for a in range(7)}, {2 * a + 1 for a in range(9)}
    assert set(sums[:, 0].tolist()) <= {a + b + c for a in whole for b in whole for c in rest}
    assert resampled_sums(np.ones((10, 1)), 3)[:, 0].tolist() == [10.0] * 2000


def test_blocks_grow_with_memory() -> None:
    lengths = [np.mean([block_length(path) for path in ar1(20, 300, phi, 6)]) for phi in (0.0, 0.4, 0.8)]
    assert lengths[0] < lengths[1] < lengths[2]
    assert block_length(np.ones(30)) == 1


def test_few_draws_have_no_interval() -> None:
    assert interval(ratio_resamples(np.ones(7), np.ones(7))) is None
    assert ratio_resamples(np.ones(9), np.zeros(9)) is None


def test_ljung_box_by_hand() -> None:
    series = np.array([1.0, -1.0] * 4)
    # r_1 = -7/8: Q = 8 * 10 * (49/64) / 7, and the chi-square of one degree of freedom is that of a square.
    assert autocorrelations(series, 1)[0] == pytest.approx(-7 / 8)
    statistic, p_value = ljung_box(series, 1)
    assert statistic == pytest.approx(80 * (49 / 64) / 7)
    assert p_value == pytest.approx(0.0031, abs=2e-4)


def test_noise_has_no_pattern_and_a_pattern_is_seen() -> None:
    calm = [ljung_box(path, 10)[1] < 0.05 for path in ar1(300, 150, 0.0, 7)]
    assert 0.02 <= np.mean(calm) <= 0.09
    assert np.mean([ljung_box(path, 10)[1] < 0.05 for path in ar1(50, 150, 0.4, 8)]) > 0.8


def test_drift_is_the_rise_of_a_line() -> None:
    rise, p_value = drift(np.linspace(2.0, 5.0, 50))
    assert rise == pytest.approx(3)
    assert p_value == 0
    assert drift(np.ones(30)) == (pytest.approx(0), 1.0)
    drifting = [drift(path)[1] < 0.05 for path in ar1(300, 150, 0.0, 9)]
    assert 0.02 <= np.mean(drifting) <= 0.11
    assert drift(ar1(1, 150, 0.0, 10)[0] + np.linspace(0, 2, 150))[1] < 0.01

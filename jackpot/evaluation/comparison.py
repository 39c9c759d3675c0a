"""Whether one forecaster beats another by more than chance: the Diebold-Mariano test.

Diebold and Mariano 1995, JBES 13(3), with the correction for small samples and Student's t of Harvey, Leybourne and
Newbold 1997, International Journal of Forecasting 13(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..demand.base import Array
from .bootstrap import SHORTEST, autocovariances


@dataclass(frozen=True)
class DieboldMariano:
    """The test: `statistic` is positive where the first forecaster loses less; `p_value` is two-sided."""

    statistic: float
    p_value: float
    lags: int


def newey_west_lags(values: Array) -> int:
    """Return how many autocovariances of a series (n,) of one-step figures count.

    Errors of a forecast that drifts are correlated one step ahead too: 0.75 n^(1/3) (Stock and Watson 2019,
    Introduction to Econometrics, 16.4), or what an AR(1) of the series' own first autocorrelation asks for (Andrews
    1991, Econometrica 59(3), for Bartlett's window).
    """
    n = len(values)
    covariances = autocovariances(values, 1)
    rho = float(np.clip(covariances[1] / covariances[0], -0.9, 0.9)) if covariances[0] > 0 else 0.0
    plugged_in = 1.1447 * (4 * rho**2 / (1 - rho**2) ** 2 * n) ** (1 / 3)
    return min(max(int(0.75 * n ** (1 / 3)), int(plugged_in)), n // 3)


def long_run_variance(values: Array, lags: int) -> float:
    """Return n times the variance of the mean of a series (n,), by Bartlett's window (Newey and West 1987)."""
    covariances = autocovariances(values, lags)
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return float(covariances[0] + 2 * weights @ covariances[1:])


def diebold_mariano(loss: Array, other: Array) -> DieboldMariano | None:
    """Test whether one-step losses (n,) and another forecaster's of the same draws have the same mean.

    None where fewer than 8 draws are given or the two losses differ by a constant: there is nothing to test.
    """
    from scipy.special import stdtr

    difference = other - loss
    n = len(difference)
    if n < SHORTEST:
        return None
    lags = newey_west_lags(difference)
    variance = long_run_variance(difference, lags) / n
    if variance <= 1e-18 * max(float(np.mean(other**2)), 1e-300):
        return None
    steps = lags + 1
    correction = (n + 1 - 2 * steps + steps * (steps - 1) / n) / n
    statistic = float(np.sqrt(correction) * difference.mean() / np.sqrt(variance))
    return DieboldMariano(statistic, float(2 * stdtr(n - 1, -abs(statistic))), lags)

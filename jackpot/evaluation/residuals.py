"""What is left in the errors: a forecaster that has used all there is leaves noise of one mean and one spread."""

from __future__ import annotations

import numpy as np

from ..demand.base import Array
from .bootstrap import autocovariances
from .comparison import long_run_variance, newey_west_lags


def autocorrelations(values: Array, lags: int) -> Array:
    """Return autocorrelations at lags 1 to `lags`; nought for a series that never changes."""
    covariances = autocovariances(values, lags)
    if covariances[0] <= 0:
        return np.zeros(lags)
    result: Array = covariances[1:] / covariances[0]
    return result


def ljung_box(values: Array, lags: int) -> tuple[float, float]:
    """Return the statistic and p-value of the hypothesis that no autocorrelation up to `lags` differs from nought.

    Ljung and Box 1978, Biometrika 65(2). The errors are those of forecasts, not of a fit: no degree of freedom is lost.
    """
    from scipy.special import chdtrc

    n = len(values)
    r = autocorrelations(values, lags)
    statistic = float(n * (n + 2) * np.sum(r**2 / (n - np.arange(1, lags + 1))))
    return statistic, float(chdtrc(lags, statistic))


def drift(values: Array) -> tuple[float, float]:
    """Return how far a straight line through a series (n,) rises from first to last, and the p-value of no rise.

    Least squares on time with Newey-West errors and Student's t.
    """
    from scipy.special import stdtr

    n = len(values)
    time = np.linspace(-0.5, 0.5, n)
    spread = float(time @ time)
    rise = float(time @ values) / spread
    left = values - values.mean() - rise * time
    moments = time * left
    variance = n * long_run_variance(moments, newey_west_lags(moments)) / spread**2
    if variance <= 1e-24:
        return rise, 1.0 if abs(rise) < 1e-12 else 0.0
    return rise, float(2 * stdtr(n - 2, -abs(rise) / np.sqrt(variance)))

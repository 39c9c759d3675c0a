"""A robust Kalman filter for log sales: random-walk level, AR(1) error, and regression coefficients that drift.

log S = level + a + x'b + v;  level and b are random walks, a = phi a' + w. All variances are multiples of that of the
one-step shock, which is itself tracked, so one set of settings serves games of different noise. See West and Harrison
1997, Bayesian Forecasting and Dynamic Models, ch. 4 and 10; Durbin and Koopman 2012, ch. 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .base import Array
from .features import CALENDAR_SIZE

LEVEL, ERROR, FIRST = 0, 1, 2
"""Places in the state: level, AR(1) error, then the coefficients."""

CLIP = 3.0
"""A standardised error beyond this moves the state only as far as this one would (Huber's psi)."""
VARIANCE_DISCOUNT = 0.98
SMALLEST_VARIANCE = 1e-6
PRICE_STEP_SD = 0.15
"""Prior log-sd of what a new price does to the level."""


@dataclass(frozen=True)
class Settings:
    """Speeds of change, in multiples of the shock's standard deviation a draw."""

    phi: float = 0.7
    error_share: float = 0.8
    """Variance of the AR(1) shock; the rest, 1 - error_share, is white."""
    level: float = 0.1
    slope: float = 0.08
    by_gap: float = 0.01
    weekday: float = 0.02
    gap: float = 0.02
    season: float = 0.01


@dataclass(frozen=True)
class State:
    """The state after a draw: its mean (p,), covariance (p, p) in units of `variance`, and that variance."""

    mean: Array
    covariance: Array
    variance: float
    draws: int

    @property
    def full_covariance(self) -> Array:
        """Return the covariance in squared logs."""
        full: Array = self.covariance * self.variance
        return full


def _slope_correlation(curve: int) -> Array:
    """Neighbouring slopes resemble each other; what a longer gap adds (the last) stands alone."""
    places = np.arange(curve - 1)
    correlation = np.eye(curve)
    correlation[:-1, :-1] = np.exp(-np.abs(np.subtract.outer(places, places)) / 2.0)
    return correlation


def prior(level: float, curve: int, sd: float, settings: Settings) -> State:
    """Return the state before any draw: slopes 0.4 +- 0.4, effects of some ten percent, the level known within e."""
    size = FIRST + curve + CALENDAR_SIZE
    mean = np.zeros(size)
    mean[LEVEL] = level
    mean[FIRST : FIRST + curve - 1] = 0.4
    season = CALENDAR_SIZE - 8
    spread = np.array([1.0, 0.0] + [0.4] * (curve - 1) + [0.1] + [0.3] * 7 + [0.3] + [0.05] * season)
    covariance = np.diag(spread**2)
    slopes = slice(FIRST, FIRST + curve)
    covariance[slopes, slopes] = _slope_correlation(curve) * np.outer(spread[slopes], spread[slopes])
    covariance /= sd**2
    covariance[ERROR, ERROR] = settings.error_share / (1 - settings.phi**2)
    return State(mean, covariance, sd**2, 0)


def drift(curve: int, settings: Settings) -> Array:
    """Return the covariance of one draw's change of state, in units of the shock's variance."""
    season = CALENDAR_SIZE - 8
    speeds = np.array(
        [settings.level, np.sqrt(settings.error_share)]
        + [settings.slope] * (curve - 1)
        + [settings.by_gap]
        + [settings.weekday] * 7
        + [settings.gap]
        + [settings.season] * season
    )
    change = np.diag(speeds**2)
    slopes = slice(FIRST, FIRST + curve)
    change[slopes, slopes] = _slope_correlation(curve) * np.outer(speeds[slopes], speeds[slopes])
    return change


@dataclass(frozen=True)
class Filtered:
    """The last state, and each draw's forecast before it was seen: mean and variance of log sales, shape (n,).

    `means` (p,) and `covariances` (p, p), in squared logs, are the predicted states from draw `keep` on.
    """

    state: State
    mean: Array
    variance: Array
    means: list[Array]
    covariances: list[Array]


def run(
    log_sales: Array,
    rows: Array,
    learn: npt.NDArray[np.bool_],
    price_step: npt.NDArray[np.bool_],
    state: State,
    settings: Settings,
    curve: int,
    keep: int | None = None,
) -> Filtered:
    """Filter log sales (n,) with regressors (n, q); where `learn` is false a draw is forecast and not learned from."""
    n = len(log_sales)
    mean, covariance, variance, seen = state.mean.copy(), state.covariance.copy(), state.variance, state.draws
    change = drift(curve, settings)
    decay = np.ones(len(mean))
    decay[ERROR] = settings.phi
    decay_both = np.outer(decay, decay)
    white = 1 - settings.error_share
    loads = np.column_stack([np.ones((n, 2)), rows])
    forecast, spread = np.empty(n), np.empty(n)
    means, covariances = [], []
    pending_price = False
    for t in range(n):
        pending_price |= bool(price_step[t])
        ahead, ahead_covariance = mean * decay, covariance * decay_both + change
        if pending_price:
            ahead_covariance[LEVEL, LEVEL] += PRICE_STEP_SD**2 / variance
        load = loads[t]
        gain = ahead_covariance @ load
        scale = float(load @ gain) + white
        forecast[t], spread[t] = load @ ahead, scale * variance
        if keep is not None and t >= keep:
            means.append(ahead)
            covariances.append(ahead_covariance * variance)
        if not learn[t]:
            continue
        pending_price = False
        seen += 1
        error = log_sales[t] - forecast[t]
        standard = error / np.sqrt(spread[t])
        clipped = float(np.clip(standard, -CLIP, CLIP))
        mean = ahead + gain * (clipped * np.sqrt(variance / scale))
        covariance = ahead_covariance - np.outer(gain, gain) / scale
        rate = max(1 - VARIANCE_DISCOUNT, 1 / (seen + 20))
        variance = max(variance * (1 + rate * (min(standard**2, 1.5 * CLIP**2) - 1)), SMALLEST_VARIANCE)
    return Filtered(
        replace(state, mean=mean, covariance=covariance, variance=variance, draws=seen),
        forecast,
        spread,
        means,
        covariances,
    )

"""Robust Kalman filters for log sales, several settings side by side, averaged by how well each has forecast.

log S = level + a + x'b + v;  level and b are random walks, a = phi a' + w. Variances are multiples of that of the
one-step shock, which is itself tracked, so that one set of settings serves games of different noise. See West and
Harrison 1997, Bayesian Forecasting and Dynamic Models, ch. 4 and 10; Durbin and Koopman 2012, Time Series Analysis by
State Space Methods, ch. 4. The average is dynamic model averaging (Raftery, Karny and Ettler 2010, Technometrics
52(1)). `m` is members (settings), `p` the size of a state, `n` draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .base import Array

LEVEL, ERROR, FIRST = 0, 1, 2
"""Places in the state: level, AR(1) error, then the coefficients."""

CLIP = 2.0
"""A standardised error beyond this moves the state only as far as this one would (Huber's psi)."""
VARIANCE_DISCOUNT = 0.98
SMALLEST_VARIANCE = 1e-6
PRICE_STEP_SD = 0.15
"""Prior log-sd of what a new price does to the level."""
FORGETTING = 0.98
"""How the weights of the members forget: a draw's likelihood counts half after 34 more."""
BREAK_AT, BREAK_SD = 1.5, 0.1
"""Two errors in a row of one sign beyond so many standard deviations: the level may have moved by this, in logs."""


@dataclass(frozen=True)
class System:
    """How states move, one row a member: AR(1) coefficient (m,), white share of the shock (m,), drift (m, p, p)."""

    phi: Array
    white: Array
    drift: Array
    clip: float = CLIP
    forgetting: float = FORGETTING

    def decay(self, steps: float = 1.0) -> Array:
        """Return what is left of each component of the state after so many draws, shape (m, p)."""
        decay = np.ones(self.drift.shape[:2])
        decay[:, ERROR] = self.phi**steps
        return decay


def normalised(log_weights: Array) -> Array:
    """Return weights, shape (m,), which sum to one."""
    raw = np.exp(log_weights - log_weights.max())
    weights: Array = raw / raw.sum()
    return weights


@dataclass(frozen=True)
class State:
    """The states after a draw: means (m, p), covariances (m, p, p) in units of `variance` (m,), log weights (m,)."""

    mean: Array
    covariance: Array
    variance: Array
    log_weights: Array
    last_error: Array
    pending_prices: float = 0.0
    """Changes of price since the last draw that was learned from."""

    @property
    def weights(self) -> Array:
        """Return the members' weights, shape (m,), which sum to one."""
        return normalised(self.log_weights)


def hold(mean: Array, covariance: Array, slopes: slice) -> Array:
    """Return means (r, p) given that no slope is negative: each row's most negative is held at zero, then its next.

    `covariance` is (r, p, p). Holding one after another is the same as holding them at once.
    """
    found, of_slopes = mean.copy(), covariance[:, :, slopes].copy()
    held = np.zeros((len(mean), slopes.stop - slopes.start), dtype=bool)
    rows = np.arange(len(mean))
    while len(rows):
        worst = np.argmin(found[rows, slopes], axis=1)
        more = found[rows, slopes.start + worst] < -1e-12
        rows, worst = rows[more], worst[more]
        block, place = of_slopes[rows], np.arange(len(rows))
        column = block[place, :, worst]
        gain = column / column[place, slopes.start + worst, None]
        found[rows] -= gain * found[rows, slopes.start + worst, None]
        of_slopes[rows] = block - gain[:, :, None] * block[place, slopes.start + worst, None, :]
        held[rows, worst] = True
        found[:, slopes][held] = 0.0
    found[:, slopes] = np.maximum(found[:, slopes], 0.0)
    return found


@dataclass(frozen=True)
class Filtered:
    """Forecasts of each draw before it was seen, by member: mean and variance of log sales (n, m), weights (n, m)."""

    state: State
    mean: Array
    variance: Array
    weights: Array
    kept: dict[int, State]
    """States after so many draws, where asked for."""

    def pooled(self) -> tuple[Array, Array]:
        """Return the mean and variance of log sales over the members, shape (n,) each."""
        return pool(self.mean, self.variance, self.weights)


def pool(mean: Array, variance: Array, weights: Array) -> tuple[Array, Array]:
    """Return the mean and variance of a mixture over the last axis."""
    middle = np.sum(weights * mean, axis=-1)
    spread = np.sum(weights * (variance + (mean - middle[..., None]) ** 2), axis=-1)
    return middle, spread


def run(
    log_sales: Array,
    rows: Array,
    trust: Array,
    price_step: Array,
    start: State,
    system: System,
    slopes: slice,
    keep: frozenset[int] = frozenset(),
) -> Filtered:
    """Filter log sales (n,) with regressors (n, p - 2); `trust` (n,) is 1 for a draw to learn from, 0 for one not."""
    n, m = len(log_sales), len(start.variance)
    mean, covariance, variance = start.mean, start.covariance, start.variance
    log_weights, last_error = start.log_weights, start.last_error
    decay = system.decay()
    decay_both = decay[:, :, None] * decay[:, None, :]
    loads = np.column_stack([np.ones((n, 2)), rows])
    forecast, spread, weights = np.empty((n, m)), np.empty((n, m)), np.empty((n, m))
    kept: dict[int, State] = {}
    pending = start.pending_prices
    for t in range(n):
        if t in keep:
            kept[t] = State(mean, covariance, variance, log_weights, last_error, pending)
        pending += float(price_step[t])
        ahead, ahead_covariance = mean * decay, covariance * decay_both + system.drift
        if pending:
            ahead_covariance[:, LEVEL, LEVEL] += pending * PRICE_STEP_SD**2 / variance
        load = loads[t]
        gain = ahead_covariance @ load
        scale = gain @ load + system.white
        spread[t] = scale * variance
        guess = ahead @ load
        negative = np.flatnonzero((ahead[:, slopes] < -1e-9).any(axis=1))
        if len(negative):
            guess[negative] = hold(ahead[negative], ahead_covariance[negative], slopes) @ load
        forecast[t] = guess
        weights[t] = normalised(log_weights)
        if trust[t] <= 0:
            continue
        pending = 0.0
        noise = system.white * (1 / trust[t] - 1) if trust[t] < 1 else 0.0
        error = log_sales[t] - ahead @ load
        scale = scale + noise
        standard = error / np.sqrt(scale * variance)
        clipped = np.clip(standard, -system.clip, system.clip)
        mean = ahead + gain * (clipped * np.sqrt(variance / scale))[:, None]
        covariance = ahead_covariance - gain[:, :, None] * (gain / scale[:, None])[:, None, :]
        broke = (np.abs(standard) > BREAK_AT) & (np.abs(last_error) > BREAK_AT) & (standard * last_error > 0)
        if broke.any():
            covariance[broke, LEVEL, LEVEL] += BREAK_SD**2 / variance[broke]
        last_error = standard
        # A member is judged by Student's t with five degrees of freedom: one wild draw does not choose it.
        z2 = (log_sales[t] - guess) ** 2 / spread[t]
        log_weights = system.forgetting * log_weights - 0.5 * np.log(spread[t]) - 3.0 * np.log1p(z2 / 5.0)
        rate = max(1 - VARIANCE_DISCOUNT, 1 / (t + 20))
        variance = np.maximum(
            variance * (1 + rate * (np.minimum(standard**2, 1.5 * system.clip**2) - 1)), SMALLEST_VARIANCE
        )
    last = State(mean, covariance, variance, log_weights, last_error, pending)
    if n in keep:
        kept[n] = last
    return Filtered(last, forecast, spread, weights, kept)

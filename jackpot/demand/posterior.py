"""Forecasts from draws of uncertain parameters: what every demand model's distribution is made of."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from .base import Array, Demand, Elasticity, lognormal_quantiles
from .calibration import Scale

ENSEMBLE = 384
ENSEMBLE_SEED = 20_260_101
SWEEPS, SWEEP_TOLERANCE = 200, 1e-6


def nonnegative(draws: Array, covariance: Array, index: npt.NDArray[np.intp]) -> Array:
    """Return each of `draws` (m, p) moved to the nearest point whose components `index` are not negative.

    Nearest is by the posterior's own metric, so that a component held at zero moves the others as conditioning would:
    minimise (x - draw)' covariance^-1 (x - draw) over x[index] >= 0, a strictly convex problem, by coordinate descent
    (Hildreth 1957, Naval Research Logistics Quarterly 4(1)). `covariance` is (p, p), or (m, p, p) for one a draw.
    """
    result = draws.copy()
    rows = np.flatnonzero((draws[:, index] < 0).any(axis=1))
    if not len(rows):
        return result
    of_rows = covariance[rows] if covariance.ndim == 3 else np.broadcast_to(covariance, (len(rows), *covariance.shape))
    block = of_rows[:, index[:, None], index]
    wanted = draws[np.ix_(rows, index)]
    precision = np.linalg.inv(block + 1e-12 * np.trace(block, axis1=1, axis2=2)[:, None, None] * np.eye(len(index)))
    found = np.maximum(wanted, 0.0)
    moving = np.arange(len(rows))
    for _ in range(SWEEPS):
        x, target, metric = found[moving], wanted[moving], precision[moving]
        before = x.copy()
        for i in range(len(index)):
            pull = np.einsum("mk,mk->m", metric[:, i], x - target) / metric[:, i, i]
            x[:, i] = np.maximum(x[:, i] - pull, 0.0)
        found[moving] = x
        moving = moving[np.abs(x - before).max(axis=1) > SWEEP_TOLERANCE]
        if not len(moving):
            break
    moved = np.einsum("mkj,mj->mk", precision, found - wanted)
    result[rows] += np.einsum("mpk,mk->mp", of_rows[:, :, index], moved)
    result[np.ix_(rows, index)] = found
    return result


def normal_draws(mean: Array, covariance: Array, size: int, generator: np.random.Generator) -> Array:
    """Return normal draws, shape (size, p), in antithetic pairs, so that their mean is exact."""
    values, vectors = np.linalg.eigh(covariance)
    half = generator.standard_normal(((size + 1) // 2, len(mean)))
    spread = (np.concatenate([half, -half])[:size] * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    drawn: Array = mean + spread
    return drawn


def positive(jackpots: Array) -> Array:
    """Return jackpots as floats; raise InputError where one is not a finite amount above 0."""
    amounts = np.asarray(jackpots, dtype=float)
    bad = amounts[~(np.isfinite(amounts) & (amounts > 0))]
    if len(bad):
        raise InputError(
            Problem(
                "a jackpot cannot be forecast at", field="jackpot", found=str(bad[0]), allowed="a finite amount above 0"
            )
        )
    return amounts


class PosteriorDemand(Demand):
    """A demand whose log sales are known functions of uncertain parameters, plus errors correlated over draws.

    Mean and quantiles average over one fixed ensemble of parameters, each of whose curves never falls, so neither does
    their mean. `scale` widens or narrows the errors to what past forecasts showed.
    """

    scale: Scale = Scale()

    @abstractmethod
    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return draws of the parameters, shape (size, p)."""

    @abstractmethod
    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k), for parameters (m, p)."""

    @abstractmethod
    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return errors of log sales, shape (size, d), before `scale`."""

    @abstractmethod
    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of those errors, shape (d,)."""

    @abstractmethod
    def slopes(self, parameters: Array, jackpots: Array) -> Array:
        """Return d log S / d log J, shape (m, k), for parameters (m, p)."""

    @cached_property
    def ensemble(self) -> Array:
        """Return the draws of parameters behind mean, quantiles and elasticity, shape (ENSEMBLE, p)."""
        return self.parameter_draws(ENSEMBLE, np.random.default_rng(ENSEMBLE_SEED))

    def _errors(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of the scaled errors, shape (d, k)."""
        variance: Array = self.error_variance(dates)[:, None] * self.scale.at(np.log(jackpots)) ** 2
        return variance

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales, shape (d, k): E exp(log S), the lognormal correction of the errors included."""
        at = positive(jackpots)
        logs = self.log_sales(self.ensemble, at, dates)
        mean: Array = np.exp(logs).mean(axis=0) * np.exp(self._errors(at, dates) / 2)
        return mean

    def log_moments(self, jackpots: Array, dates: pd.DatetimeIndex) -> tuple[Array, Array]:
        """Return the mean and variance of log sales, shape (d, k) each."""
        at = positive(jackpots)
        logs = self.log_sales(self.ensemble, at, dates)
        return logs.mean(axis=0), logs.var(axis=0) + self._errors(at, dates)

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k): lognormal by the moments of log sales."""
        return lognormal_quantiles(*self.log_moments(jackpots, dates), q)

    @cached_property
    def _drawn(self) -> dict[tuple[int, int], Array]:
        """The last sample's parameters: who decides asks for the same sample at one set of jackpots after another."""
        return {}

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k); random numbers are shared across jackpots."""
        of_parameters, of_errors = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
        at = positive(jackpots)
        if (samples, seed) not in self._drawn:
            self._drawn.clear()
            self._drawn[samples, seed] = self.parameter_draws(samples, of_parameters)
        logs = self.log_sales(self._drawn[samples, seed], at, dates)
        errors = self.error_draws(dates, samples, of_errors)
        return never_falling(logs + errors[:, :, None] * self.scale.at(np.log(at)), at)

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot with its 90% band."""
        return elasticities(jackpots, self.slopes(self.ensemble, positive(jackpots)))


def never_falling(logs: Array, jackpots: Array) -> Array:
    """Return exp of log sales (m, d, k), never falling in the jackpot where wider errors at large ones made them."""
    order = np.argsort(jackpots, kind="stable")
    sales = np.empty_like(logs)
    sales[..., order] = np.exp(np.maximum.accumulate(logs[..., order], axis=-1))
    return sales


def elasticities(jackpots: Array, slopes: Array) -> list[Elasticity]:
    """Return means and 90% bands of slopes (m, k) at jackpots (k,)."""
    low, high = np.quantile(slopes, [0.05, 0.95], axis=0)
    # Where nearly all slopes are held at zero, the few that are not can lift the mean over the 95% quantile.
    high = np.maximum(high, slopes.mean(axis=0))
    return [
        Elasticity(float(j), float(m), float(a), float(b))
        for j, m, a, b in zip(jackpots, slopes.mean(axis=0), low, high, strict=True)
    ]

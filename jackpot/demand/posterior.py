"""Forecasts from draws of uncertain parameters: what every demand model's distribution is made of."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from .base import Array, Demand

ENSEMBLE = 512
ENSEMBLE_SEED = 20_260_101


def nonnegative(draws: Array, covariance: Array, index: npt.NDArray[np.intp]) -> Array:
    """Return each of `draws` (m, p) moved to the nearest point whose components `index` are not negative.

    Nearest is by the posterior's own metric, so that a component held at zero moves the others as conditioning would:
    minimise (x - draw)' covariance^-1 (x - draw) over x[index] >= 0. A strictly convex problem of few constraints:
    its one active set is found by trying them all (Karush, Kuhn and Tucker).
    """
    result = draws.copy()
    open_rows = np.flatnonzero((draws[:, index] < 0).any(axis=1))
    for size in range(1, len(index) + 1):
        for held in combinations(index.tolist(), size):
            if not len(open_rows):
                return result
            at = np.array(held)
            pull = np.linalg.solve(covariance[np.ix_(at, at)], draws[np.ix_(open_rows, at)].T).T
            moved = draws[open_rows] - pull @ covariance[at]
            moved[:, at] = 0.0
            done = (pull <= 0).all(axis=1) & (moved[:, index] >= 0).all(axis=1)
            result[open_rows[done]] = moved[done]
            open_rows = open_rows[~done]
    result[np.ix_(open_rows, index)] = np.maximum(result[np.ix_(open_rows, index)], 0.0)
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
    their mean. `tail_scale` widens or narrows the errors to what past forecasts showed.
    """

    tail_scale: float = 1.0

    @abstractmethod
    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return draws of the parameters, shape (size, p)."""

    @abstractmethod
    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k), for parameters (m, p)."""

    @abstractmethod
    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return errors of log sales, shape (size, d), before `tail_scale`."""

    @abstractmethod
    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of those errors, shape (d,)."""

    @cached_property
    def ensemble(self) -> Array:
        """Return the draws of parameters behind mean, quantiles and elasticity, shape (ENSEMBLE, p)."""
        return self.parameter_draws(ENSEMBLE, np.random.default_rng(ENSEMBLE_SEED))

    def _scaled_variance(self, dates: pd.DatetimeIndex) -> Array:
        return self.tail_scale**2 * self.error_variance(dates)

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales, shape (d, k): E exp(log S), the lognormal correction of the errors included."""
        logs = self.log_sales(self.ensemble, positive(jackpots), dates)
        mean: Array = np.exp(logs).mean(axis=0) * np.exp(self._scaled_variance(dates) / 2)[:, None]
        return mean

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k): lognormal by the moments of log sales."""
        logs = self.log_sales(self.ensemble, positive(jackpots), dates)
        sd = np.sqrt(logs.var(axis=0) + self._scaled_variance(dates)[:, None])
        z = np.array([NormalDist().inv_cdf(float(level)) for level in q])
        quantiles: Array = np.exp(logs.mean(axis=0) + z[:, None, None] * sd)
        return quantiles

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k); random numbers are shared across jackpots."""
        of_parameters, of_errors = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
        logs = self.log_sales(self.parameter_draws(samples, of_parameters), positive(jackpots), dates)
        errors = self.tail_scale * self.error_draws(dates, samples, of_errors)
        drawn: Array = np.exp(logs + errors[:, :, None])
        return drawn

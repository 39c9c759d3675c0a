"""What a demand model is: sales given a jackpot, as a distribution.

A model's *parameters* come from `fit`; its *state* (level, last errors) is filtered from a history by `condition`, at
each use, so that a registered model never goes stale. Both take histories in the form of `history.contract`; sales
and jackpots are in units of currency, `n` is draws of a history, `d` future draws, `k` jackpots, `m` samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError
from ..market.schema import Market
from .settings import Settings

Array = npt.NDArray[np.float64]
T = TypeVar("T")


def learned(value: T | None) -> T:
    """Return what `fit` learned; raise InputError before it."""
    if value is None:
        raise InputError("the demand model is not fitted: call fit(draws, market) first")
    return value


def lognormal_quantiles(mean: Array, variance: Array, q: Array) -> Array:
    """Return quantiles, shape (len(q), ...), of lognormals by the moments of their logs."""
    z = np.array([NormalDist().inv_cdf(float(level)) for level in q]).reshape(-1, *[1] * mean.ndim)
    quantiles: Array = np.exp(mean + z * np.sqrt(variance))
    return quantiles


@dataclass(frozen=True)
class OneStep:
    """Forecasts of draws of a history, each from the draws before it alone.

    All arrays have shape (n,): `mean` of sales (not exp of the mean of the log), and the median and standard
    deviation of log sales, from which the intervals come; `quantile(q)` gives them in currency.
    """

    mean: Array
    log_median: Array
    log_sd: Array
    tail_scale: Array
    """Calibration of the interval, 1 where the normal form holds; the standard deviation is multiplied by it."""

    @classmethod
    def lognormal(cls, log_median: Array, variance: Array, tail_scale: Array) -> Self:
        """Return lognormal forecasts, (n,), whose mean is that of the calibrated spread."""
        return cls(np.exp(log_median + tail_scale**2 * variance / 2), log_median, np.sqrt(variance), tail_scale)

    def quantile(self, q: float) -> Array:
        """Return the q-quantile of sales, in units of currency, shape (n,)."""
        result: Array = np.exp(self.log_median + NormalDist().inv_cdf(q) * self.log_sd * self.tail_scale)
        return result


@dataclass(frozen=True)
class Ahead:
    """Forecasts of the next draws from several origins, each from the draws before its origin and known jackpots.

    `mean` has shape (o, h), `quantiles` (len(q), o, h), in currency: column j is draw origin + j of the history, NaN
    where the history ends before it.
    """

    mean: Array
    quantiles: Array

    @classmethod
    def lognormal(cls, mean: Array, variance: Array, q: Array) -> Self:
        """Return forecasts by the moments of log sales, (o, h) each."""
        return cls(np.exp(mean + variance / 2), lognormal_quantiles(mean, variance, q))


@dataclass(frozen=True)
class Elasticity:
    """d log S / d log J at one jackpot, with its 90% band."""

    jackpot: float
    mean: float
    low: float
    high: float


class Demand(ABC):
    """A model conditioned on a history: forecasts the draws after it."""

    largest_seen: float
    """The largest jackpot in training; a forecast above it is an extrapolation and says so."""
    last_date: pd.Timestamp | None = None
    """The last draw known; None where there is none, or the demand does not say."""
    draws_seen: int | None = None
    """Ordinary draws behind the forecast; 0: it comes from what other games teach alone. None where not counted."""

    @abstractmethod
    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales, shape (d, k): the draw on each date (ascending) at each jackpot. Never falls in J."""

    @abstractmethod
    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k), ordered in q."""

    @abstractmethod
    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k).

        Random numbers are shared across jackpots (and errors correlate over draws), so that a sample is one possible
        market: the uncertainty of the elasticity itself is in it.
        """

    @abstractmethod
    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot with its 90% band."""

    def kept(self) -> Mapping[str, Array] | None:
        """Return all that `DemandModel.restore` needs, as arrays; None where it must be conditioned anew."""
        return None


class DemandModel(ABC):
    """An estimator in the manner of scikit-learn: `fit` learns parameters and returns self."""

    name: ClassVar[str]
    """The name in market files and records."""
    settings: Settings = Settings()
    """What it may be tuned by; a model that has no settings keeps the default's."""

    @classmethod
    def tuned(cls, settings: Settings) -> Self:
        """Return an unfitted model with these settings; raise InputError where it has none and they differ."""
        if settings.changed:
            raise InputError(f"the demand model {cls.name} has no settings to tune")
        return cls()

    @abstractmethod
    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Learn the parameters from a history; raise InputError where it is too short or has no variation to use."""

    @abstractmethod
    def condition(self, draws: pd.DataFrame, market: Market) -> Demand:
        """Filter the state from a history (which may be longer than the one fitted) and return what forecasts."""

    @abstractmethod
    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one, each from the state after the draw before it, at its known jackpot."""

    def restore(self, kept: Mapping[str, Array], market: Market) -> Demand:
        """Return the demand that gave `Demand.kept`, without its history; raise KeyError where it is none's."""
        raise KeyError(f"{self.name} keeps no state")

    def ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int, q: Array
    ) -> Ahead:
        """Forecast `horizon` draws after each origin (draws[:origin] are known), at their known jackpots and dates.

        A model that keeps its state after every draw can do better than this: one filtering of the history an origin.
        """
        jackpots, dates = draws["jackpot"].to_numpy(float), pd.DatetimeIndex(draws["draw_date"])
        mean = np.full((len(origins), horizon), np.nan)
        quantiles = np.full((len(q), len(origins), horizon), np.nan)
        for row, origin in enumerate(origins):
            demand = self.condition(draws.iloc[:origin], market)
            coming = slice(int(origin), min(int(origin) + horizon, len(draws)))
            at = np.arange(coming.stop - coming.start)
            mean[row, at] = demand.mean(jackpots[coming], dates[coming])[at, at]
            if len(q):
                quantiles[:, row, at] = demand.quantiles(jackpots[coming], dates[coming], q)[:, at, at]
        return Ahead(mean, quantiles)

    @abstractmethod
    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs: scalars for JSON and arrays for npz. No pickle, ever."""

    @classmethod
    @abstractmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model."""

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return what a person wants to know about the fit: figures by name, ready for JSON and for MLflow."""

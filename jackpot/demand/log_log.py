"""`log_log_ols`: constant elasticity by least squares, log S = a + b log J. The usual baseline of the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ..errors import InputError
from ..market.schema import Market
from .base import Array, DemandModel, OneStep, learned
from .calibration import Scale, tail_factor
from .common import check_history, ordinary, significant
from .posterior import PosteriorDemand, nonnegative, normal_draws

PRIOR_ELASTICITY_SD = 1.0
"""Spread of the elasticity where the jackpot never varied and nothing can be learned of it."""
SMALLEST_SD = 1e-3


class LogLogDemand(PosteriorDemand):
    """Log sales are a + b (log J - centre) + e, with e independent over draws; the same on every date."""

    def __init__(self, centre: float, coefficients: Array, covariance: Array, sd: float, tail: float, largest: float):
        self.centre, self.coefficients, self.covariance, self.sd = centre, coefficients, covariance, sd
        self.scale, self.largest_seen = Scale(tail, tail), largest

    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return draws of (a, b), b not negative, shape (size, 2)."""
        draws = normal_draws(self.coefficients, self.covariance, size, generator)
        return nonnegative(draws, self.covariance, np.array([1]))

    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k)."""
        logs = parameters[:, :1] + parameters[:, 1:] * (np.log(jackpots) - self.centre)
        return np.repeat(logs[:, None, :], len(dates), axis=1)

    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of the errors, shape (d,)."""
        return np.full(len(dates), self.sd**2)

    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return independent errors, shape (size, d)."""
        return self.sd * generator.standard_normal((size, len(dates)))

    def slopes(self, parameters: Array, jackpots: Array) -> Array:
        """Return the one elasticity, shape (m, k)."""
        return np.repeat(parameters[:, 1:2], len(jackpots), axis=1)


class LogLogModel(DemandModel):
    """Ordinary least squares of log sales on log jackpot, over all ordinary draws alike."""

    name: ClassVar[str] = "log_log_ols"

    def __init__(self, scalars: Mapping[str, float] | None = None, covariance: Array | None = None) -> None:
        self._scalars, self._covariance = scalars, covariance

    def _fitted(self) -> tuple[Mapping[str, float], Array]:
        return learned(self._scalars), learned(self._covariance)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Learn a, b and the spread of the errors; raise InputError where fewer than 10 ordinary draws are given."""
        check_history(draws)
        usual = draws[ordinary(draws)]
        y, x = np.log(usual["sales"].to_numpy(float)), np.log(usual["jackpot"].to_numpy(float))
        n, centre, spread = len(x), float(x.mean()), float(np.sum((x - x.mean()) ** 2))
        varied = spread > 1e-9
        b = max(float(np.sum((x - centre) * y)) / spread, 0.0) if varied else 0.0
        residual = y - y.mean() - b * (x - centre)
        sd = max(float(np.sqrt(np.sum(residual**2) / (n - 2))), SMALLEST_SD)
        self._covariance = significant(np.diag([sd**2 / n, sd**2 / spread if varied else PRIOR_ELASTICITY_SD**2]))
        figures = significant([y.mean(), b, centre, sd, tail_factor(residual / sd)])
        self._scalars = dict(zip(("a", "b", "centre", "sd", "tail"), figures.tolist(), strict=True))
        return self

    def condition(self, draws: pd.DataFrame, market: Market) -> LogLogDemand:
        """Return what forecasts: there is no state to filter."""
        check_history(draws)
        s, covariance = self._fitted()
        largest = float(draws.loc[ordinary(draws), "jackpot"].max())
        return LogLogDemand(s["centre"], np.array([s["a"], s["b"]]), covariance, s["sd"], s["tail"], largest)

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:], each by least squares on all ordinary draws before it."""
        check_history(draws.iloc[:first])
        weight = ordinary(draws).astype(float)
        y, x = np.log(draws["sales"].to_numpy(float)), np.log(draws["jackpot"].to_numpy(float))
        x = x - x[:first].mean()  # for the sums' precision alone
        y0 = y[:first].mean()
        z = y - y0

        def before(values: Array) -> Array:
            total: Array = np.cumsum(values * weight)[first - 1 : -1]
            return total

        n, sx, sy = before(np.ones_like(x)), before(x), before(z)
        sxx, sxy, syy = before(x * x) - sx**2 / n, before(x * z) - sx * sy / n, before(z * z) - sy**2 / n
        varied = sxx > 1e-9
        safe = np.where(varied, sxx, 1.0)
        b = np.where(varied, np.maximum(sxy / safe, 0.0), 0.0)
        s2 = np.maximum((syy - 2 * b * sxy + b**2 * sxx) / (n - 2), SMALLEST_SD**2)
        off = x[first:] - sx / n
        log_median = y0 + sy / n + b * off
        variance = s2 * (1 + 1 / n) + np.where(varied, s2 / safe, PRIOR_ELASTICITY_SD**2) * off**2
        scale = np.full(len(b), self._fitted()[0]["tail"])
        mean = np.exp(log_median + s2 * scale**2 / 2)
        return OneStep(mean, log_median, np.sqrt(variance), scale)

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        scalars, covariance = self._fitted()
        return dict(scalars), {"covariance": covariance}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model; raise InputError where the parameters are not those of a regression."""
        if arrays["covariance"].shape != (2, 2):
            raise InputError(f"the covariance has shape {arrays['covariance'].shape}, not (2, 2)")
        return cls({key: float(scalars[key]) for key in ("a", "b", "centre", "sd", "tail")}, arrays["covariance"])

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        scalars, covariance = self._fitted()
        return {"elasticity": scalars["b"], "elasticity_sd": float(np.sqrt(covariance[1, 1])), "log_sd": scalars["sd"]}

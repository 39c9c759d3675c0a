"""`naive` and `seasonal_naive`: sales will be what they last were, or what they last were on that weekday.

The naive forecasts of Hyndman and Athanasopoulos 2021, Forecasting: Principles and Practice, 5.2: what any model must
beat. The season is the week: the forecast is the last ordinary draw on the same weekday, whenever it was, and the last
ordinary draw of all on a weekday never seen. Neither looks at the jackpot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ..market.schema import Market
from .base import Array, DemandModel, OneStep, learned
from .calibration import Scale, tail_factor
from .common import check_history, ordinary, significant
from .posterior import PosteriorDemand

SMALLEST_SD = 1e-3


def _slots(dates: pd.DatetimeIndex, seasonal: bool) -> list[int]:
    return [int(day) for day in dates.dayofweek] if seasonal else [0] * len(dates)


def _last_seen(draws: pd.DataFrame, seasonal: bool) -> tuple[Array, dict[int, float], float]:
    """Return each draw's naive forecast (n,), NaN for the first, then the last sales by slot and of all."""
    by_slot: dict[int, float] = {}
    last, forecasts = float("nan"), []
    slots = _slots(pd.DatetimeIndex(draws["draw_date"]), seasonal)
    for slot, sales, learn in zip(slots, draws["sales"].tolist(), ordinary(draws).tolist(), strict=True):
        forecasts.append(by_slot.get(slot, last))
        if learn:
            by_slot[slot] = last = float(sales)
    return np.array(forecasts), by_slot, last


class NaiveDemand(PosteriorDemand):
    """The last sales, at any jackpot, with an error that grows as a random walk's."""

    def __init__(
        self, seasonal: bool, by_slot: Mapping[int, float], last: float, sd: float, tail: float, largest: float
    ):
        self.seasonal, self.by_slot, self.last, self.sd = seasonal, by_slot, last, sd
        self.scale, self.largest_seen = Scale(tail, tail), largest

    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return no parameters: none is uncertain."""
        return np.zeros((size, 0))

    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return the medians' logs, shape (m, d, k): such that the mean is the last sales."""
        sales = np.array([self.by_slot.get(slot, self.last) for slot in _slots(dates, self.seasonal)])
        medians = np.log(sales) - self.scale.usual**2 * self.error_variance(dates) / 2
        return np.broadcast_to(medians[None, :, None], (len(parameters), len(dates), len(jackpots)))

    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of the errors, shape (d,)."""
        variance: Array = self.sd**2 * np.arange(1.0, len(dates) + 1)
        return variance

    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return random walks, shape (size, d)."""
        walks: Array = np.cumsum(self.sd * generator.standard_normal((size, len(dates))), axis=1)
        return walks

    def slopes(self, parameters: Array, jackpots: Array) -> Array:
        """Return nought, shape (m, k): the jackpot plays no part."""
        return np.zeros((len(parameters), len(jackpots)))


class NaiveModel(DemandModel):
    """Sales will be those of the last ordinary draw."""

    name: ClassVar[str] = "naive"
    seasonal: ClassVar[bool] = False

    def __init__(self, scalars: Mapping[str, float] | None = None) -> None:
        self._scalars = scalars

    def _fitted(self) -> Mapping[str, float]:
        return learned(self._scalars)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Learn the spread of past naive errors; raise InputError where fewer than 10 ordinary draws are given."""
        check_history(draws)
        forecasts, _, _ = _last_seen(draws, self.seasonal)
        errors = (np.log(draws["sales"].to_numpy(float)) - np.log(forecasts))[ordinary(draws)]
        errors = errors[np.isfinite(errors)]
        sd = max(float(np.sqrt(np.mean(errors**2))), SMALLEST_SD)
        figures = significant([sd, tail_factor(errors / sd)])
        self._scalars = dict(zip(("sd", "tail"), figures.tolist(), strict=True))
        return self

    def condition(self, draws: pd.DataFrame, market: Market) -> NaiveDemand:
        """Return what forecasts from the last sales of a history."""
        check_history(draws)
        fitted = self._fitted()
        _, by_slot, last = _last_seen(draws, self.seasonal)
        largest = float(draws.loc[ordinary(draws), "jackpot"].max())
        return NaiveDemand(self.seasonal, by_slot, last, fitted["sd"], fitted["tail"], largest)

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] by the sales last seen before each."""
        check_history(draws.iloc[:first])
        fitted = self._fitted()
        mean = _last_seen(draws, self.seasonal)[0][first:]
        sd = np.full(len(mean), fitted["sd"])
        log_median = np.log(mean) - (fitted["sd"] * fitted["tail"]) ** 2 / 2
        return OneStep(mean, log_median, sd, np.full(len(mean), fitted["tail"]))

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        return dict(self._fitted()), {}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model."""
        return cls({key: float(scalars[key]) for key in ("sd", "tail")})

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        return {"log_sd": self._fitted()["sd"]}


class SeasonalNaiveModel(NaiveModel):
    """Sales will be those of the last ordinary draw on the same weekday."""

    name: ClassVar[str] = "seasonal_naive"
    seasonal: ClassVar[bool] = True

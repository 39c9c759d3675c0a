"""The same errors in parts: by jackpot, price, season and weekday. A good mean may hide a bad part."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..demand.base import Array
from ..market.schema import Market
from ..records import JackpotSlice, Slice
from .calibration import coverage_p_values
from .forecasts import Forecasts
from .scores import error_and_interval

MOST_JACKPOT_SLICES: Final = 10
DRAWS_A_SLICE: Final = 10
QUARTERS: Final = ("January to March", "April to June", "July to September", "October to December")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def slice_figures(name: str, forecasts: Forecasts) -> dict[str, Any]:
    """Return the fields of a Slice over forecasts (n,), n > 0."""
    low, high = coverage_p_values(forecasts.inside(0.9))
    return {
        "name": name,
        "n": len(forecasts),
        **error_and_interval(forecasts),
        "coverage_p_value": low,
        "coverage_high_p_value": high,
    }


def by_jackpot(forecasts: Forecasts, jackpots: Array) -> tuple[JackpotSlice, ...]:
    """Return the errors by tenth of the jackpot, smallest first; equal jackpots stay together."""
    parts = int(np.clip(len(forecasts) // DRAWS_A_SLICE, 1, MOST_JACKPOT_SLICES))
    inner = np.unique(np.quantile(jackpots, np.arange(1, parts) / parts))
    place = np.searchsorted(inner, jackpots, side="left")
    groups = [np.flatnonzero(place == at) for at in np.unique(place)]
    return tuple(
        JackpotSlice(
            **slice_figures(f"part {number} of {len(groups)}", forecasts[group]),
            smallest_jackpot=float(jackpots[group].min()),
            largest_jackpot=float(jackpots[group].max()),
        )
        for number, group in enumerate(groups, 1)
    )


def _by(forecasts: Forecasts, place: npt.NDArray[np.intp], names: list[str]) -> tuple[Slice, ...]:
    return tuple(Slice(**slice_figures(names[at], forecasts[place == at])) for at in np.unique(place))


def by_price(forecasts: Forecasts, dates: pd.DatetimeIndex, market: Market) -> tuple[Slice, ...]:
    """Return the errors by price regime, earliest first."""
    starts = pd.DatetimeIndex([regime.starts for regime in market.prices])
    place = np.maximum(np.searchsorted(starts, dates, side="right") - 1, 0)
    return _by(forecasts, place, [f"{regime.price:g} from {regime.starts}" for regime in market.prices])


def by_quarter(forecasts: Forecasts, dates: pd.DatetimeIndex) -> tuple[Slice, ...]:
    """Return the errors by quarter of the year."""
    return _by(forecasts, dates.quarter.to_numpy() - 1, list(QUARTERS))


def by_weekday(forecasts: Forecasts, dates: pd.DatetimeIndex) -> tuple[Slice, ...]:
    """Return the errors by day of the week."""
    return _by(forecasts, dates.dayofweek.to_numpy(), list(WEEKDAYS))

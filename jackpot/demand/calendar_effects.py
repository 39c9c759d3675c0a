"""What a date alone says of sales: holidays by country, the month's course (paydays), specials ahead and behind.

Holidays are those of the `holidays` package, looked up when a model is fitted and kept with it as day numbers, so that
a stored model forecasts without the package and alike with any later edition of it.
"""

from __future__ import annotations

from calendar import isleap
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import Market
from .base import Array

YEARS_AHEAD = 10
"""Holidays are kept for so many years after the last draw; a model in use is fitted anew long before."""
AHEAD_DAYS, BEHIND_DAYS = 10.0, 5.0
MONTH_TERMS = 2
"""Fourier terms of the day of the month: wages are paid at its turn, by the fifth working day or on the last."""
OCCASIONS = 5
"""Effects of holidays and specials; they stand first, before the month's waves."""
SIZE = OCCASIONS + 2 * MONTH_TERMS


def holiday_days(market: Market, first: date, last: date) -> Array:
    """Return the public holidays of the market's country as proleptic day numbers, ascending; none where unknown."""
    import holidays

    years = range(first.year - 1, last.year + YEARS_AHEAD + 1)
    try:
        found = holidays.country_holidays(market.country, years=years)
    except NotImplementedError:
        return np.zeros(0)
    return np.array(sorted(day.toordinal() for day in found), dtype=float)


def ordinals(dates: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return dates as proleptic day numbers, those of `date.toordinal`."""
    days: npt.NDArray[np.int64] = (dates.to_numpy().astype("datetime64[D]").astype(np.int64)) + 719_163
    return days


def special_days(market: Market, dates: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return the days of the market's specials from a year before the first of `dates` to a year after the last."""
    if not len(dates):
        return np.zeros(0, dtype=np.int64)
    found = []
    for special in market.calendar.specials:
        if special.date is not None:
            found.append(special.date.toordinal())
            continue
        month, day = (int(part) for part in str(special.month_day).split("-"))
        found += [
            date(year, month, day).toordinal()
            for year in range(dates[0].year - 1, dates[-1].year + 2)
            if (month, day) != (2, 29) or isleap(year)
        ]
    return np.array(sorted(found), dtype=np.int64)


def calendar_effects(dates: pd.DatetimeIndex, gaps: Array, holidays: Array, market: Market) -> Array:
    """Return regressors of draws, shape (n, SIZE).

    Whether the draw is on a holiday, on the eve of one, how many fell since the draw before; how near a special is
    (its own sales compete for weeks) and how recent; the Fourier terms of the day of the month.
    """
    days = ordinals(dates)

    def until(day: npt.NDArray[np.int64] | Array) -> npt.NDArray[np.intp]:
        return np.searchsorted(holidays, day, side="right")

    on, eve = until(days) - until(days - 1), until(days + 1) - until(days)
    within = until(days - 1) - until(days - np.floor(gaps))
    specials = special_days(market, dates)
    ahead, behind = np.zeros(len(dates)), np.zeros(len(dates))
    if len(specials):
        place = np.searchsorted(specials, days, side="left")
        left = specials[np.minimum(place, len(specials) - 1)] - days
        ahead = np.where((place < len(specials)) & (left > 0), np.exp(-np.abs(left) / AHEAD_DAYS), 0.0)
        gone = days - specials[np.maximum(place - 1, 0)]
        behind = np.where(place > 0, np.exp(-np.maximum(gone, 0) / BEHIND_DAYS), 0.0)
    phase = 2 * np.pi * (dates.day.to_numpy() - 1) / dates.days_in_month.to_numpy()
    month = [wave(order * phase) for order in range(1, MONTH_TERMS + 1) for wave in (np.cos, np.sin)]
    return np.column_stack([np.minimum(on, 1), np.minimum(eve, 1), within, ahead, behind, *month])

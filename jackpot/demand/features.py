"""What sales are explained by: a monotone curve of the log jackpot, weekday, days since the last draw, season.

A row depends on its own date and jackpot and on the date of the draw before it, on nothing later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import Market
from .base import Array

KNOT_QUANTILES = (0.0, 1 / 3, 2 / 3, 1.0)
SMALLEST_KNOT_GAP = 0.05
LONGEST_GAP_DAYS = 14.0
FOURIER_TERMS = 2


def knots(log_jackpots: Array) -> Array:
    """Return the knots of the curve, at quantiles of log jackpots (n,); one knot where they hardly vary."""
    found = [float(np.min(log_jackpots))]
    for knot in np.quantile(log_jackpots, KNOT_QUANTILES[1:]):
        if knot - found[-1] >= SMALLEST_KNOT_GAP:
            found.append(float(knot))
    return np.array(found)


def slope_basis(log_jackpots: Array, at: Array) -> Array:
    """Return hat functions (n, knots): the curve's slope is linear between the knots and constant beyond them."""
    return np.column_stack([np.interp(log_jackpots, at, unit) for unit in np.eye(len(at))])


def curve_basis(log_jackpots: Array, at: Array) -> Array:
    """Return the integrals of the hat functions from the first knot on, shape (n, knots).

    These are quadratic I-splines (Ramsay 1988, Statistical Science 3(4)): a curve with coefficients c has slope c[i]
    at knot i, so it never falls if and only if no c[i] is negative, and beyond the end knots it is linear.
    """
    inside = np.clip(log_jackpots, at[0], at[-1])
    basis = np.zeros((len(inside), len(at)))
    for i, width in enumerate(np.diff(at)):
        way = np.clip(inside - at[i], 0.0, width)
        basis[:, i] += way - way**2 / (2 * width)
        basis[:, i + 1] += way**2 / (2 * width)
    basis[:, 0] += np.minimum(log_jackpots - at[0], 0.0)
    basis[:, -1] += np.maximum(log_jackpots - at[-1], 0.0)
    return basis


def gap_days(dates: pd.DatetimeIndex, previous: pd.Timestamp | None) -> Array:
    """Return the days since the draw before, shape (n,), between 1 and 14; 3 for the first draw of all."""
    days = np.diff(dates.to_numpy()) / np.timedelta64(1, "D")
    first = (dates[0] - previous) / pd.Timedelta(days=1) if previous is not None else 3.0
    gaps: Array = np.clip(np.concatenate([[first], days]), 1.0, LONGEST_GAP_DAYS)
    return gaps


def calendar(dates: pd.DatetimeIndex, gaps: Array) -> Array:
    """Return what depends on the date alone, shape (n, 12): seven weekdays, log gap, Fourier terms of the year."""
    weekday = np.eye(7)[dates.dayofweek.to_numpy()]
    phase = 2 * np.pi * dates.dayofyear.to_numpy() / 365.25
    season = [wave(order * phase) for order in range(1, FOURIER_TERMS + 1) for wave in (np.cos, np.sin)]
    return np.column_stack([weekday, np.log(gaps), *season])


CALENDAR_SIZE = 7 + 1 + 2 * FOURIER_TERMS


@dataclass(frozen=True)
class Design:
    """The regressors of a market: the curve about a reference jackpot, its product with log gap, the calendar."""

    knots: Array
    reference: float
    """Log of the jackpot at which the curve is nil."""

    @property
    def curve_size(self) -> int:
        """Number of coefficients that may not be negative: a slope at each knot, and what a longer gap adds to it."""
        return len(self.knots) + 1

    def curve(self, log_jackpots: Array) -> Array:
        """Return the curve's regressors, shape (n, knots)."""
        return curve_basis(log_jackpots, self.knots) - curve_basis(np.array([self.reference]), self.knots)

    def rows(self, log_jackpots: Array, dates: pd.DatetimeIndex, gaps: Array) -> Array:
        """Return all regressors of draws, shape (n, curve_size + CALENDAR_SIZE)."""
        by_gap = np.log(gaps) * (log_jackpots - self.reference)
        return np.column_stack([self.curve(log_jackpots), by_gap, calendar(dates, gaps)])


def special_names(dates: pd.DatetimeIndex, market: Market) -> list[str]:
    """Return for each date the name of the market's special draw, empty for an ordinary one."""
    yearly = {special.month_day: special.name for special in market.calendar.specials if special.month_day}
    once = {special.date: special.name for special in market.calendar.specials if special.date}
    return [once.get(day.date(), yearly.get(day.strftime("%m-%d"), "")) for day in dates]


def price_steps(dates: pd.DatetimeIndex, market: Market, previous: pd.Timestamp | None) -> npt.NDArray[np.bool_]:
    """Return whether the price of a ticket differs from that of the draw before, shape (n,)."""
    prices = np.array([market.price_on(day.date()) for day in dates])
    before = prices[:1] if previous is None else np.array([market.price_on(previous.date())])
    changed: npt.NDArray[np.bool_] = np.diff(prices, prepend=before) != 0
    return changed

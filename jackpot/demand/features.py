"""What sales are explained by: a monotone curve of the log jackpot, calendar, what past jackpots leave, and drivers.

A row depends on its own date and jackpot and on the draws before it, on nothing later.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..market.schema import Market
from . import calendar_effects, memory
from .base import Array
from .calendar_effects import holiday_days
from .common import ordinary, significant
from .drivers import Drivers
from .kalman import PRICE_STEP_SD

KNOT_QUANTILES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
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
    if not len(dates):
        return np.zeros(0)
    days = np.diff(dates.to_numpy()) / np.timedelta64(1, "D")
    first = (dates[0] - previous) / pd.Timedelta(days=1) if previous is not None else 3.0
    gaps: Array = np.clip(np.concatenate([[first], days]), 1.0, LONGEST_GAP_DAYS)
    return gaps


def season(dates: pd.DatetimeIndex) -> Array:
    """Return the Fourier terms of the year, shape (n, 4)."""
    phase = 2 * np.pi * dates.dayofyear.to_numpy() / 365.25
    return np.column_stack([wave(order * phase) for order in range(1, FOURIER_TERMS + 1) for wave in (np.cos, np.sin)])


@dataclass(frozen=True)
class Design:
    """The regressors of a market: the curve about a reference jackpot, more of it by weekday, and all the rest."""

    knots: Array
    reference: float
    """Log of the jackpot at which the curve is nil."""
    holidays: Array
    """Public holidays as day numbers."""
    drivers: Drivers = field(default_factory=lambda: Drivers({}))

    @classmethod
    def learn(cls, draws: pd.DataFrame, market: Market) -> Design:
        """Return the design of a history; of one without draws, that of jackpots from start to ten times it."""
        logs = np.log(draws["jackpot"].to_numpy(float)[ordinary(draws)])
        if not len(logs):
            logs = np.log(market.jackpot.start) + np.linspace(0.0, np.log(10.0), 5)
        dates = pd.DatetimeIndex(draws["draw_date"])
        first, last = (dates[0], dates[-1]) if len(dates) else (pd.Timestamp(market.prices[0].starts),) * 2
        reference = float(significant(np.median(logs)))
        holidays = holiday_days(market, first.date(), last.date())
        return cls(significant(knots(logs)), reference, holidays, Drivers.learn(draws))

    @property
    def groups(self) -> dict[str, slice]:
        """Return where the coefficients of each group of regressors stand among all of them."""
        sizes = {"slope": len(self.knots), "slope_by_weekday": 7, "weekday": 7, "gap": 1, "season": 2 * FOURIER_TERMS}
        sizes |= {"calendar": calendar_effects.SIZE, "memory": memory.SIZE, "drivers": len(self.drivers.scales)}
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    @property
    def dated(self) -> slice:
        """Where the coefficients of what a date alone says stand: `by_date`, from weekday to calendar."""
        return slice(self.groups["weekday"].start, self.groups["calendar"].stop)

    @property
    def curve_size(self) -> int:
        """Number of coefficients that may not be negative: a slope at each knot, and what a weekday adds to it."""
        return len(self.knots) + 7

    def curve(self, log_jackpots: Array) -> Array:
        """Return the curve's regressors, shape (n, knots)."""
        return curve_basis(log_jackpots, self.knots) - curve_basis(np.array([self.reference]), self.knots)

    def by_date(self, dates: pd.DatetimeIndex, gaps: Array, market: Market) -> Array:
        """Return the regressors that depend on the date alone, shape (n, 7 + 1 + season + calendar)."""
        effects = calendar_effects.calendar_effects(dates, gaps, self.holidays, market)
        return np.column_stack([weekdays(dates), np.log(gaps), season(dates), effects])

    def rows(self, draws: pd.DataFrame, market: Market) -> Array:
        """Return all regressors of the draws of a history, shape (n, q), each from what is known before its sales."""
        dates = pd.DatetimeIndex(draws["draw_date"])
        logs = np.log(draws["jackpot"].to_numpy(float))
        past = memory.remember(logs - self.reference, memory.wins(draws))[:-1]
        by_weekday = weekdays(dates) * (logs - self.reference)[:, None]
        remembered = np.array([one.row() for one in past]).reshape(len(dates), memory.SIZE)
        by_date = self.by_date(dates, gap_days(dates, None), market)
        return np.column_stack([self.curve(logs), by_weekday, by_date, remembered, self.drivers.rows(draws)])


def weekdays(dates: pd.DatetimeIndex) -> Array:
    """Return one column a weekday, shape (n, 7)."""
    columns: Array = np.eye(7)[dates.dayofweek.to_numpy()]
    return columns


def special_names(dates: pd.DatetimeIndex, market: Market) -> list[str]:
    """Return for each date the name of the market's special draw, empty for an ordinary one."""
    yearly = {special.month_day: special.name for special in market.calendar.specials if special.month_day}
    once = {special.date: special.name for special in market.calendar.specials if special.date}
    return [once.get(day.date(), yearly.get(day.strftime("%m-%d"), "")) for day in dates]


def price_steps(dates: pd.DatetimeIndex, market: Market, previous: pd.Timestamp | None) -> Array:
    """Return how unsure the ticket's price makes the level, shape (n,), as a multiple of the variance PRICE_STEP_SD**2.

    0 where the price is that of the draw before, 1 where it is another; beyond a third more or less, half the change's
    log is the standard deviation: players may buy as many tickets as before, or spend as much, or neither.
    """
    prices = np.array([market.price_on(day.date()) for day in dates])
    before = prices[:1] if previous is None else np.array([market.price_on(previous.date())])
    change = np.abs(np.diff(np.log(prices), prepend=np.log(before)))
    steps: Array = np.where(change > 0, np.maximum(1.0, (change / 2 / PRICE_STEP_SD) ** 2), 0.0)
    return steps

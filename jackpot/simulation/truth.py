"""The truth of a simulated market: what sales respond to, known exactly."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..market.calendar import is_special
from ..market.schema import WEEKDAYS, Market, Simulation

Array = npt.NDArray[np.float64]

PRICE_ELASTICITY_OF_STAKES = 0.4
"""Stakes rise by 0.4% where a ticket gets 1% dearer: tickets fall by 0.6%, inside the range that Farrell, Hartley,
Lanot and Walker (2000) and Gulley and Scott (1993) found."""


def simulation_of(market: Market) -> Simulation:
    """Return the market's simulation section; raise InputError where it has none."""
    if market.simulation is None:
        raise InputError(
            Problem("the market file has no `simulation` section, so there is nothing to simulate", market.market)
        )
    return market.simulation


class Truth:
    """Mean sales of a simulated market as a function of jackpot and date.

    log mean sales = log(mean_sales) + f(log J) + season + weekday + price + breaks + special. f is zero at the
    reference jackpot, and its slope, the elasticity, rises from `elasticity_low` at the start jackpot to
    `elasticity_high` at ten times the reference as 3 t^2 - 2 t^3 of the way t in log J: convex in the logs, with a
    continuous slope that is constant outside. Stakes are mean_sales at the price of the simulation's first day.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.simulation = simulation_of(market)
        self._end = math.log(10 * self.simulation.reference_jackpot)
        self._width = max(self._end - math.log(market.jackpot.start), 1e-9)
        self._at_reference = float(self._integral(np.log(np.float64(self.simulation.reference_jackpot))))
        self._first_price = market.price_on(self.simulation.starts)

    def elasticity(self, jackpot: npt.ArrayLike) -> Array:
        """Return d log S / d log J at jackpots > 0, in their shape."""
        t = self._way(np.log(np.asarray(jackpot, dtype=np.float64)))
        low, high = self.simulation.elasticity_low, self.simulation.elasticity_high
        return np.asarray(low + (high - low) * t**2 * (3 - 2 * t), dtype=np.float64)

    def response(self, jackpot: npt.ArrayLike) -> Array:
        """Return f(log J), the log of sales at jackpots > 0 over sales at the reference jackpot, in their shape."""
        return self._integral(np.log(np.asarray(jackpot, dtype=np.float64))) - self._at_reference

    def log_calendar(self, dates: Sequence[dt.date]) -> Array:
        """Return log mean sales at the reference jackpot, shape (len(dates),)."""
        return np.array([self._log_calendar(date) for date in dates], dtype=np.float64)

    def log_mean_sales(self, jackpot: npt.ArrayLike, date: dt.date) -> Array:
        """Return the log of mean sales of the draw on `date` at jackpots > 0, in their shape.

        Without the random level, whose logarithm starts at zero: sales are exp of this times two factors of mean one.
        """
        return self.response(jackpot) + self._log_calendar(date)

    def _way(self, log_jackpot: Array) -> Array:
        return np.clip(1 - (self._end - log_jackpot) / self._width, 0.0, 1.0)

    def _integral(self, log_jackpot: Array) -> Array:
        """Return the integral of the elasticity over log J, up to a constant."""
        t = self._way(log_jackpot)
        low, high = self.simulation.elasticity_low, self.simulation.elasticity_high
        risen = self._width * (t**3 - t**4 / 2) + np.maximum(log_jackpot - self._end, 0.0)
        return np.asarray(low * log_jackpot + (high - low) * risen, dtype=np.float64)

    def _log_calendar(self, date: dt.date) -> float:
        simulation = self.simulation
        year_day = date.timetuple().tm_yday - 1
        effects = [
            math.log(simulation.mean_sales),
            simulation.season_amplitude * math.cos(2 * math.pi * year_day / 365.25),
            simulation.weekday_effects.get(WEEKDAYS[date.weekday()], 0.0),
            PRICE_ELASTICITY_OF_STAKES * math.log(self.market.price_on(date) / self._first_price),
            *(change.log_change for change in simulation.breaks if change.date <= date),
        ]
        if is_special(self.market, date):
            effects.append(math.log(simulation.special_multiple))
        return math.fsum(effects)

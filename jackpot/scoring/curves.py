"""Forecasts of very many rows: each date's demand curve is tabled once, and a row is a polynomial of its log jackpot.

Mean, quantiles and elasticity of the state-space models are smooth in the log jackpot between the knots of the curve
and of the interval's calibration. There they are interpolated at Chebyshev points (Trefethen 2013, Approximation
Theory and Approximation Practice, ch. 8), in pieces halved until the polynomial agrees with the model. A forecast here
is the model's own to TOLERANCE, relative; where a curve is not smooth the model itself answers. For a few questions at
levels of their own, `draw_curve` is ready sooner; from it come the tables of days that are no draws of the calendar.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..demand.base import Array, Demand
from ..demand.state_space import StateSpaceDemand
from .draw_curve import AskedCurve, Curve, QuadraticCurve, parts_of

TOLERANCE: Final = 1e-10
"""Largest relative difference of a mean or quantile, and absolute one of an elasticity, from the model's own."""
DEGREE: Final = 9
PIECES: Final = 64
"""With so many pieces a curve is called not smooth."""
BELOW, ABOVE = 5.0, 2.5
"""Log jackpots tabled, about the largest jackpot seen: from 148 times smaller to 12 times larger."""
BLOCK: Final = 8192
"""Rows at a time, and cells asked of the model at once, so that they stay in the processor's cache."""
UNKNOWN, BY_MODEL = -1, -2
EPOCH: Final = dt.date(1970, 1, 1).toordinal()

Days = npt.NDArray[np.int32]
_T: Final = np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
_TO_POWERS: Final = np.linalg.inv(np.vander(_T, increasing=True))
BETWEEN: Final = 0.07
"""Where in a piece, from -1 to 1, a polynomial is compared with its function."""


@dataclass(frozen=True)
class Columns:
    """Forecasts of n rows: sales in units of currency, shape (n,); `quantiles` has shape (len(q), n)."""

    mean: Array
    quantiles: Array
    elasticity: Array
    extrapolated: npt.NDArray[np.bool_]


class Curves:
    """A conditioned demand model as tables of polynomials: those of the calendar's draws made at first use.

    A row is the forecast of the draw on its date, at its jackpot, with the market's draws before it taking place by
    the calendar. `calendar` are the draws that can be asked for, ascending; other days are taken for draws of their
    own, between those.
    """

    def __init__(self, demand: Demand, q: Array, calendar: pd.DatetimeIndex) -> None:
        self.demand, self.q, self._calendar = demand, q, calendar
        self._calendar_days = calendar.to_numpy().astype("datetime64[D]").astype(np.int32)
        top = float(np.log(demand.largest_seen))
        self._ends = top - BELOW, top + ABOVE
        self._lookup = np.full(0, UNKNOWN, dtype=np.intp)
        self._tables: list[list[Array]] = []
        self._edges: Array | None = None
        self._parts = parts_of(demand)
        self._slope_edges = _pieces(self._slopes_at, self._starts())
        table = None if self._slope_edges is None else _powers(self._slopes_at, self._slope_edges, TOLERANCE)
        self._slopes = None if table is None else [list(table[:, 0])]

    def exact(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return what the model itself says of draws: mean and quantiles, shape (1 + len(q), d, n)."""
        parts = [
            np.concatenate([self.demand.mean(some, dates)[None], self.demand.quantiles(some, dates, self.q)])
            for some in np.array_split(jackpots, -(-len(jackpots) * len(dates) // BLOCK))
        ]
        return np.concatenate(parts, axis=-1)

    def path(self, day: int) -> pd.DatetimeIndex:
        """Return the dates of the draws up to the one on a day, by the calendar."""
        before = self._calendar[: int(np.searchsorted(self._calendar_days, day))]
        return pd.DatetimeIndex([*before, pd.Timestamp(day, unit="D")])

    def forecast(self, jackpots: Array, days: Days) -> Columns:
        """Forecast n draws: jackpots above 0, days since 1970 after the last draw known, shape (n,) each.

        Raises InputError where a jackpot or a day is none that can be forecast.
        """
        logs, places = np.log(jackpots), self._places(days)
        inside = (logs >= self._ends[0]) & (logs <= self._ends[1])
        at = np.where(inside, logs, self._ends[0])
        found, elasticity = np.empty((1 + len(self.q), len(logs))), np.empty((1, len(logs)))
        if self._edges is not None:
            _look_up(self._tables, self._edges, at, np.maximum(places, 0), found)
            np.exp(found, out=found)
        by_model = np.flatnonzero(~inside | (places < 0))
        for day in np.unique(days[by_model]):
            rows = by_model[days[by_model] == day]
            found[:, rows] = self.exact(jackpots[rows], self.path(int(day)))[:, -1]
        if self._slopes is not None and self._slope_edges is not None:
            _look_up(self._slopes, self._slope_edges, at, np.zeros(len(logs), dtype=np.intp), elasticity)
            by_model = np.flatnonzero(~inside)
        else:
            by_model = np.arange(len(logs))
        for some in np.array_split(by_model, -(-len(by_model) // BLOCK) or 1):
            elasticity[0, some] = [one.mean for one in self.demand.elasticity(jackpots[some])]
        return Columns(found[0], found[1:], elasticity[0], jackpots > self.demand.largest_seen)

    def _slopes_at(self, logs: Array) -> Array:
        return np.array([[one.mean for one in self.demand.elasticity(np.exp(logs))]])

    def _starts(self) -> Array:
        """Return where the curves may bend: the ends, the knots and the calibration's two jackpots."""
        bends = list(self._ends)
        for one in self._parts[0] if self._parts else ():
            if isinstance(one, StateSpaceDemand):
                bends += [*one.design.knots.tolist(), one.scale.from_log, one.scale.to_log]
        inside = sorted({bend for bend in bends if self._ends[0] <= bend <= self._ends[1]})
        return np.array([bend for i, bend in enumerate(inside) if i == 0 or bend - inside[i - 1] > 1e-9])

    def _places(self, days: Days) -> npt.NDArray[np.intp]:
        """Return each row's place among the tables, BY_MODEL where the model itself must answer."""
        if not len(self._lookup):
            self.learn_calendar()
        last = int(days.max(initial=0))
        if last >= len(self._lookup):
            self._lookup = np.append(self._lookup, np.full(last + 1 - len(self._lookup), UNKNOWN, dtype=np.intp))
        places = self._lookup[days]
        new = np.unique(days[places == UNKNOWN])
        if len(new):
            self._learn(new)
        return self._lookup[days] if len(new) else places

    def learn_calendar(self) -> None:
        """Make the tables of the calendar's draws, which takes most of a second; done at first use otherwise."""
        days = self._calendar_days
        self._lookup = np.full(int(days[-1]) + 1, UNKNOWN, dtype=np.intp)

        def logs(x: Array) -> Array:
            return np.asarray(np.log(self.exact(np.exp(x), self._calendar))).reshape(-1, len(x))

        edges = _pieces(logs, self._starts())
        table = None if edges is None else _powers(logs, edges, TOLERANCE)
        if table is None:
            self._lookup[days] = BY_MODEL
            return
        self._edges = edges
        by_quantity = table.reshape(DEGREE + 1, 1 + len(self.q), -1)
        self._tables = [list(np.ascontiguousarray(by_quantity[:, i])) for i in range(1 + len(self.q))]
        self._lookup[days] = np.arange(len(days))

    def _learn(self, days: Days) -> None:
        """Table draws of their own, between those of the calendar."""
        edges, self._lookup[days] = self._edges, BY_MODEL
        if edges is None:
            return
        tables = {int(day): table for day in days if (table := self._table(int(day), edges)) is not None}
        if not tables:
            return
        places = len(self._tables[0][0]) // (len(edges) - 1) + np.arange(len(tables))
        self._lookup[list(tables)] = places
        more = np.concatenate(list(tables.values()), axis=-1)
        self._tables = [
            [np.append(known, new) for known, new in zip(quantity, more[:, i], strict=True)]
            for i, quantity in enumerate(self._tables)
        ]

    def _table(self, day: int, edges: Array) -> Array | None:
        curve, levels = self._curve(self.path(day)), tuple(self.q.tolist())

        def logs(x: Array) -> Array:
            mean, quantiles = curve(np.exp(x), levels)
            return np.asarray(np.log(np.concatenate([mean[None], quantiles])))

        return _powers(logs, edges, TOLERANCE)

    def _curve(self, path: pd.DatetimeIndex) -> Curve:
        """Return the curve of a path's last draw: in quadratics where those give what the model itself says.

        Asked itself, the model computes the draws before the last too, which is most of the work.
        """
        asked = AskedCurve(self.demand, path)
        if self._parts is None:
            return asked
        curve, levels = QuadraticCurve(*self._parts, path), tuple(self.q.tolist())
        some = np.exp(np.linspace(*self._ends, 4)[1:-1])
        own, found = asked(some, levels), curve(some, levels)
        same = all(np.allclose(a, b, rtol=TOLERANCE, atol=0) for a, b in zip(own, found, strict=True))
        return curve if same else asked


def _points(low: Array, high: Array, t: Array) -> Array:
    """Return the points at `t` in [-1, 1] of each piece, shape (pieces, len(t))."""
    points: Array = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * t
    return points


def _powers(function: Callable[[Array], Array], edges: Array, tolerance: float) -> Array | None:
    """Return the coefficients of each piece's polynomial in t, shape (DEGREE + 1, quantities, pieces).

    None where a polynomial is further than `tolerance` from the function at a point between those it is made from.
    """
    at = _points(edges[:-1], edges[1:], np.append(_T, BETWEEN)).clip(edges[0], edges[-1])
    values = function(at.ravel()).reshape(-1, len(edges) - 1, len(_T) + 1)
    powers = np.ascontiguousarray(np.einsum("kn,qpn->kqp", _TO_POWERS, values[..., :-1]))
    told = _horner(powers, np.full(len(edges) - 1, BETWEEN))
    return powers if float(np.abs(told - values[..., -1]).max()) <= tolerance else None


def _horner(powers: Array, t: Array) -> Array:
    result: Array = powers[-1]
    for row in powers[-2::-1]:
        result = result * t + row
    return result


def _pieces(function: Callable[[Array], Array], starts: Array) -> Array | None:
    """Return edges between which polynomials agree with `function` to a fiftieth of TOLERANCE; None for too many."""
    waiting, done = list(pairwise(starts)), [float(starts[-1])]
    while waiting:
        if len(waiting) + len(done) > PIECES:
            return None
        low, high = waiting.pop()
        if _powers(function, np.array([low, high]), TOLERANCE / 50) is not None:
            done.append(float(low))
        else:
            waiting += [(low, (low + high) / 2), ((low + high) / 2, high)]
    return np.array(sorted(done))


def _look_up(flat: list[list[Array]], edges: Array, logs: Array, places: npt.NDArray[np.intp], into: Array) -> None:
    """Evaluate the polynomials of n rows, `into` of shape (quantities, n)."""
    middles, scales = (edges[1:] + edges[:-1]) / 2, 2 / np.diff(edges)
    for start in range(0, len(logs), BLOCK):
        some = slice(start, start + BLOCK)
        x = logs[some]
        piece = np.searchsorted(edges[1:-1], x, side="right")
        t = (x - middles[piece]) * scales[piece]
        index = places[some] * len(middles) + piece
        gathered = np.empty_like(t)
        for powers, row in zip(flat, into, strict=True):
            result = row[some]
            np.take(powers[-1], index, out=result, mode="clip")
            for coefficients in powers[-2::-1]:
                result *= t
                np.take(coefficients, index, out=gathered, mode="clip")
                result += gathered

"""One version of a model in one state, loaded: what answers are computed from, whole and unchanging."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from jackpot.demand.base import Array, Demand
from jackpot.demand.combination import CombinedDemand
from jackpot.demand.explain import parts
from jackpot.demand.state_space import StateSpaceDemand
from jackpot.errors import JackpotError
from jackpot.market.calendar import expected_draws_between, next_draw_date
from jackpot.market.schema import Market
from jackpot.scoring.draw_curve import AskedCurve, Curve, QuadraticCurve, parts_of, quadratics
from jackpot.scoring.model import REACH
from jackpot.steps.state import State

from .refusal import Refusal
from .settings import Settings

TOLERANCE: Final = 1e-9
"""How far an answer may be from the demand model's own, as a share of it."""
NEW_DATES: Final = 2
"""Curves of draws not asked for before that a request may build without leaving the event loop."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class TooMuchAtOnceError(Exception):
    """A question that would hold up others if it were answered where it was asked."""


@dataclass(frozen=True)
class Question:
    """What is asked, in columns: jackpots (n,), draw dates (n,), the levels of the quantiles wanted."""

    jackpots: Array
    dates: list[str]
    levels: tuple[float, ...]
    where: str
    """How a field of row i is named in a refusal, e.g. `instances[{}].jackpot`."""


@dataclass(frozen=True)
class Forecast:
    """The answer in columns, (n,) each, `quantiles` (len(levels), n); sales in units of currency."""

    mean: Array
    median: Array
    quantiles: Array
    elasticity: Array
    extrapolated: np.ndarray[tuple[int], np.dtype[np.bool_]]


class Version:
    """A model version in a state. `version` is the registry's, e.g. v3; hashes name model and state exactly."""

    def __init__(
        self, name: str, version: str, market: Market, demand: Demand, state: State, last_draw: dt.date,
        settings: Settings,
    ) -> None:  # fmt: skip
        self.name, self.version, self.market, self.demand, self.state = name, version, market, demand, state
        self.settings, self._last_draw = settings, last_draw
        self.origin = {"model_version": version, "model": state.model, "state": state.sha256, "as_of": state.as_of}
        """What every answer says it comes from."""
        self.largest_seen = float(demand.largest_seen)
        self.smallest_asked, self.largest_asked = market.jackpot.start / REACH, self.largest_seen * REACH
        self.shown_jackpots = np.geomspace(market.jackpot.start, self.largest_seen * 1.25, 33)
        """Where an explanation shows the curve."""
        self.last_date = state.seen_from + dt.timedelta(days=settings.horizon_days)
        self._curves: dict[str, Curve] = {}
        self._slopes: Array | None = None
        self._parts = parts_of(demand)
        if not self._tried():
            # Right, but a thousand times slower: a model of another form than those of today.
            self._parts = None
            self._curves.clear()

    @cached_property
    def next_draw(self) -> dt.date:
        """Return the date of the first draw that can be asked for."""
        return next_draw_date(self.market, self.state.seen_from)

    def card(self) -> dict[str, Any]:
        """Return what answers and what it can be asked: hashes, draws, jackpots and limits."""
        return {
            **self.origin,
            "market": self.market.market,
            "currency": self.market.currency,
            "next_draw": self.next_draw.isoformat(),
            "last_date": self.last_date.isoformat(),
            "largest_seen": self.largest_seen,
            "jackpot_limits": [self.smallest_asked, self.largest_asked],
            "jackpots": [float(f"{jackpot:.2g}") for jackpot in self.shown_jackpots[::4].tolist()],
            "most_instances": self.settings.max_instances,
        }

    def _tried(self) -> bool:
        """Return whether the pieces give the demand's own forecasts, at and between knots and beyond them."""
        if self._parts is None:
            return False
        pieces = self._parts[2]
        near = np.exp(np.concatenate([pieces.places.ravel(), pieces.places[:, 1] + pieces.half / 3]))
        jackpots = np.concatenate([near, [self.smallest_asked, self.largest_seen * 2, self.largest_asked]])
        levels = (0.05, 0.5, 0.95)
        later = next_draw_date(self.market, self.next_draw + dt.timedelta(days=29))
        for date in (self.next_draw, later):
            asked = AskedCurve(self.demand, self.path(date))(jackpots, levels)
            curve = self.curve(date.isoformat())
            found = curve(jackpots, levels)
            ones = np.array(
                [[mean, *quantiles] for mean, quantiles in (curve.one(j, levels) for j in jackpots.tolist())]
            )
            if not np.allclose(ones.T, [found[0], *found[1]], rtol=TOLERANCE / 10, atol=0):
                return False
            if not all(np.allclose(a, b, rtol=TOLERANCE / 10, atol=0) for a, b in zip(found, asked, strict=True)):
                return False
        slopes = [one.mean for one in self.demand.elasticity(jackpots)]
        return bool(np.allclose(self.elasticity(jackpots), slopes, rtol=TOLERANCE / 10, atol=1e-12))

    def self_test(self) -> None:
        """Raise JackpotError unless the next draw's forecast is one: finite, ordered, never falling in the jackpot."""
        jackpots = np.geomspace(self.smallest_asked, self.largest_asked, 64)
        dates = [self.next_draw.isoformat()] * len(jackpots)
        answer = self.forecast(Question(jackpots, dates, (0.05, 0.95), ""), in_loop=False)
        low, high = answer.quantiles
        figures = np.stack([answer.mean, answer.median, low, high])
        good = np.isfinite(figures).all() and (figures > 0).all() and (low <= answer.median).all()
        if not (good and (answer.median <= high).all() and (np.diff(answer.mean) >= -1e-9 * answer.mean[1:]).all()):
            raise JackpotError(f"{self.name} {self.version} failed its self-test: its forecasts are none")

    def forecast(self, question: Question, *, in_loop: bool) -> Forecast:
        """Answer a question; raise Refusal for a row that cannot be asked, TooMuchAtOnceError where `in_loop`."""
        jackpots, levels = question.jackpots, (0.5, *question.levels)
        self._check(question)
        mean, quantiles = np.empty(len(jackpots)), np.empty((len(levels), len(jackpots)))
        distinct = dict.fromkeys(question.dates)
        if in_loop and len(distinct) > NEW_DATES and len(distinct.keys() - self._curves.keys()) > NEW_DATES:
            raise TooMuchAtOnceError
        if len(jackpots) == 1:
            mean[0], quantiles[:, 0] = self._row_curve(question, 0).one(float(jackpots[0]), levels)
        elif len(distinct) == 1:
            mean, quantiles = self._row_curve(question, 0)(jackpots, levels)
        else:
            first = {date: row for row, date in reversed(list(enumerate(question.dates)))}
            row_of = np.fromiter(map(first.__getitem__, question.dates), np.intp, len(jackpots))
            for row in np.unique(row_of):
                rows = np.flatnonzero(row_of == row)
                mean[rows], quantiles[:, rows] = self._row_curve(question, int(row))(jackpots[rows], levels)
        return Forecast(mean, quantiles[0], quantiles[1:], self.elasticity(jackpots), jackpots > self.largest_seen)

    def _check(self, question: Question) -> None:
        jackpots = question.jackpots
        # Written so that NaN is refused too.
        good = (jackpots >= self.smallest_asked) & (jackpots <= self.largest_asked)
        if not good.all():
            row = int(np.argmin(good))
            raise Refusal(
                422,
                "jackpot",
                "no jackpot that can be forecast",
                field=question.where.format(row, "jackpot"),
                found=float(jackpots[row]),
                allowed=f"{self.smallest_asked:,.15g} to {self.largest_asked:,.15g} {self.market.currency}",
            )

    def _row_curve(self, question: Question, row: int) -> Curve:
        try:
            return self.curve(question.dates[row])
        except Refusal as refusal:
            refusal.field = question.where.format(row, "draw_date")
            raise

    def curve(self, date: str) -> Curve:
        """Return the curve of the draw on a date; raise Refusal where no draw can be asked for on it."""
        curve = self._curves.get(date)
        if curve is None:
            path = self.path(self.date(date))
            curve = QuadraticCurve(*self._parts, path) if self._parts else AskedCurve(self.demand, path)
            while len(self._curves) >= self.settings.dates_kept:
                self._curves.pop(next(iter(self._curves), ""), None)
            self._curves[date] = curve
        return curve

    def date(self, text: str) -> dt.date:
        """Return the date in a text; raise Refusal where it does not exist, lies before the state or too far ahead."""
        allowed = f"YYYY-MM-DD, from {self.state.as_of} to {self.last_date}"
        try:
            if not _DATE.fullmatch(text):
                raise ValueError
            date = dt.date.fromisoformat(text)
        except ValueError:
            raise Refusal(422, "draw_date", "no date", field="draw_date", found=text, allowed=allowed) from None
        if not self.state.seen_from <= date <= self.last_date:
            message = "before the day that the state is seen from" if date < self.last_date else "too far ahead"
            raise Refusal(422, "draw_date", message, field="draw_date", found=text, allowed=allowed)
        return date

    def path(self, date: dt.date) -> pd.DatetimeIndex:
        """Return the dates of the draws after the last known one, up to `date`, by the market's calendar."""
        # A draw that should have taken place before the state's day and is not in its data was not held.
        eve = max(self._last_draw, self.state.seen_from - dt.timedelta(days=1))
        return pd.DatetimeIndex([*expected_draws_between(self.market, eve, date), date])

    def parts(self, jackpot: float, date: str) -> dict[str, float]:
        """Return the log effects that add up to the log of the median; none for a demand that has no such parts."""
        if not isinstance(self.demand, CombinedDemand | StateSpaceDemand):
            return {}
        return {one.name: one.log_effect for one in parts(self.demand, jackpot, self.path(self.date(date)))}

    def elasticity(self, jackpots: Array) -> Array:
        """Return the mean elasticity at jackpots, (n,)."""
        if self._parts is None:
            return np.array([one.mean for one in self.demand.elasticity(jackpots)])
        piece, t = self._parts[2].find(np.log(jackpots))
        if self._slopes is None:
            places = self._parts[2].places
            means = [one.mean for one in self.demand.elasticity(np.exp(places.ravel()))]
            self._slopes = quadratics(np.array(means).reshape(places.shape))
        c = self._slopes[piece]
        slopes: Array = (c[:, 2] * t + c[:, 1]) * t + c[:, 0]
        return slopes

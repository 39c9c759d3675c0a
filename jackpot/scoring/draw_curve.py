"""The forecast of one draw as a function of the jackpot, at any levels, ready to be asked a million times.

Between the knots of a demand curve every parameter draw's log sales are a quadratic in log J, so three values of each
piece hold all of it. What comes out is the demand's own forecast but for the last digits, without its regressors being
built at each question; who relies on it tries that first.

A draw costs 1 to 11 ms here, by how many draws lie before it, and a question 12 µs, for requests; for files of rows
with the same levels, `curves` takes 10 ms a draw and is then thirty times as fast.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache
from statistics import NormalDist
from typing import Protocol

import numpy as np
import pandas as pd

from ..demand.base import Array, Demand
from ..demand.calibration import Scale
from ..demand.combination import CombinedDemand
from ..demand.posterior import PosteriorDemand

BLOCK = 16
"""Jackpots whose parameter draws are worked on together: they stay in the processor's cache."""


class Curve(Protocol):
    """The forecast of one draw."""

    def __call__(self, jackpots: Array, levels: tuple[float, ...]) -> tuple[Array, Array]:
        """Return the mean (n,) and quantiles (len(levels), n) of sales at jackpots (n,)."""

    def one(self, jackpot: float, levels: tuple[float, ...]) -> tuple[float, list[float]]:
        """Return the mean and the quantiles of sales at one jackpot."""


class AskedCurve:
    """The forecast of the last draw of a path of dates, asked of the demand each time: right for any demand."""

    def __init__(self, demand: Demand, path: pd.DatetimeIndex) -> None:
        self._demand, self._path = demand, path

    def __call__(self, jackpots: Array, levels: tuple[float, ...]) -> tuple[Array, Array]:
        """Return the mean (n,) and quantiles (len(levels), n) of sales at jackpots (n,)."""
        quantiles = self._demand.quantiles(jackpots, self._path, np.array(levels))
        return self._demand.mean(jackpots, self._path)[-1], quantiles[:, -1]

    def one(self, jackpot: float, levels: tuple[float, ...]) -> tuple[float, list[float]]:
        """Return the mean and the quantiles of sales at one jackpot."""
        mean, quantiles = self(np.array([jackpot]), levels)
        return float(mean[0]), quantiles[:, 0].tolist()


class Pieces:
    """Where the quadratic pieces of a demand's curves begin and end, in log jackpots."""

    def __init__(self, members: list[PosteriorDemand]) -> None:
        found = [np.asarray(one.design.knots) for one in members if hasattr(one, "design")]
        self.knots = np.unique(np.concatenate(found)) if found else np.zeros(0)
        ends = self.knots if len(self.knots) else np.log([members[0].largest_seen])
        starts, stops = np.append(ends[0] - 1.0, ends), np.append(ends, ends[-1] + 1.0)
        if not len(self.knots):
            starts, stops = starts[:1], stops[:1]
        self.middle, self.half = (starts + stops) / 2, (stops - starts) / 2
        self.few = self.knots.tolist(), self.middle.tolist(), self.half.tolist()
        self.places = np.stack([starts, self.middle, stops], axis=1)
        """Three log jackpots of each piece, (pieces, 3)."""

    def find(self, logs: Array) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], Array]:
        """Return the piece of each log jackpot and where it lies in it, -1 to 1 but for the outer ones'."""
        piece = self.knots.searchsorted(logs)
        return piece, (logs - self.middle[piece]) / self.half[piece]


def quadratics(at_places: Array) -> Array:
    """Return coefficients (..., 3) of 1, t and t squared, from values (..., 3) at t of -1, 0 and 1."""
    low, mid, high = (at_places[..., i] for i in range(3))
    return np.stack([mid, (high - low) / 2, (high + low) / 2 - mid], axis=-1)


def parts_of(demand: Demand) -> tuple[list[PosteriorDemand], Array, Pieces] | None:
    """Return the demands that a demand mixes, their weights and pieces; None where it is no mixture of known form."""
    if isinstance(demand, CombinedDemand):
        members: list[PosteriorDemand] = [*demand.members]
        return members, np.asarray(demand.weights, dtype=float), Pieces(members)
    return ([demand], np.ones(1), Pieces([demand])) if isinstance(demand, PosteriorDemand) else None


class QuadraticCurve:
    """The forecast of the last draw of a path of dates, from the pieces of its members' parameter draws."""

    def __init__(self, members: list[PosteriorDemand], weights: Array, pieces: Pieces, path: pd.DatetimeIndex) -> None:
        self._weights, self._pieces = weights, pieces
        at = np.exp(pieces.places.ravel())
        logs = [one.log_sales(one.ensemble, at, path)[:, -1].reshape(-1, *pieces.places.shape) for one in members]
        self._draws = np.ascontiguousarray(quadratics(np.concatenate(logs)).transpose(1, 2, 0))
        """Of each piece, the coefficients of all members' draws, (pieces, 3, draws)."""
        sizes = [len(one) for one in logs]
        self._member = np.repeat(np.eye(len(sizes)), sizes, axis=0)
        """Whose each draw is, (draws, members)."""
        self._share = weights / np.array(sizes)
        self._middle = np.stack([quadratics(one.mean(axis=0)) for one in logs], axis=1)
        self._spread = np.stack([_variance(quadratics(one)) for one in logs], axis=1)
        """Of each piece and member, the coefficients of the variance of log sales over draws, a quartic."""
        self._error = np.array([float(one.error_variance(path)[-1]) for one in members])
        self._scales = [one.scale for one in members]
        self._one_scale = all(scale == self._scales[0] for scale in self._scales)
        # The same as plain numbers, for one jackpot at a time.
        self._rows = np.concatenate([self._middle, self._spread], axis=2).tolist()
        self._errors, self._shares, self._few = self._error.tolist(), self._share.tolist(), weights.tolist()

    def __call__(self, jackpots: Array, levels: tuple[float, ...]) -> tuple[Array, Array]:
        """Return the mean (n,) and quantiles (len(levels), n) of sales at jackpots (n,)."""
        logs = np.log(jackpots)
        piece, t = self._pieces.find(logs)
        errors = self._error * self._scale(logs) ** 2
        mean = (np.exp(errors / 2) * self._means(piece, t)) @ self._share
        t = t[:, None]
        m = self._middle[piece]
        middles = (m[..., 2] * t + m[..., 1]) * t + m[..., 0]
        v = self._spread[piece]
        spreads = (((v[..., 4] * t + v[..., 3]) * t + v[..., 2]) * t + v[..., 1]) * t + v[..., 0] + errors
        middle = middles @ self._weights
        off = middles - middle[:, None]
        deviation = np.sqrt((spreads + off * off) @ self._weights)
        return mean, np.exp(middle + np.array(_normal(levels))[:, None] * deviation)

    def one(self, jackpot: float, levels: tuple[float, ...]) -> tuple[float, list[float]]:
        """Return the mean and the quantiles of sales at one jackpot: the same figures, without arrays of one."""
        log = math.log(jackpot)
        piece = bisect_left(self._pieces.few[0], log)
        t = (log - self._pieces.few[1][piece]) / self._pieces.few[2][piece]
        constant, linear, square = self._draws[piece]
        logs = square * t
        logs += linear
        logs *= t
        logs += constant
        sums = (np.exp(logs, out=logs) @ self._member).tolist()
        factors = [_factor(scale, log) for scale in self._scales]
        mean, parts = 0.0, []
        for (a, b, c, d, e, f, g, h), total, error, share, factor in zip(
            self._rows[piece], sums, self._errors, self._shares, factors, strict=True
        ):
            error *= factor * factor
            mean += share * total * math.exp(error / 2)
            parts.append(((c * t + b) * t + a, (((h * t + g) * t + f) * t + e) * t + d + error))
        middle = sum(w * m for w, (m, _) in zip(self._few, parts, strict=True))
        variance = sum(w * (v + (m - middle) ** 2) for w, (m, v) in zip(self._few, parts, strict=True))
        deviation = math.sqrt(variance)
        return mean, [math.exp(middle + z * deviation) for z in _normal(levels)]

    def _scale(self, logs: Array) -> Array:
        """Return the factor on each member's standard deviation, (n, 1) where it is the same for all, else (n, m)."""
        if self._one_scale:
            return self._scales[0].at(logs)[:, None]
        return np.stack([scale.at(logs) for scale in self._scales], axis=1)

    def _means(self, piece: np.ndarray[tuple[int], np.dtype[np.intp]], t: Array) -> Array:
        """Return the sum of exp of the draws' log sales by member, (n, members)."""
        sums = np.empty((len(t), len(self._share)))
        for one in np.unique(piece):
            rows = np.flatnonzero(piece == one)
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                sums[block] = self._sums(int(one), t[block])
        return sums

    def _sums(self, piece: int, t: Array) -> Array:
        constant, linear, square = self._draws[piece]
        logs = square * t[:, None]
        logs += linear
        logs *= t[:, None]
        logs += constant
        sums: Array = np.exp(logs, out=logs) @ self._member
        return sums


def _variance(draws: Array) -> Array:
    """Return the coefficients (pieces, 5) of the variance over draws of quadratics (draws, pieces, 3)."""
    off = draws - draws.mean(axis=0)
    c = np.einsum("dpi,dpj->pij", off, off) / len(draws)
    return np.stack([c[:, 0, 0], 2 * c[:, 0, 1], 2 * c[:, 0, 2] + c[:, 1, 1], 2 * c[:, 1, 2], c[:, 2, 2]], axis=-1)


def _factor(scale: Scale, log: float) -> float:
    """Return `Scale.at` of one log jackpot."""
    if not math.isfinite(scale.to_log):
        return scale.usual
    way = (log - scale.from_log) / max(scale.to_log - scale.from_log, 1e-9)
    return scale.usual + (scale.large - scale.usual) * min(max(way, 0.0), 1.0)


@lru_cache(maxsize=256)
def _normal(levels: tuple[float, ...]) -> list[float]:
    return [NormalDist().inv_cdf(level) for level in levels]

"""What drives sales beside the jackpot and the calendar, where a history tells: marketing, a sister game's jackpot.

Each is one regressor, log(1 + x / usual) less its median in training: nil at what is usual, and of falling returns.
Its effect has a tight prior about nought, so that a column without a message changes next to nothing. What a draw had
is known before its sales; draws to come have what the market file plans (`planned`), else what the last draw had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, Problem
from ..history.contract import DRIVERS
from ..market.schema import Market
from .base import Array
from .common import significant


@dataclass(frozen=True)
class Drivers:
    """By the name of a driver: what is usual of it where there is any, in currency, and the median of its regressor."""

    scales: Mapping[str, tuple[float, float]]

    def __post_init__(self) -> None:
        for name, (usual, middle) in self.scales.items():
            if name not in DRIVERS or not (np.isfinite([usual, middle]).all() and usual > 0):
                raise InputError(
                    Problem("no scale of a driver", field=name, found=f"{usual}, {middle}", allowed=", ".join(DRIVERS))
                )

    @classmethod
    def learn(cls, draws: pd.DataFrame) -> Drivers:
        """Return the drivers of a history; one that never was, or never was told, is none."""
        scales = {}
        for name in DRIVERS:
            amounts = _amounts(draws, name)
            some = amounts[amounts > 0]
            if len(some):
                usual = float(significant(np.median(some)))
                middle = np.median(np.log1p(amounts[np.isfinite(amounts)] / usual))
                scales[name] = usual, float(significant(middle))
        return cls(scales)

    def rows(self, draws: pd.DataFrame) -> Array:
        """Return the regressors of the draws of a history, shape (n, drivers): 0 where one is not known."""
        return self._regressors([_amounts(draws, name) for name in self.scales], len(draws))

    def to_come(self, draws: pd.DataFrame, market: Market) -> Array:
        """Return the regressors of every draw after a history, shape (drivers,)."""
        amounts = []
        for name in self.scales:
            planned, told = getattr(market.planned, name), _amounts(draws, name)
            known = told[np.isfinite(told)]
            amounts.append(np.array([planned if planned is not None else known[-1] if len(known) else np.nan]))
        row: Array = self._regressors(amounts, 1)[0]
        return row

    def _regressors(self, amounts: list[Array], size: int) -> Array:
        rows = np.zeros((size, len(amounts)))
        for i, (amount, (usual, middle)) in enumerate(zip(amounts, self.scales.values(), strict=True)):
            rows[:, i] = np.nan_to_num(np.log1p(amount / usual) - middle, nan=0.0)
        return rows


def _amounts(draws: pd.DataFrame, name: str) -> Array:
    """Return a driver's amounts, shape (n,), NaN where one is not known or is none."""
    if name not in draws:
        return np.full(len(draws), np.nan)
    amounts = draws[name].to_numpy(float)
    return np.where(np.isfinite(amounts) & (amounts >= 0), amounts, np.nan)

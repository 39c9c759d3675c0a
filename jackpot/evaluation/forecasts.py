"""Forecasts of past draws beside what was sold, in the one form that everything here scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ..demand.base import Array, OneStep

STEP: Final = 0.005
LEVELS: Final[Array] = np.arange(1, 200, dtype=np.float64) * STEP
"""The levels of the quantiles: every half percent."""
Index = npt.NDArray[np.bool_] | npt.NDArray[np.intp]


def level_index(level: float) -> int:
    """Return the place of a level in LEVELS."""
    return round(level / STEP) - 1


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of n draws: `sales`, what was sold, and `mean`, shape (n,); `quantiles` at LEVELS, shape (199, n)."""

    sales: Array
    mean: Array
    quantiles: Array

    @classmethod
    def one_ahead(cls, sales: Array, forecast: OneStep) -> Forecasts:
        """Return one-step forecasts in this form."""
        return cls(sales, forecast.mean, np.stack([forecast.quantile(float(level)) for level in LEVELS]))

    def __len__(self) -> int:
        return len(self.sales)

    def __getitem__(self, index: Index) -> Forecasts:
        return Forecasts(self.sales[index], self.mean[index], self.quantiles[:, index])

    def quantile(self, level: float) -> Array:
        """Return the quantile at one of LEVELS, shape (n,)."""
        quantile: Array = self.quantiles[level_index(level)]
        return quantile

    @property
    def errors(self) -> Array:
        """Absolute errors of the mean, shape (n,)."""
        return np.abs(self.sales - self.mean)

    def inside(self, coverage: float) -> npt.NDArray[np.bool_]:
        """Return whether sales lay in the central interval of a coverage, shape (n,)."""
        tail = (1 - coverage) / 2
        inside: npt.NDArray[np.bool_] = (self.sales >= self.quantile(tail)) & (self.sales <= self.quantile(1 - tail))
        return inside

    @property
    def normal_scores(self) -> Array:
        """Return log sales in standard deviations from the forecast's median, by its 90% interval, shape (n,)."""
        low, middle, high = (np.log(self.quantile(level)) for level in (0.05, 0.5, 0.95))
        scale = (high - low) / (2 * 1.6448536269514722)
        scores: Array = (np.log(self.sales) - middle) / np.maximum(scale, 1e-12)
        return scores

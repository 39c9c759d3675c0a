"""Whether forecast distributions are true: reliability of quantiles, coverage of intervals, the PIT histogram.

Gneiting, Balabdaoui and Raftery 2007, JRSS B 69(2); Dawid 1984, JRSS A 147(2).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ..records import Calibration, CentralInterval, Reliability
from .forecasts import Forecasts

QUANTILES: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
INTERVALS: Final = (0.5, 0.8, 0.9, 0.95)
BINS: Final = 10
SMALLEST_EXPECTED: Final = 2.0
"""Draws that Pearson's statistic needs in a bin; equal bins need fewer than five (Koehler and Larntz 1980, JASA 75)."""


def pit_counts(forecasts: Forecasts) -> npt.NDArray[np.intp]:
    """Return in how many draws sales fell in each tenth of their distribution, shape (10,)."""
    edges = np.stack([forecasts.quantile(edge / BINS) for edge in range(1, BINS)])
    return np.bincount((forecasts.sales > edges).sum(axis=0), minlength=BINS)


def coverage_p_values(inside: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return how probably a true 90% interval holds no more draws than it did, and no fewer: binomial.

    Draws are taken as independent; forecasts several draws ahead overlap, which makes small values less surprising.
    """
    from scipy.special import bdtr, bdtrc

    held, n = int(inside.sum()), len(inside)
    return float(bdtr(held, n, 0.9)), float(bdtrc(held - 1, n, 0.9)) if held else 1.0


def calibration(forecasts: Forecasts) -> Calibration:
    """Return how often sales fell where the distributions said, over ordinary test draws (n,)."""
    from scipy.special import chdtrc

    counts = pit_counts(forecasts)
    expected = len(forecasts) / BINS
    return Calibration(
        reliability=tuple(
            Reliability(level=level, observed=float((forecasts.sales <= forecasts.quantile(level)).mean()))
            for level in QUANTILES
        ),
        intervals=tuple(
            CentralInterval(nominal_pct=100 * level, observed_pct=100 * float(forecasts.inside(level).mean()))
            for level in INTERVALS
        ),
        pit=tuple(counts.tolist()),
        pit_p_value=float(chdtrc(BINS - 1, float(np.sum((counts - expected) ** 2)) / expected))
        if expected >= SMALLEST_EXPECTED
        else None,
    )

"""How wide intervals must be, learned from past one-step errors: adaptive, and apart for large jackpots.

Split conformal prediction on standardised errors (Lei et al. 2018, JASA 113(523)), over a moving window so that it
follows drift (Gibbs and Candes 2021), drawn to the normal form where errors are few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .base import Array

WINDOW, LARGE_WINDOW = 250, 80
"""Errors that count: of all draws, and of those in the top fifth of jackpots."""
PRIOR_WEIGHT, LARGE_WEIGHT = 40, 15
"""The normal form counts as so many errors; for large jackpots, the scale of all draws does."""
LARGE = (0.8, 0.9)
"""Quantiles of past jackpots between which the scale goes over to that of large jackpots."""
RANGE = (0.5, 3.0)
Z = 1.6448536


@dataclass(frozen=True)
class Scale:
    """Factors on the standard deviation: for ordinary and for large jackpots, the second never the smaller."""

    usual: float = 1.0
    large: float = 1.0
    from_log: float = np.inf
    to_log: float = np.inf

    def at(self, log_jackpots: Array) -> Array:
        """Return the factor at jackpots, in their shape; it never falls in the jackpot."""
        if not np.isfinite(self.to_log):
            return np.full(np.shape(log_jackpots), self.usual)
        way = np.clip((log_jackpots - self.from_log) / max(self.to_log - self.from_log, 1e-9), 0.0, 1.0)
        scale: Array = self.usual + (self.large - self.usual) * way
        return scale


def tail_factor(standard_errors: Array, prior: float = 1.0, weight: float = PRIOR_WEIGHT) -> float:
    """Return what makes the 90% interval cover 90% of past standardised errors, (n,), drawn to `prior` where few."""
    n = len(standard_errors)
    if n == 0:
        return prior
    found = float(np.quantile(np.abs(standard_errors), min(1.0, 0.9 * (n + 1) / n))) / Z
    return float(np.clip((n * found + weight * prior) / (n + weight), *RANGE))


def scale(standard_errors: Array, log_jackpots: Array) -> Scale:
    """Return the factors after past draws: standardised one-step errors and log jackpots, oldest first, (n,) each."""
    if not len(standard_errors):
        return Scale()
    usual = tail_factor(standard_errors[-WINDOW:])
    low, high = (float(level) for level in np.quantile(log_jackpots, LARGE))
    if high - low < 1e-3:
        return Scale(usual, usual)
    large = tail_factor(standard_errors[log_jackpots >= low][-LARGE_WINDOW:], usual, LARGE_WEIGHT)
    return Scale(usual, max(usual, large), low, high)


def rolling(standard_errors: Array, log_jackpots: Array, counted: npt.NDArray[np.bool_], first: int) -> Array:
    """Return the factor of each draw from `first` on, (n - first,), learned from the counted draws before it."""
    before = ((t, counted[:t]) for t in range(first, len(standard_errors)))
    return np.array(
        [scale(standard_errors[:t][use], log_jackpots[:t][use]).at(log_jackpots[t]) for t, use in before], dtype=float
    )

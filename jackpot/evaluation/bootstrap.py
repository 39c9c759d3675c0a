"""Moving-block bootstrap of ratios of sums: errors of neighbouring draws resemble each other, so blocks are drawn.

Künsch 1989, Annals of Statistics 17(3); block length by Politis and White 2004, Econometric Reviews 23(1), as
corrected by Patton, Politis and White 2009, 28(4).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..demand.base import Array

REPLICATIONS: Final = 2000
SEED: Final = 20_260_101
SHORTEST: Final = 8
"""Draws below which no interval is given and nothing is tested."""


def autocovariances(values: Array, lags: int) -> Array:
    """Return autocovariances at lags 0 to `lags`, shape (lags + 1,), each a sum over n."""
    centred = values - values.mean()
    n = len(centred)
    return np.array([float(centred[lag:] @ centred[: n - lag]) / n for lag in range(lags + 1)])


def block_length(values: Array) -> int:
    """Return how many neighbours to keep together: the length that estimates the variance of a mean best."""
    n = len(values)
    longest = max(1, min(int(np.ceil(3 * np.sqrt(n))), n // 3))
    quiet = max(5, int(np.sqrt(np.log10(n))))
    most = min(int(np.ceil(np.sqrt(n))) + quiet, n - 1)
    covariances = autocovariances(values, most)
    if covariances[0] <= 0:
        return 1
    # The first lag after which `quiet` autocorrelations in a row cannot be told from none.
    small = np.abs(covariances[1:] / covariances[0]) < 2 * np.sqrt(np.log10(n) / n)
    last = next((lag for lag in range(len(small)) if small[lag : lag + quiet].all()), len(small))
    taps = min(2 * max(last, 1), most)
    lags = np.arange(1, taps + 1)
    window = np.clip(2 * (1 - lags / taps), 0, 1)
    weighted = window * covariances[1 : taps + 1]
    spectrum = covariances[0] + 2 * float(weighted.sum())
    slope = 2 * float((lags * weighted).sum())
    if spectrum <= 0:
        return 1
    length = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(np.round(length), 1, longest))


def resampled_sums(columns: Array, length: int, replications: int = REPLICATIONS, seed: int = SEED) -> Array:
    """Return sums of columns (n, c) over resamples made of blocks of neighbouring rows, shape (replications, c)."""
    n = len(columns)
    cumulative = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(columns, axis=0)])
    whole, rest = divmod(n, length)
    starts = np.random.default_rng(seed).integers(0, n - length + 1, (replications, whole + (rest > 0)))
    blocks = cumulative[length:] - cumulative[:-length]
    sums: Array = blocks[starts[:, :whole]].sum(axis=1)
    if rest:
        sums += (cumulative[rest:] - cumulative[:-rest])[starts[:, -1]]
    return sums


def ratio_resamples(numerator: Array, denominator: Array) -> Array | None:
    """Return resamples of sum(numerator) / sum(denominator), both (n,), shape (REPLICATIONS,).

    The block length is that of the ratio's influence function. None where fewer than SHORTEST draws are given or the
    denominator vanishes.
    """
    n, total = len(numerator), float(denominator.sum())
    if n < SHORTEST or total <= 0:
        return None
    influence = numerator - numerator.sum() / total * denominator
    sums = resampled_sums(np.column_stack([numerator, denominator]), block_length(influence))
    ratios: Array = sums[:, 0] / np.maximum(sums[:, 1], 1e-9 * total)
    return ratios


def interval(resamples: Array | None) -> tuple[float, float] | None:
    """Return the 90% percentile interval of resamples; None for none."""
    if resamples is None:
        return None
    low, high = np.quantile(resamples, [0.05, 0.95])
    return float(low), float(high)

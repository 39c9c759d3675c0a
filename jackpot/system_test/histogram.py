"""Latencies as counts in logarithmic buckets: any percentile to a hundredth of itself, in memory that never grows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

SMALLEST: Final = 1e-6
PER_E: Final = 100
"""Buckets per factor of e: each is a hundredth wide."""
BUCKETS: Final = math.ceil(math.log(1e4 / SMALLEST) * PER_E)
"""From a microsecond to three hours; what lies outside counts in the first or the last."""


class Histogram:
    """Counts of seconds, after HdrHistogram (Tene): recorded one by one or many at once, and added up."""

    def __init__(self) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros(BUCKETS, dtype=np.int64)
        self.largest = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        """Record latencies in seconds."""
        values = np.maximum(np.fromiter(seconds, dtype=float), SMALLEST)
        if len(values):
            places = np.minimum((np.log(values / SMALLEST) * PER_E).astype(np.int64), BUCKETS - 1)
            self.counts += np.bincount(places, minlength=BUCKETS)
            self.largest = max(self.largest, float(values.max()))

    def __len__(self) -> int:
        return int(self.counts.sum())

    def quantile(self, q: float) -> float:
        """Return the smallest latency, in seconds, that a share `q` of all do not exceed; NaN of none."""
        total = len(self)
        if not total:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.counts), max(math.ceil(q * total), 1)))
        return min(SMALLEST * math.exp((place + 1) / PER_E), self.largest)

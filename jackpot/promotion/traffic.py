"""Whether the requests of real traffic, as a canary's servers counted them, speak against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ..environment import Traffic
from .analysis import SIGNIFICANCE

QUANTILE: Final = 0.99


@dataclass(frozen=True)
class Counted:
    """What a canary's servers counted: answers, those with a status of 5xx, and how many took at most each bound."""

    requests: int
    errors: int
    within: Mapping[float, float]
    """Cumulative counts by their bound, seconds, as of a histogram; the last bound is infinite."""

    def slowest(self) -> float:
        """Return the 99% quantile, seconds, as Prometheus' `histogram_quantile` does: linear within a bucket."""
        bounds = sorted(self.within)
        rank, below, low = QUANTILE * self.within[bounds[-1]], 0.0, 0.0
        for bound in bounds[:-1]:
            count = self.within[bound]
            if count >= rank and count > below:
                return low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        return low

    def slower(self, seconds: float) -> tuple[int, int]:
        """Return how many took longer than the first bound that is at least `seconds`, and of how many."""
        total = self.within[max(self.within)]
        return round(total - self.within[min(bound for bound in self.within if bound >= seconds)]), round(total)

    def __str__(self) -> str:
        if not self.requests:
            return "no requests"
        return (
            f"{self.requests} requests, of which {self.errors} failed; "
            f"{QUANTILE:.0%} took up to {1000 * self.slowest():.0f} ms"
        )


def traffic_faults(counted: Counted, limits: Traffic) -> list[str]:
    """Return why a canary may not go on, in words; empty where it may, or where there were too few requests to say.

    A share counts as over its limit where chance alone would give it in less than one case of 1,000 (binomial test).
    """
    from scipy.stats import binom

    if counted.requests < limits.requests:
        return []
    found = []
    if binom.sf(counted.errors - 1, counted.requests, limits.errors_pct / 100) < SIGNIFICANCE:
        found.append(
            f"{counted.errors} of {counted.requests} requests of real traffic failed, over {limits.errors_pct:g}%"
        )
    slow, total = counted.slower(limits.p99_ms / 1000)
    if binom.sf(slow - 1, total, 1 - QUANTILE) < SIGNIFICANCE:
        found.append(
            f"{QUANTILE:.0%} of the answers to real traffic took up to {1000 * counted.slowest():.0f} ms, "
            f"over {limits.p99_ms:g} ms"
        )
    return found

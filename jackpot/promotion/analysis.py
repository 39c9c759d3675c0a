"""Whether a canary may have more traffic: its errors, its latency, and that it forecasts what its model does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

STEPS: Final = (0, 10, 50)
"""Percent of the traffic that a canary has in turn, before all of it."""
PROBES: Final = 1000
"""Requests a step, through the gateway that divides the traffic."""
LARGEST_ERROR_SHARE: Final = 0.01
"""Of the canary's own requests."""
USUAL_ERROR_SHARE: Final = 0.001
"""Of all requests, whoever answers."""
SIGNIFICANCE: Final = 1e-3
SLOWEST_P95_SECONDS: Final = 0.1
SLOWER_THAN_STABLE: Final = 2.0
TOLERANCE: Final = 1e-6
"""Largest relative difference of a served forecast from the model's own."""


@dataclass(frozen=True)
class Answer:
    """What came of one probe: who answered (None: an error), in how many seconds, and how far off the forecast was."""

    model_sha256: str | None
    seconds: float
    difference: float = 0.0


def faults(answers: Sequence[Answer], model_sha256: str, percent: int) -> list[str]:
    """Return why a canary may not go on, in words; empty where it may.

    An error does not say whose it is: errors stop it where there are more than the usual ones and 1% of its share by
    more than chance (binomial test at 0.1%).
    """
    import numpy as np
    from scipy.stats import binom

    found = []
    own = [answer for answer in answers if answer.model_sha256 == model_sha256]
    others = [answer for answer in answers if answer.model_sha256 not in (None, model_sha256)]
    errors = sum(answer.model_sha256 is None for answer in answers)
    allowed = USUAL_ERROR_SHARE + LARGEST_ERROR_SHARE * percent / 100
    if errors and binom.sf(errors - 1, len(answers), allowed) < SIGNIFICANCE:
        found.append(f"{errors} of {len(answers)} requests failed")
    if not own and percent and binom.pmf(0, len(answers), percent / 100) < SIGNIFICANCE:
        found.append(f"none of {len(answers)} answers came from it, at {percent}% of the traffic")
    if own:
        slow = float(np.quantile([answer.seconds for answer in own], 0.95))
        usual = float(np.quantile([answer.seconds for answer in others], 0.95)) if others else 0.0
        if slow > max(SLOWEST_P95_SECONDS, SLOWER_THAN_STABLE * usual):
            found.append(f"95% of its answers took up to {1000 * slow:.0f} ms, the champion's {1000 * usual:.0f} ms")
    wrong = max((answer.difference for answer in own), default=0.0)
    if not wrong <= TOLERANCE:
        found.append(f"a served forecast differs from the model's own by {wrong:.1%}")
    return found

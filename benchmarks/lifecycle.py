"""What the model's life is measured by: `python -m benchmarks.lifecycle`; the last line is JSON.

Gates: pairs of forecasters with autocorrelated errors, over 104 draws; how often an equal challenger is promoted, and
how often one that errs by so much less is, beside the z-test that knows the long-run variance.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from . import attacks, monitoring, overhead, replays
from .report import Figure, finish

Array = npt.NDArray[np.float64]

DRAWS: Final = 104
PAIRS: Final = 1000
RATE: Final = 0.05
AUTOCORRELATION: Final = 0.4
SHARED: Final = 0.7
"""Share of the variance of both forecasters' log errors that is the same: neither knows it."""
LOG_SD: Final = 0.08
GAINS: Final = (0.02, 0.05, 0.10, 0.20)
SEED: Final = 20_260_101


def errors(rng: np.random.Generator, pairs: int, gain: float) -> tuple[Array, Array]:
    """Return absolute errors of challenger and champion as shares of sales, shape (pairs, DRAWS); log errors AR(1)."""
    shocks = rng.standard_normal((3, pairs, DRAWS + 50))
    series = np.zeros_like(shocks)
    for at in range(1, shocks.shape[2]):
        innovation = np.sqrt(1 - AUTOCORRELATION**2) * shocks[..., at]
        series[..., at] = AUTOCORRELATION * series[..., at - 1] + innovation
    common, own, held = series[..., 50:]
    challenger = (1 - gain) * LOG_SD * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own)
    champion = LOG_SD * (np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * held)
    return np.abs(np.expm1(challenger)), np.abs(np.expm1(champion))


def promoted(gain: Array) -> Array:
    """Return for each pair whether the gate's test promotes, shape (pairs,)."""
    from jackpot.evaluation.champion import mean_above_zero

    tests = (mean_above_zero(row) for row in gain)
    return np.array([test is not None and test.p_value <= RATE for test in tests], dtype=float)


def gates() -> list[Figure]:
    """Return the lower end of the 95% interval of the false promotion rate, and power by true gain."""
    from scipy.stats import beta

    rng = np.random.default_rng(SEED)
    challenger, champion = errors(rng, PAIRS, 0.0)
    false = int(promoted(champion - challenger).sum())
    low, high = beta.ppf([0.025, 0.975], [false, false + 1], [PAIRS - false + 1, PAIRS - false])
    what = f"gates: an equal challenger promoted in {false / PAIRS:.1%}, 95% interval to {high:.1%} from"
    figures = [Figure(what, float(low), "", f"<= {RATE}")]
    for gain in GAINS:
        challenger, champion = errors(rng, PAIRS, gain)
        difference = champion - challenger
        # The long-run variance is that of 20,000 more pairs of the same kind.
        known = np.subtract(*reversed(errors(rng, 20_000, gain))).mean(axis=1).std()
        z = float((difference.mean(axis=1) / known > NormalDist().inv_cdf(1 - RATE)).mean())
        gate = float(promoted(difference).mean())
        what = f"gates: a gain of {gain:.0%} found in {gate:.1%}, by the z-test that knows in {z:.1%}: short of it by"
        figures.append(Figure(what, z - gate, "", "<= 0.1"))
    return figures


def main() -> None:
    """Measure every part, print one table, and JSON last."""
    finish("lifecycle", [*gates(), *monitoring.rows(), *replays.rows(), *attacks.rows(), *overhead.rows()])


if __name__ == "__main__":
    main()

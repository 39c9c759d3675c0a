"""The monitor's detectors: how long they run to a false alarm, and how soon they find a change.

    make bench-lifecycle                              the figures
    python -m benchmarks.monitoring --tabulate        the thresholds in jackpot/monitoring/thresholds.py

Errors and log jackpots are simulated as independent standard normals; the baseline of each series is its own first
draws, so that the error of estimating it is in every run length. A run length is the mean over the series, those
without an alarm to the end counting as exponential (draws seen over alarms). The CUSUM beside each detector knows the
size of the change and the baseline without error, though not its time (Page 1954, Biometrika 41); it has the false
alarm rate of that detector.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jackpot.demand.base import Array
from jackpot.monitoring.detectors import DETECTORS, Detector, Errors, paths
from jackpot.monitoring.thresholds import DRAWS_TO_FALSE_ALARM, THRESHOLDS

from .report import Figure, finish

SERIES = 2000
CHUNK = 250
BASELINES = (52, 104, 208)
IN_USE = 104
NOISE = 0.08
"""Log standard deviation of a draw's sales about their forecast, as in configs/markets/england.yaml."""
ELASTICITY = 0.3
SPREAD = 0.5
"""Standard deviation of the log jackpot."""
FACTOR = 12
"""Series are so many times as long as the run length wanted."""
TABLE = Path(__file__).resolve().parent.parent / "jackpot" / "monitoring" / "thresholds.py"


@dataclass(frozen=True)
class Change:
    """A change from the first draw watched on, and the log likelihood ratio that knows it."""

    name: str
    detector: Detector
    apply: Callable[[Errors], Errors]
    log_ratio: Callable[[Errors], Array]


def errors(seed: int, series: int, baseline: int, draws: int) -> tuple[Errors, Errors]:
    """Return simulated baselines and what follows them, no change in them."""
    scores, pull = np.random.default_rng(seed).standard_normal((2, series, baseline + draws))
    parts = slice(None, baseline), slice(baseline, None)
    before, after = (Errors(scores[:, part], pull[:, part]) for part in parts)
    return before, after


def statistics(seed: int, series: int, baseline: int, draws: int) -> dict[Detector, Array]:
    """Return each detector over series without a change, shape (series, draws)."""
    found: dict[Detector, list[Array]] = {name: [] for name in DETECTORS}
    for chunk in range(0, series, CHUNK):
        for name, path in paths(*errors(seed + chunk, min(CHUNK, series - chunk), baseline, draws)).items():
            found[name].append(path.statistic.astype(np.float32))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def run_lengths(statistic: Array, threshold: float) -> tuple[Array, float]:
    """Return when each series first passes a threshold (its length where never), and the mean run length."""
    over = statistic > threshold
    alarmed = over.any(axis=1)
    first = np.where(alarmed, over.argmax(axis=1) + 1, statistic.shape[1]).astype(float)
    return first, float(first.sum() / max(int(alarmed.sum()), 1))


def threshold_for(statistic: Array, run_length: float) -> float:
    """Return the threshold with a mean run length, by bisection."""
    low, high = 0.0, float(statistic.max())
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if run_lengths(statistic, middle)[1] < run_length else (low, middle)
    return high


def joint(found: dict[Detector, Array], thresholds: dict[Detector, float]) -> Array:
    """Return the largest of the detectors, each in units of its threshold."""
    result = found[DETECTORS[0]] / thresholds[DETECTORS[0]]
    for name in DETECTORS[1:]:
        np.maximum(result, found[name] / thresholds[name], out=result)
    return result


def tabulate() -> None:
    """Write the thresholds: equal run lengths for the four detectors, such that all together have the one stated."""
    lines = []
    for baseline in BASELINES:
        rows = []
        for verdict, stated in DRAWS_TO_FALSE_ALARM.items():
            found = statistics(1_000_003 * baseline, SERIES, baseline, FACTOR * stated)
            low, high = float(stated), 8.0 * stated
            for _ in range(9):
                middle = math.sqrt(low * high)
                each = {name: threshold_for(found[name], middle) for name in DETECTORS}
                low, high = (middle, high) if run_lengths(joint(found, each), 1.0)[1] < stated else (low, middle)
            values = ", ".join(f'"{name}": {each[name]:.3f}' for name in DETECTORS)
            rows.append(f'        "{verdict}": {{{values}}},\n')
            print(baseline, verdict, each, f"each {middle:.0f}", flush=True)
        lines.append(f"    {baseline}: {{\n{''.join(rows)}    }},\n")
    text = TABLE.read_text()
    head, mark, _ = text.partition("    # tabulated\n")
    TABLE.write_text(f"{head}{mark}{''.join(lines)}}}\n")


def changes() -> list[Change]:
    """Return the changes that have to be found."""

    def level(percent: int) -> Change:
        d = math.log1p(percent / 100) / NOISE
        return Change(
            f"level shift of {percent}%",
            "level",
            lambda e: Errors(e.scores + d, e.pull),
            lambda e: d * e.scores - d * d / 2,
        )

    g = -0.5 * ELASTICITY * SPREAD / NOISE
    return [
        level(5),
        level(10),
        level(20),
        Change(
            "halved elasticity",
            "elasticity",
            lambda e: Errors(e.scores + g * e.pull, e.pull),
            lambda e: g * e.pull * e.scores - (g * e.pull) ** 2 / 2,
        ),
        Change(
            "doubled variance",
            "variance",
            lambda e: Errors(e.scores * math.sqrt(2), e.pull),
            lambda e: e.scores**2 / 4 - math.log(2) / 2,
        ),
    ]


def cusum(log_ratio: Array) -> Array:
    """Return the CUSUM of log likelihood ratios, shape (series, draws)."""
    total, out = np.zeros(len(log_ratio)), np.empty_like(log_ratio)
    for draw in range(log_ratio.shape[1]):
        total = np.maximum(0.0, total + log_ratio[:, draw])
        out[:, draw] = total
    return out


def rows() -> list[Figure]:
    """Return the monitor's figures."""
    figures = []
    for baseline in BASELINES:
        for verdict, stated in DRAWS_TO_FALSE_ALARM.items():
            found = statistics(7_000_001 * baseline, SERIES, baseline, FACTOR * stated)
            mean = run_lengths(joint(found, THRESHOLDS[baseline][verdict]), 1.0)[1]
            name = f"draws to a false {verdict}, stated {stated}, baseline of {baseline}: relative error"
            figures.append(Figure(f"monitor: {name}", abs(mean / stated - 1), "", "<= 0.2"))
            if (baseline, verdict) == (IN_USE, "retrain"):
                each = {name: run_lengths(found[name], THRESHOLDS[baseline][verdict][name])[1] for name in DETECTORS}
    del found
    quiet = errors(11, CHUNK * 2, IN_USE, 6000)[1]
    thresholds = THRESHOLDS[IN_USE]["retrain"]
    for change in changes():
        before, after = errors(29, SERIES, IN_USE, 250)
        moved = change.apply(after)
        path = paths(before, moved)[change.detector].statistic
        own = float(np.median(run_lengths(path, thresholds[change.detector])[0]))
        bound = threshold_for(cusum(change.log_ratio(quiet)), each[change.detector])
        known = float(np.median(run_lengths(cusum(change.log_ratio(moved)), bound)[0]))
        what = f"monitor: {change.name}: {own:g} draws, the CUSUM that knows it {known:g}: ratio"
        figures.append(Figure(what, own / known, "", "<= 1.5"))
    return figures


if __name__ == "__main__":
    if "--tabulate" in sys.argv:
        tabulate()
    else:
        finish("monitoring", rows())

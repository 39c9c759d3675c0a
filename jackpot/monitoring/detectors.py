"""Sequential detectors of a change at an unknown time and of an unknown size, beside a baseline of so many draws.

Each is a window-limited generalised likelihood ratio (Willsky and Jones 1976, IEEE TAC 21(1); Lai 1995, JRSS B 57(4)):
after every draw, the last 1, 2, ... 60 draws are compared with the baseline, and the largest standardised
difference counts. That the baseline is itself estimated stands in each statistic, as in the change-point form of
Hawkins, Qiu and Kang 2003, Journal of Quality Technology 35(4): it does not shorten the run between false alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ..demand.base import Array

Detector = Literal["level", "variance", "elasticity", "calibration"]
DETECTORS: Final[tuple[Detector, ...]] = ("level", "variance", "elasticity", "calibration")
SPANS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 27, 33, 40, 49, 60)
"""A change is looked for among so many of the last draws."""
PENALTY: Final = 0.2
"""What a short span pays for there being more of them, times the log of the longest over it (Duembgen and Spokoiny
2001, Annals of Statistics 29(1)): small changes need it, large ones can afford it."""
CLIP: Final = 3.5
"""Standard deviations at which an error is cut: one freak draw is no drift."""
SMALLEST_FOR_RATE: Final = 8
"""Draws in which a rate of misses is looked at: in fewer, one miss would be an alarm."""
EDGE: Final = 1.6448536269514722
"""Where the 90% interval ends, in standard deviations."""


@dataclass(frozen=True)
class Errors:
    """Standardised one-step errors, shape (..., n): `scores`, and `pull`, the log jackpots of the same draws."""

    scores: Array
    pull: Array

    def __len__(self) -> int:
        return int(self.scores.shape[-1])


@dataclass(frozen=True)
class Path:
    """A detector after each draw, shape (..., n): its statistic, and how many of the last draws it speaks of."""

    statistic: Array
    draws: npt.NDArray[np.intp]


def paths(baseline: Errors, watched: Errors) -> dict[Detector, Path]:
    """Return each detector after each draw watched, for one series or for many at once.

    Where the baseline's jackpots never differ there is no elasticity to watch, and its statistic stays nought.
    """
    m = len(baseline)
    before, now = (np.clip(part.scores, -CLIP, CLIP) for part in (baseline, watched))
    mean = before.mean(axis=-1, keepdims=True)
    sd = np.maximum(before.std(axis=-1, ddof=1, keepdims=True), 1e-9)
    standard = (now - mean) / sd
    pull_before, pull = _centred(baseline.pull, watched.pull)
    weight = np.sum(pull_before**2, axis=-1, keepdims=True)
    safe = np.where(weight > 1e-9, weight, 1.0)
    slope = np.sum(pull_before * (before - mean) / sd, axis=-1, keepdims=True) / safe
    missed_before = np.abs(baseline.scores) > EDGE
    rate = (missed_before.sum(axis=-1, keepdims=True) + 1) / (m + 10)  # a prior of one miss in ten draws
    sums = {
        "level": _cumulated(standard),
        "square": _cumulated(standard**2),
        "pulled": _cumulated((standard - slope * pull) * pull),
        "weight": _cumulated(pull**2),
        "missed": _cumulated((np.abs(watched.scores) > EDGE).astype(float)),
    }
    shape, n = standard.shape, standard.shape[-1]
    best = {name: np.zeros(shape) for name in DETECTORS}
    length = {name: np.ones(shape, dtype=np.intp) for name in DETECTORS}
    for w in (span for span in SPANS if span <= n):
        of = {name: total[..., w:] - total[..., :-w] for name, total in sums.items()}
        found: dict[Detector, Array] = {
            "level": np.abs(of["level"]) / np.sqrt(w * (1 + w / m)),
            "variance": _scale_score(of["square"] / w, w, m),
            "elasticity": np.abs(of["pulled"])
            / np.sqrt(np.maximum(of["weight"] * (1 + of["weight"] / safe), 1e-12))
            * (weight > 1e-9),
        }
        if w >= SMALLEST_FOR_RATE:
            found["calibration"] = _rate_score(of["missed"] / w, rate, w, m)
        for name, score in found.items():
            statistic = score - PENALTY * np.log(SPANS[-1] / w)
            larger = statistic > best[name][..., w - 1 :]
            best[name][..., w - 1 :][larger] = statistic[larger]
            length[name][..., w - 1 :][larger] = w
    return {name: Path(best[name], length[name]) for name in DETECTORS}


def _centred(before: Array, now: Array) -> tuple[Array, Array]:
    """Return log jackpots in standard deviations of the baseline's; nought where those never differ."""
    mean, sd = before.mean(axis=-1, keepdims=True), before.std(axis=-1, keepdims=True)
    scale = np.where(sd > 1e-6, 1 / np.maximum(sd, 1e-6), 0.0)
    return (before - mean) * scale, np.clip((now - mean) * scale, -CLIP, CLIP)


def _cumulated(values: Array) -> Array:
    result: Array = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    return result


def _scale_score(ratio: Array, w: int, m: int) -> Array:
    """Return a ratio of variances, over w draws and m, as a normal score (Paulson 1942, Ann. Math. Stat. 13(2))."""
    of_w, of_m, root = 2 / (9 * w), 2 / (9 * m), np.cbrt(ratio)
    score: Array = ((1 - of_m) * root - (1 - of_w)) / np.sqrt(of_w + of_m * root**2)
    return score


def _rate_score(share: Array, rate: Array, w: int, m: int) -> Array:
    """Return a share of w draws beside a rate estimated from m: the root of twice the binomial log likelihood ratio."""
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = np.where(share > 0, share * np.log(share / rate), 0.0)
        others = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - rate)), 0.0)
    score: Array = np.sqrt(np.maximum(2 * w * (hits + others), 0.0) / (1 + w / m))
    return score

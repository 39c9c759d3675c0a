"""Thresholds of the detectors by the draws in the baseline, written by `python -m benchmarks.monitoring --tabulate`.

Found by simulating 2,000 series without a change, each with a baseline of its own: all four detectors have one run
length each, such that the first of them to alarm does so after the stated draws on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from .detectors import Detector

DRAWS_TO_FALSE_ALARM: Final[Mapping[Literal["watch", "retrain"], int]] = {"watch": 125, "retrain": 500}
"""Average draws between false alarms of all detectors together: about 2.5 and 10 years of a weekly market."""
THRESHOLDS: Final[Mapping[int, Mapping[Literal["watch", "retrain"], Mapping[Detector, float]]]] = {
    # tabulated
    52: {
        "watch": {"level": 2.714, "variance": 1.985, "elasticity": 2.694, "calibration": 2.303},
        "retrain": {"level": 3.094, "variance": 2.254, "elasticity": 3.080, "calibration": 2.715},
    },
    104: {
        "watch": {"level": 2.777, "variance": 2.101, "elasticity": 2.747, "calibration": 2.454},
        "retrain": {"level": 3.208, "variance": 2.443, "elasticity": 3.169, "calibration": 2.914},
    },
    208: {
        "watch": {"level": 2.830, "variance": 2.199, "elasticity": 2.787, "calibration": 2.567},
        "retrain": {"level": 3.285, "variance": 2.593, "elasticity": 3.228, "calibration": 3.071},
    },
}

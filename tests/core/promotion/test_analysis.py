"""Roll-outs of good and bad versions: the bad are stopped before half the traffic, the good go through."""

from __future__ import annotations

import numpy as np
import pytest

from jackpot.promotion.analysis import PROBES, STEPS, Answer, faults

OLD, NEW = "a" * 64, "b" * 64


def answers(rng: np.random.Generator, percent: int, errors: float, slower: float, off: float) -> list[Answer]:
    """Return what PROBES requests give where 0.05% of all fail anyway, and the champion answers in some 20 ms."""
    own = rng.random(PROBES) < percent / 100
    failed = rng.random(PROBES) < np.where(own, errors, 0.0) + 0.0005
    seconds = 0.02 * rng.lognormal(0, 0.4, PROBES) * np.where(own, slower, 1.0)
    return [
        Answer(None, s) if bad else Answer(NEW if mine else OLD, s, off if mine else 0.0)
        for mine, bad, s in zip(own, failed, seconds.tolist(), strict=True)
    ]


def furthest(rng: np.random.Generator, errors: float, slower: float, off: float) -> int:
    """Return the percentage of traffic at which a roll-out stopped; 101 where it went through."""
    for percent in (*STEPS[1:], 100):
        if faults(answers(rng, percent, errors, slower, off), NEW, percent):
            return percent
    return 101


@pytest.mark.slow
def test_bad_versions_are_stopped_before_half_the_traffic_and_good_ones_pass() -> None:
    rng = np.random.default_rng(5)
    bad = [(0.2, 1.0, 0.0), (1.0, 1.0, 0.0), (0.0, 8.0, 0.0), (0.0, 1.0, 1e-3)]
    stopped = [furthest(rng, *bad[turn % len(bad)]) for turn in range(1000)]
    assert np.mean(np.array(stopped) < 50) >= 0.99
    assert np.mean([furthest(rng, 0.0, 1.0, 1e-9) == 101 for _ in range(1000)]) >= 0.98


def test_each_fault_is_named() -> None:
    rng = np.random.default_rng(1)
    assert faults(answers(rng, 10, 0.0, 1.0, 0.0), NEW, 10) == []
    assert "requests failed" in faults(answers(rng, 10, 0.5, 1.0, 0.0), NEW, 10)[0]
    assert "95% of its answers" in faults(answers(rng, 10, 0.0, 9.0, 0.0), NEW, 10)[0]
    assert "differs from the model's own by 1.0%" in faults(answers(rng, 10, 0.0, 1.0, 0.01), NEW, 10)[0]
    assert "none of 1000 answers came from it" in faults(answers(rng, 0, 0.0, 1.0, 0.0), NEW, 10)[0]
    assert "differs" in faults([Answer(NEW, 0.01, float("nan"))], NEW, 100)[0]

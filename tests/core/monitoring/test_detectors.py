"""Detectors: what they are by definition, that they find what is there, and that they keep their run length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.monitoring.detectors import DETECTORS, PENALTY, SPANS, Detector, Errors, paths
from jackpot.monitoring.thresholds import DRAWS_TO_FALSE_ALARM, THRESHOLDS

M = 104


def series(seed: int, n: int, shape: tuple[int, ...] = ()) -> tuple[Errors, Errors]:
    scores, pull = np.random.default_rng(seed).standard_normal((2, *shape, M + n))
    return Errors(scores[..., :M], pull[..., :M]), Errors(scores[..., M:], pull[..., M:])


def test_the_level_is_the_largest_standardised_difference_of_means() -> None:
    baseline, watched = series(1, 5)
    standard = (watched.scores - baseline.scores.mean()) / baseline.scores.std(ddof=1)
    by_hand = max(
        abs(standard[-w:].sum()) / np.sqrt(w * (1 + w / M)) - PENALTY * np.log(SPANS[-1] / w) for w in (1, 2, 3, 4, 5)
    )
    assert paths(baseline, watched)["level"].statistic[-1] == pytest.approx(by_hand)


def test_a_prefix_of_a_series_has_the_same_path() -> None:
    """A statistic after a draw knows nothing of later draws."""
    baseline, watched = series(2, 80)
    whole = paths(baseline, watched)
    part = paths(baseline, Errors(watched.scores[:50], watched.pull[:50]))
    for name in DETECTORS:
        np.testing.assert_allclose(part[name].statistic, whole[name].statistic[:50])
        np.testing.assert_array_equal(part[name].draws, whole[name].draws[:50])


@settings(deadline=None, max_examples=25)
@given(st.floats(-3, 3), st.floats(0.2, 5.0))
def test_level_variance_and_elasticity_do_not_depend_on_the_unit_of_the_errors(shift: float, scale: float) -> None:
    baseline, watched = series(3, 30)
    quiet = (
        Errors(np.clip(baseline.scores, -0.6, 0.6), baseline.pull),
        Errors(np.clip(watched.scores, -0.6, 0.6), watched.pull),
    )
    moved = [Errors(scale * part.scores / 5 + shift / 5, part.pull) for part in quiet]
    one, other = paths(*quiet), paths(*moved)
    for name in ("level", "variance", "elasticity"):
        np.testing.assert_allclose(one[name].statistic, other[name].statistic, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("level", lambda e: Errors(e.scores + 1.2, e.pull)),
        ("level", lambda e: Errors(e.scores - 1.2, e.pull)),
        ("variance", lambda e: Errors(e.scores * 2, e.pull)),
        ("elasticity", lambda e: Errors(e.scores - 1.0 * e.pull, e.pull)),
        ("calibration", lambda e: Errors(e.scores * 2, e.pull)),
    ],
)
def test_a_change_is_found_and_its_span_begins_near_it(name: Detector, change) -> None:  # type: ignore[no-untyped-def]
    baseline, watched = series(4, 100)
    late = change(watched)
    mixed = Errors(np.r_[watched.scores[:60], late.scores[60:]], watched.pull)
    path = paths(baseline, mixed)[name]
    threshold = THRESHOLDS[M]["retrain"][name]
    assert path.statistic[:60].max() < threshold
    assert path.statistic[-1] > threshold
    assert 20 <= path.draws[-1] <= 60


def test_where_jackpots_never_differ_there_is_no_elasticity_to_watch() -> None:
    baseline, watched = series(5, 40)
    flat = [Errors(part.scores, np.full_like(part.scores, 16.5)) for part in (baseline, watched)]
    assert paths(*flat)["elasticity"].statistic.max() <= 0


def test_one_freak_draw_is_no_alarm() -> None:
    baseline, watched = series(6, 40)
    freak = Errors(np.r_[watched.scores[:-1] * 0, 50.0], watched.pull)
    found = paths(baseline, freak)
    for name in ("variance", "elasticity", "calibration"):
        assert found[name].statistic[-1] < THRESHOLDS[M]["retrain"][name]


@pytest.mark.slow
def test_the_run_length_to_a_false_watch_is_the_one_stated() -> None:
    baseline, watched = series(7, 1000, (300,))
    found = paths(baseline, watched)
    over = np.max([found[name].statistic / THRESHOLDS[M]["watch"][name] for name in DETECTORS], axis=0) > 1
    first = np.where(over.any(axis=1), over.argmax(axis=1) + 1, over.shape[1])
    mean = first.sum() / over.any(axis=1).sum()
    # Three standard errors of a mean of 300 exponential run lengths are 17%.
    assert mean == pytest.approx(DRAWS_TO_FALSE_ALARM["watch"], rel=0.2)

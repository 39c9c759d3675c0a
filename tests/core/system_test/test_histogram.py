"""Percentiles from logarithmic buckets are those of the sorted latencies, to a hundredth."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.system_test.histogram import Histogram


@given(st.lists(st.floats(1e-5, 1e3), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
@settings(max_examples=60, deadline=None)
def test_a_quantile_is_the_sorted_one_to_a_hundredth(seconds: list[float], q: float) -> None:
    histogram = Histogram()
    histogram.add(seconds[: len(seconds) // 2])
    histogram.add(seconds[len(seconds) // 2 :])
    exact = float(np.quantile(seconds, q, method="inverted_cdf"))
    assert exact * (1 - 1e-9) <= histogram.quantile(q) <= exact * 1.0101
    assert len(histogram) == len(seconds)


def test_of_no_latency_there_is_no_quantile() -> None:
    assert math.isnan(Histogram().quantile(0.5))

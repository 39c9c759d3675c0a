"""Real traffic speaks against a canary by more than chance, or not at all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from jackpot.environment import Traffic
from jackpot.promotion.traffic import Counted, traffic_faults

LIMITS = Traffic(prometheus="http://prometheus.example.com")
BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, math.inf)


def counted(errors: int, seconds: np.ndarray) -> Counted:
    return Counted(len(seconds), errors, {bound: float(np.sum(seconds <= bound)) for bound in BOUNDS})


def of(requests: int, errors: int = 0, slow: int = 0) -> Counted:
    return counted(errors, np.array([0.4] * slow + [0.02] * (requests - slow)))


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (of(1000), None),
        (of(1000, errors=10), None),
        (of(1000, errors=50), "50 of 1000 requests of real traffic failed, over 1%"),
        (of(1000, slow=10), None),
        (of(1000, slow=50), "99% of the answers to real traffic took up to 450 ms, over 250 ms"),
        (of(99, errors=99, slow=99), None),
        (of(100, errors=100), "100 of 100"),
        (of(100, errors=2, slow=2), None),
        (of(0), None),
    ],
)
def test_what_is_over_a_threshold_by_more_than_chance_is_named(seen: Counted, says: str | None) -> None:
    found = traffic_faults(seen, LIMITS)
    assert len(found) == (says is not None)
    assert says is None or found[0].startswith(says)


def test_thresholds_are_the_environments() -> None:
    strict = LIMITS.model_copy(update={"requests": 10, "errors_pct": 0.01, "p99_ms": 40.0})
    assert not traffic_faults(of(50, errors=5), LIMITS)
    assert "over 0.01%" in traffic_faults(of(50, errors=5), strict)[0]
    assert "over 40 ms" in traffic_faults(counted(0, np.full(1000, 0.09)), strict)[0]
    assert not traffic_faults(counted(0, np.full(1000, 0.045)), strict), "40 ms is no bound: the next above counts"


@pytest.mark.parametrize(
    "wrong",
    [
        {"prometheus": "prometheus:9090"},
        {"prometheus": "http://"},
        {"prometheus": "http://a b"},
        {"seconds": 15},
        {"seconds": 60.5},
        {"requests": 0},
        {"errors_pct": 100.0},
        {"p99_ms": 5000.0},
        {"prometheuss": "http://a"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    Traffic.model_validate({"prometheus": "https://a:9090/prometheus"})
    with pytest.raises(ValidationError):
        Traffic.model_validate({"prometheus": "http://a:9090", **wrong})


def test_good_versions_of_few_requests_pass_and_bad_ones_of_many_do_not() -> None:
    rng = np.random.default_rng(3)

    def stopped(errors: float, slow: float) -> float:
        found = []
        for _ in range(500):
            count = int(rng.integers(100, 2000))
            seconds = np.where(rng.random(count) < slow, 1.0, 0.02)
            found.append(bool(traffic_faults(counted(int(rng.binomial(count, errors)), seconds), LIMITS)))
        return float(np.mean(found))

    assert stopped(0.005, 0.005) <= 0.01
    assert stopped(0.2, 0.0) >= 0.99
    assert stopped(0.0, 0.2) >= 0.99


def test_the_quantile_is_linear_within_its_bucket() -> None:
    assert Counted(100, 0, {0.1: 90.0, 0.2: 100.0, math.inf: 100.0}).slowest() == pytest.approx(0.19)
    assert Counted(100, 0, {0.1: 90.0, 0.2: 95.0, math.inf: 100.0}).slowest() == pytest.approx(0.2), "no bound above"
    assert str(of(500, errors=3)) == "500 requests, of which 3 failed; 99% took up to 50 ms"
    assert str(of(0)) == "no requests"

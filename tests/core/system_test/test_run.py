"""A server that answers by the model passes; one that is wrong in one way is stopped, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jackpot.demand.storage import model_hash
from jackpot.environment import SystemTest
from jackpot.errors import InputError, JackpotError
from jackpot.system_test.contract import Answer, Load, Report
from jackpot.system_test.histogram import Histogram
from jackpot.system_test.run import system_test
from tests.scoring import model_files_of, scoring_model

MODEL = ("england", "state_space")
LIMITS = SystemTest(draws=8)


@cache
def own(jackpot: float, date: str) -> dict[str, Any]:
    """Return the model's own answer."""
    model = scoring_model(*MODEL)
    path = model.calendar[model.calendar <= pd.Timestamp(date)]
    at = np.array([jackpot])
    low, median, high = model.demand.quantiles(at, path, np.array([0.05, 0.5, 0.95]))[:, -1, 0]
    return {
        "mean": model.demand.mean(at, path)[-1, 0],
        "median": median,
        "quantiles": {"0.05": low, "0.95": high},
        "elasticity": model.demand.elasticity(at)[0].mean,
        "extrapolated": jackpot > model.demand.largest_seen,
    }


@dataclass
class Fake:
    """A server of the small model that answers V1 alone; each field makes it wrong in one way."""

    factor: float = 1.0
    model: str = field(default_factory=lambda: model_hash(model_files_of(*MODEL)))
    latency: float = 0.001
    failed: int = 0
    answers_bad: bool = False
    dead: bool = False
    served: tuple[str, ...] = ()

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        if self.dead:
            return Answer(0, b"refused")
        if self.served and path == "/v1/models":
            return Answer(200, json.dumps({"models": self.served}).encode())
        if method == "GET" or "repository" in path or not path.endswith("england:predict"):
            return Answer(404, b'{"error": "none"}')
        try:
            asked = json.loads(body)
            good = set(asked) <= {"instances", "quantiles"} and asked.get("quantiles", [0.05, 0.95]) == [0.05, 0.95]
            rows = [(row["jackpot"], row["draw_date"]) for row in asked["instances"] if len(row) == 2]
            good &= 0 < len(rows) == len(asked["instances"]) <= 1_000 and "json" in (headers or {})["content-type"]
            good &= all(type(j) in (int, float) and 0 < j < 1e12 and d >= "2025-12-14" for j, d in rows)
            if not good:
                raise ValueError
            found = [{name: self.wrong(name, value) for name, value in own(float(j), d).items()} for j, d in rows]
            return Answer(200, json.dumps({"predictions": found, "model": self.model}).encode())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Answer(200 if self.answers_bad else 422, b'{"error": "no"}')

    def wrong(self, name: str, value: Any) -> Any:
        if name == "quantiles":
            return {level: figure * self.factor for level, figure in value.items()}
        return value * self.factor if name in {"mean", "median"} else value

    def load(self, path: str, body: bytes, rate: float, seconds: float) -> Load:
        histogram = Histogram()
        histogram.add([self.latency] * 100)
        return Load(histogram, self.failed)


def run(server: Fake) -> Report:
    return system_test("http://x", server, "england", model_files_of(*MODEL), scoring_model(*MODEL), LIMITS)


def failed(server: Fake, group: str) -> list[str]:
    return [check.name for check in run(server).failed if check.group == group]


def test_the_models_own_answers_pass() -> None:
    report = run(Fake())
    passed = {check.name for check in report.checks if check.passed}
    assert {"V1 answers as the model does", "the answer names the model tested", "p99", "NaN"} <= passed
    # The fake has neither V2 nor readiness.
    v1 = [check.name for check in report.failed if check.group in {"accuracy", "latency", "refusals"}]
    assert [name for name in v1 if "V2" not in name] == ["a broken binary header", "unloading the model"]


def test_an_answer_off_by_a_part_in_a_hundred_million_is_seen() -> None:
    assert "V1 answers as the model does" in failed(Fake(factor=1 + 1e-8), "answers")


def test_a_model_wrong_by_half_is_stopped_by_the_last_draws_alone() -> None:
    assert failed(Fake(factor=1.5), "accuracy") == ["the last draws' jackpots, asked of the server"]


def test_another_model_is_named() -> None:
    assert failed(Fake(model="0" * 64), "answers") == [
        "the answer names the model tested",
        "V2 answers as the model does",
        "V2 with binary tensors answers as the model does",
    ]


def test_a_slow_server_and_a_lost_request_are_seen() -> None:
    assert failed(Fake(latency=0.3), "latency") == ["p50", "p95", "p99"]
    assert failed(Fake(failed=1), "latency") == ["every request answered, 50 a second"]


def test_an_answer_to_nonsense_is_seen() -> None:
    assert "no JSON" in failed(Fake(answers_bad=True), "refusals")


def test_a_name_that_is_not_served_is_bad_input_in_one_line_with_those_that_are() -> None:
    with pytest.raises(InputError) as stop:
        run(Fake(served=("megasena", "powerball")))
    assert str(stop.value) == "http://x: no such model: england; served: megasena, powerball"


def test_where_nobody_answers_the_report_says_so_and_is_short() -> None:
    report = run(Fake(dead=True))
    assert [check.name for check in report.checks] == ["the server is alive"]
    with pytest.raises(JackpotError, match="no answer: refused"):
        report.require()

"""The policy pipeline, compiled, really run under kfp.local: its shards together say what one process says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackpot.adapters.kfp_local import LocalRun, run_pipeline
from jackpot.cli import main
from pipelines.compiling import COMPILED
from tests.conftest import Place


def run(place: Place, **arguments: object) -> LocalRun:
    given = {"market": "england_realised", "environment": str(place.environment), "seed": 3, **arguments}
    return run_pipeline(COMPILED / "policy.yaml", given, place.root / "policy.log")


def report(place: Place) -> bytes:
    (path,) = (place.root / "store" / "policies").rglob("*.json")
    return Path(path).read_bytes()


def test_shards_on_a_pipeline_say_what_one_process_says(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(place, runs=150, draws=10)
    assert done.succeeded, done.log.read_text()
    assert [step.name for step in done.steps].count("run-policy") == 2
    words = ["simulate-policy", "england_realised", "--runs", "150", "--draws", "10", "--seed", "3", "--processes", "1"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--environment", str(place.environment), "--json"])
    assert stop.value.code == 0
    assert json.loads(capsys.readouterr().out) == json.loads(report(place))


def test_a_comparison_that_cannot_be_made_fails_with_its_reason(place: Place) -> None:
    done = run(place, runs=2, kind="backtest", happened=True)
    assert not done.succeeded
    (failure,) = done.failures()
    assert failure["kind"] == "input"
    assert "what happened is one run" in failure["message"]

"""Tuning inside the weekly pipeline, really run: shards side by side, the outcome in every record, then kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Place

pytestmark = pytest.mark.integration

JACKPOT = str(Path(sys.executable).parent / "jackpot")
TRIALS = 60
"""More than one shard."""


def run(place: Place, market: Path, trials: int, out: str) -> Path:
    words = [JACKPOT, "run", str(market), "--environment", str(place.environment), "--out", str(place.root / out)]
    done = subprocess.run([*words, "--tuning-trials", str(trials)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return place.root / out


def nested(place: Place) -> dict[str, int]:
    """Return how many runs the registry holds under a run, and how many of them were chosen."""
    code = (
        "import json, sys; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1], sys.argv[1]);"
        "e = [x.experiment_id for x in c.search_experiments()];"
        "r = [x for x in c.search_runs(e, max_results=5000) if 'mlflow.parentRunId' in x.data.tags];"
        "print(json.dumps({'trials': len(r), 'chosen': sum(x.data.tags['chosen'] == 'true' for x in r),"
        "'finished': sum(x.info.status == 'FINISHED' for x in r),"
        "'scored': sum('screening_score' in x.data.metrics and len(x.data.params) == 7 for x in r)}))"
    )
    uri = f"sqlite:///{place.root}/mlflow.db"
    done = subprocess.run([sys.executable, "-c", code, uri], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_tuned_week_says_so_everywhere_and_the_next_week_keeps_its_settings(place: Place) -> None:
    market = place.market(changes={"history:\n": "demand: {model: spline}\nhistory:\n"}, rename="tuned")
    first = run(place, market, TRIALS, "first")
    tuning = json.loads((first / "evaluation.json").read_bytes())["tuning"]
    assert (tuning["trials_done"], tuning["ended_by"]) == (TRIALS, "trials")
    assert nested(place) == {"trials": TRIALS, "chosen": 1, "finished": TRIALS, "scored": TRIALS}
    assert f"{TRIALS} trials" in (first / "report.html").read_text()

    kept = {path: path.stat().st_mtime_ns for path in (place.root / "store" / "tuning").rglob("*.json")}
    again = run(place, market, 0, "again")
    assert json.loads((again / "evaluation.json").read_bytes())["tuning"] == tuning
    assert {path: path.stat().st_mtime_ns for path in (place.root / "store" / "tuning").rglob("*.json")} == kept
    assert (again / "recommendation.json").read_bytes() == (first / "recommendation.json").read_bytes()

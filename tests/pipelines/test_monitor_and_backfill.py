"""Monitor and backfill, compiled, really run under kfp.local."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jackpot.canonical import json_bytes
from jackpot.demand.storage import model_hash
from tests.conftest import Place

pytestmark = pytest.mark.integration

JACKPOT = str(Path(sys.executable).parent / "jackpot")


def jackpot(place: Place, *words: Any) -> subprocess.CompletedProcess[str]:
    command = [JACKPOT, *map(str, words), "--environment", str(place.environment)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place.root, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def test_a_backfill_gives_the_bytes_of_the_run_of_that_day_and_touches_nothing_else(place: Place) -> None:
    words = ("backfill", "england", "--from", "2025-11-01", "--to", "2025-11-08", "--json")
    rows = json.loads(jackpot(place, *words).stdout)
    assert [(row["draw_date"], row["as_of"], row["model_standing"]) for row in rows] == [
        ("2025-11-01", "2025-10-26", "candidate"),
        ("2025-11-08", "2025-11-02", "candidate"),
    ]
    store = place.root / "store"
    assert not (store / "recommendations").exists()
    assert not (place.root / "audit" / "records").exists()
    assert not (place.root / "mlflow.db").exists()

    kept = {row["draw_date"]: store / row["prefix"] / "recommendation.json" for row in rows}
    written = {date: path.stat().st_mtime_ns for date, path in kept.items()}
    assert json.loads(jackpot(place, *words).stdout) == rows
    assert {date: path.stat().st_mtime_ns for date, path in kept.items()} == written

    jackpot(place, "run", "england", "--as-of", "2025-10-26", "--out", place.root / "out")
    assert (place.root / "out" / "recommendation.json").read_bytes() == kept["2025-11-01"].read_bytes()

    found = json.loads(jackpot(place, "monitor", "england", "--json").stdout)
    assert (found["model_standing"], found["model_version"]) == ("champion", "v1")
    assert found["watched_draws"] == 7
    fan = next(one for one in found["fans"] if one["name"] == "payout_ratio")
    assert fan["state"] in {"quiet", "watch"}
    assert "planned on 2025-11-01" in fan["evidence"]
    page = (place.root / "out" / "england" / "monitor.html").read_text()
    assert found["reason"].split(";")[0] in page
    records = [json.loads(path.read_text()) for path in (place.root / "audit" / "records").rglob("*.json")]
    assert [record["body"]["verdict"] for record in records if record["kind"] == "monitor_verdict"] == [
        found["verdict"]
    ]


def test_after_a_stop_the_last_jackpot_is_kept_and_a_replay_gives_the_same(place: Place) -> None:
    first = place.root / "out" / "first"
    jackpot(place, "run", "england", "--out", first)
    free = json.loads((first / "recommendation.json").read_bytes())
    result = json.loads(next((place.root / "store" / "recommendations" / "england").rglob("latest.json")).read_text())
    folder = place.root / "store" / result["prefix"] / "model"
    model = model_hash({path.name: path.read_bytes() for path in folder.iterdir()})
    stopped = {
        "schema_version": "1", "market": "england", "title": "England", "as_of": free["as_of"],
        "source_uri": "synthetic", "snapshot": free["metadata"]["snapshot"],
        "market_file": free["metadata"]["market_file"], "model": model,
        "model_name": "combination", "model_version": "v1", "model_standing": "champion", "model_as_of": free["as_of"],
        "baseline_draws": 104, "watched_draws": 20, "draws_to_false_watch": 125, "draws_to_false_retrain": 500,
        "detectors": [], "data": [], "fans": [], "wmape_pct": 30.0, "naive_wmape_pct": 20.0,
        "verdict": "stop", "cause": "level", "reason": "sales were 40% below the forecast",
    }  # fmt: skip
    (place.root / "store" / "monitoring" / "england").mkdir(parents=True)
    (place.root / "store" / "monitoring" / "england" / "latest.json").write_bytes(json_bytes(stopped))
    second = place.root / "out" / "second"
    jackpot(place, "run", "england", "--out", second)
    held = json.loads((second / "recommendation.json").read_bytes())
    assert held["jackpot"] == held["keep_last"]["jackpot"] != free["jackpot"]
    assert held["keep_last"]["gain"] == pytest.approx(0.0, abs=0.01)
    assert "sales were 40% below the forecast" in held["warnings"][0]
    assert held["circumstances"]["stopped"] == "sales were 40% below the forecast"
    assert "identical" in jackpot(place, "replay", second / "recommendation.json").stdout

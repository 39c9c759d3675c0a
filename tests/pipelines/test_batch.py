"""The batch pipeline, compiled, really run under kfp.local: a result, a run that finds it done, and bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from jackpot.adapters.kfp_local import LocalRun, run_pipeline
from pipelines.compiling import COMPILED
from tests.conftest import Place
from tests.scoring import csv_lines, write_model

REGISTER = """
import sys
from pathlib import Path
from jackpot.adapters.places import open_places
from jackpot.canonical import read_folder
from jackpot.demand.storage import model_hash
registry, files = open_places(sys.argv[1]).registry, read_folder(Path(sys.argv[2]))
logged = registry.log("england", "run", model_hash(files), files, {}, {})
version = registry.register("england", logged, model_hash(files), {"as_of": "2026-01-01"})
registry.set_aliases("england", {"champion": version})
"""


def champion(place: Place) -> None:
    """Make a model the champion, in a process of its own, as a weekly run would."""
    model = write_model(place.root / "model")
    words = [sys.executable, "-c", REGISTER, str(place.environment), str(model)]
    subprocess.run(words, check=True, capture_output=True, timeout=120)


def run(place: Place, **more: str) -> LocalRun:
    arguments = {"market": "england", "environment": str(place.environment), "output_uri": str(place.root / "out")}
    return run_pipeline(COMPILED / "batch.yaml", {**arguments, **more}, place.root / "log")


def test_a_file_is_scored_by_the_champion_and_again_only_what_is_missing(place: Place) -> None:
    champion(place)
    source = place.root / "rows.csv"
    source.write_text("\n".join([*csv_lines(3_000), "x,-1,2026-02-07"]) + "\n")
    first = run(place, input_uri=str(source), output_format="parquet")
    assert first.succeeded, first.log.read_text()[-3000:]
    (path,) = (place.root / "out").glob("*/manifest.json")
    manifest = json.loads(path.read_bytes())
    assert (manifest["rows"], manifest["scored"], manifest["rejected"]) == (3_001, 3_000, 1)
    assert manifest["model_version"] == "v1"
    written = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.glob("forecasts/*")}
    assert sum(pq.read_metadata(file).num_rows for file in written) == 3_000

    second = run(place, input_uri=str(source), output_format="parquet")
    assert second.succeeded, second.log.read_text()[-3000:]
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.glob("forecasts/*")} == written


def test_a_file_without_the_columns_ends_the_run_and_says_which(place: Place) -> None:
    champion(place)
    source = place.root / "rows.csv"
    source.write_text("jackpots,draw_date\n1,2026-02-07\n")
    done = run(place, input_uri=str(source))
    assert not done.succeeded
    (failure,) = done.failures()
    assert failure["kind"] == "input"
    assert "jackpot: the column is missing" in failure["message"]
    assert not Path(place.root / "out").exists()

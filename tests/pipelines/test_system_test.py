"""The candidate's system test, as the step runs it: with a server of its own, on what was deployed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kfp import dsl

from components.system_test.component import system_test
from jackpot.adapters.places import open_places
from jackpot.canonical import json_bytes
from jackpot.demand.storage import model_hash
from jackpot.ports import Files, Target
from jackpot.promotion import Version
from jackpot.promotion.versions import keep_version, load_version
from tests.conftest import Place

pytestmark = pytest.mark.integration

JACKPOT = str(Path(sys.executable).parent / "jackpot")
NAME = "england-synthetic"


def step(place: Place, version: Version) -> dict[str, Any]:
    """Run the step as KFP does, in a folder of its own; return its report."""
    report, metrics = dsl.Artifact(uri=str(place.root / "report.json")), dsl.Metrics(uri=str(place.root / "metrics"))
    told = system_test.python_func(
        market="england",
        model=version.reference(NAME),
        environment=str(place.environment),
        run_id="run-1",
        report=report,
        metrics=metrics,
    )
    assert told == version.reference(NAME)
    made: dict[str, Any] = json.loads(Path(report.path).read_bytes())
    return made


def doubled(files: Files) -> dict[str, bytes]:
    """Return the model with twice its forecasts: whole and consistent, and wrong."""
    model = json.loads(files["model.json"])
    model["parameters"]["a"] += float(np.log(2))
    return {**files, "model.json": json_bytes(model)}


@pytest.mark.xdist_group("promote")
def test_a_model_that_is_wrong_is_stopped_at_its_candidate_and_a_sound_one_passes(place: Place) -> None:
    market = place.market(changes={"history:\n": "demand: {model: log_log_ols}\nhistory:\n"})
    words = [JACKPOT, "run", str(market), "--environment", str(place.environment), "--out", str(place.root / "out")]
    subprocess.run(words, check=True, capture_output=True, cwd=place.root, env={**os.environ, "OMP_NUM_THREADS": "1"})
    places = open_places(str(place.environment))
    served = json.loads(places.store.read("deployments/england.json"))
    sound = Version(served["version"], served["model_sha256"])
    files = load_version(NAME, sound, places.store, places.registry).files
    wrong_files = doubled(files)
    wrong = Version("v9", model_hash(wrong_files))
    assert wrong.sha256 != sound.sha256

    def deploy(version: Version, own: Files) -> None:
        prefix = keep_version(NAME, version, own, places.store)
        target = Target("england", NAME, version.version, version.sha256, prefix, own)
        places.deployer.roll_out("england-candidate", target)

    deploy(sound, files)
    assert step(place, sound)["passed"]

    # Another model than the one that asks for approval answers: the deployment went wrong.
    deploy(wrong, wrong_files)
    with pytest.raises(SystemExit) as stopped:
        step(place, sound)
    assert stopped.value.code == 1

    # The model itself is wrong: it answers just as it should, and errs by as much as all sales.
    with pytest.raises(SystemExit):
        step(place, wrong)
    failure = json.loads(places.store.read("runs/run-1/failure-system-test.json"))
    assert failure["kind"] == "failure"
    assert "the last draws' jackpots, asked of the server" in failure["message"]
    assert "every answer" not in failure["message"]


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    from jackpot.adapters.candidate import started
    from jackpot.errors import JackpotError

    (tmp_path / "store").write_text("no folder")
    with pytest.raises(JackpotError, match="did not start"), started(str(tmp_path / "store"), "england", 5.0):
        pass

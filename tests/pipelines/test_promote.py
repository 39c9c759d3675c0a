"""From challenger to champion under kfp.local: two weekly runs, an approval, the promotion, and the way back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Place

pytestmark = pytest.mark.integration

JACKPOT = str(Path(sys.executable).parent / "jackpot")
NAME = "england-synthetic"


def call(place: Place, *words: str, code: int = 0) -> Any:
    """Run a command with --json in a place, check its exit code and return what it printed."""
    command = [JACKPOT, *words, "--environment", str(place.environment), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place.root, timeout=300)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def stands(place: Place) -> dict[str, list[str]]:
    return {row["version"]: row["stands"] for row in call(place, "models", "list", "england")}


@pytest.mark.xdist_group("promote")
def test_a_challenger_is_promoted_once_it_is_approved_and_can_be_rolled_back(place: Place) -> None:
    market = place.market(changes={"history:\n": "demand: {model: log_log_ols}\nhistory:\n"})
    call(place, "run", str(market), "--out", "out")
    assert stands(place) == {"v1": ["champion"]}
    served = place.root / "store/deployments/england.json"
    assert json.loads(served.read_bytes())["version"] == "v1"

    # At a rate this generous a fifth less error is beyond chance.
    market = place.market(changes={"history:\n": "gates: {false_promotion_rate: 0.5}\nhistory:\n"})
    call(place, "run", str(market), "--out", "out")
    gates = json.loads((place.root / "out/gates.json").read_bytes())
    assert (gates["outcome"], gates["passed"], gates["champion"]["version"]) == ("challenger_better", True, "v1")
    assert gates["decision"]["challenger_jackpot"] is not None
    assert stands(place) == {"v1": ["champion"], "v2": ["challenger"]}
    assert json.loads(served.with_name("england-candidate.json").read_bytes())["version"] == "v2"
    (request,) = call(place, "approvals", "england")
    assert request["evidence"]["this_week"] == gates["decision"]
    notice = [json.loads(path.read_bytes()) for path in (place.root / "store/runs").glob("*/notice-approval*.json")]
    assert [each["run_id"] != "" and "asks to be champion" in each["text"] for each in notice] == [True]

    refused = call(place, "promote", "england", "v2", code=1)
    assert "begin-promotion" in refused["message"]
    assert "is not approved: it waits" in refused["message"]
    assert stands(place) == {"v1": ["champion"], "v2": ["challenger"]}

    call(place, "approve", "england", "--reason", "errs less at high jackpots", "--no-promote")
    for _ in range(2):
        assert call(place, "promote", "england", "v2")["champion"] == "v2"
        assert stands(place) == {"v1": ["previous"], "v2": ["champion"]}
    assert json.loads(served.read_bytes())["version"] == "v2"

    picture = place.root / "compared.png"
    compared = call(place, "models", "compare", "england", "v1", "v2", "--picture", str(picture))
    assert compared["figures"]["wmape_pct"][1] < compared["figures"]["wmape_pct"][0]
    assert picture.read_bytes().startswith(b"\x89PNG")
    shown = call(place, "models", "show", "england", "v2")
    assert shown["gates"] == gates
    assert shown["evaluation"]["model_sha256"] == shown["sha256"]
    assert shown["tags"]["snapshot"] == shown["evaluation"]["snapshot"]

    assert call(place, "rollback", "england", "--reason", "sales fell")["version"] == "v1"
    assert stands(place)["v1"] == ["champion"]
    assert json.loads(served.read_bytes())["version"] == "v1"
    assert call(place, "rollback", "england", "--reason", "again", code=2)["error"] == "bad input"

    # An approval makes a champion once: after the rollback a person is asked anew.
    for words in (("promote", "england", "v2"), ("approve", "england", request["request"], "--reason", "again")):
        assert "was used" in call(place, *words, code=1)["message"]
    assert stands(place)["v1"] == ["champion"]
    call(place, "run", str(market), "--out", "out")
    (anew,) = call(place, "approvals", "england")
    assert anew["request"] == f"{request['request']}/2"
    assert call(place, "approve", "england", "--reason", "it was the weather")["promotion"]["champion"] == "v2"
    assert stands(place) == {"v1": ["previous"], "v2": ["champion"]}

    # A champion that is lost is not said to be promoted.
    for folder in (*(place.root / "store/models/england-synthetic").glob("v2-*"), place.root / "mlflow"):
        shutil.rmtree(folder)
    assert (
        "v2 of england-synthetic is champion, but cannot be loaded"
        in call(place, "promote", "england", "v2", code=1)["message"]
    )

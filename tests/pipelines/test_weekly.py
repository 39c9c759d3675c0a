"""The weekly pipeline, compiled, really run under kfp.local: both branches of the gate, and failing steps."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import Place

ROOT = Path(__file__).resolve().parent.parent.parent
JACKPOT = str(Path(sys.executable).parent / "jackpot")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str
    folder: Path

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def read(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.file(name)))


def run(place: Place, market: str | Path, *more: str, out: str = "out") -> Done:
    folder = place.root / out
    words = [JACKPOT, "run", str(market), "--environment", str(place.environment), "--out", str(folder), *more]
    done = subprocess.run(words, capture_output=True, text=True, cwd=place.root, timeout=300)
    return Done(done.returncode, done.stdout, done.stderr, folder)


def notices(place: Place) -> dict[str, dict[str, Any]]:
    """Return what the exit handler said, by the kind of it."""
    found = (json.loads(path.read_bytes()) for path in (place.root / "store" / "runs").glob("*/notice-*.json"))
    return {notice["kind"]: notice for notice in found}


def registered(place: Place) -> dict[str, str]:
    """Return the registry's versions by alias."""
    code = (
        "import json, sys; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1], sys.argv[1]);"
        "print(json.dumps({a: str(v) for m in c.search_registered_models() for a, v in m.aliases.items()}))"
    )
    uri = f"sqlite:///{place.root}/mlflow.db"
    done = subprocess.run([sys.executable, "-c", code, uri], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_model_that_passes_is_registered_and_the_second_run_gives_the_same_bytes(place: Place) -> None:
    first = run(place, "england", "--json")
    assert first.code == 0, first.err
    assert json.loads(first.out) == first.read("recommendation.json")
    assert first.read("metadata.json")["model_standing"] == "candidate"
    assert registered(place) == {"champion": "1"}
    said = notices(place)["recommended"]
    assert said["link"] == f"https://kubeflow.example.com/runs/{said['run_id']}"

    second = run(place, "england", out="again")
    assert second.code == 0, second.err
    assert second.file("recommendation.json") == first.file("recommendation.json")
    assert (second.read("metadata.json")["model_standing"], second.read("metadata.json")["model_version"]) == (
        "champion",
        "v1",
    )
    assert registered(place) == {"champion": "1"}
    kept = list((place.root / "store" / "recommendations").rglob("recommendation.json"))
    assert [path.read_bytes() for path in kept] == [first.file("recommendation.json")]

    # Cash stands in the report alone, and what is restricted is its owner's alone.
    assert b"Cash" in first.file("report.html")
    figure = b"60,000,000"
    everything = [path for path in place.root.rglob("*") if path.is_file() and "restricted" not in path.parts]
    assert not [path for path in everything if b'"cash":' in path.read_bytes() and path.parent != place.root / "cash"]
    assert figure not in first.file("recommendation.json")
    for path in (place.root / "restricted").rglob("*.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_a_model_that_fails_its_gates_is_not_registered_and_the_recommendation_says_so(place: Place) -> None:
    text = "history:\n"
    market = place.market(changes={text: "gates: {smallest_skill_over_naive: 0.99}\n" + text}, rename="demanding")
    done = run(place, market)
    assert done.code == 0, done.err
    assert done.read("recommendation.json")["model"]["gates"] == "failed"
    assert not done.read("evaluation.json")["passed"]
    assert registered(place) == {}


def test_a_failing_step_ends_the_run_with_1_and_leaves_what_was_done_before_whole(place: Place) -> None:
    (place.root / "mlflow.db").write_bytes(b"this is no database" * 1000)
    done = run(place, "england")
    assert done.code == 1
    assert "evaluate" in done.err
    assert "Traceback" not in done.err
    assert notices(place)["failed"]["text"].startswith("evaluate: ")
    (snapshot,) = (place.root / "store" / "snapshots" / "england").iterdir()
    from jackpot.canonical import sha256

    assert sha256(snapshot.read_bytes()) == snapshot.stem
    assert not done.folder.exists()


def test_bad_input_in_a_step_ends_the_run_with_2_and_leaves_an_earlier_result_as_it_was(place: Place) -> None:
    history = place.root / "history.csv"
    history.write_text("date,sales\n2026-01-01,12\n")
    out = place.root / "out"
    out.mkdir()
    (out / "recommendation.json").write_text("earlier")
    done = run(place, "england", "--history", str(history))
    assert done.code == 2
    assert "history.csv" in done.err
    assert "Traceback" not in done.err
    assert (out / "recommendation.json").read_text() == "earlier"
    assert notices(place)["failed"]["text"].startswith("preprocess: ")


def test_where_nothing_is_feasible_the_steps_succeed_and_the_command_exits_with_1(place: Place) -> None:
    market = place.market(changes={"floor: 0.40": "floor: 0.97"}, rename="impossible")
    done = run(place, market, "--json")
    assert done.code == 1, done.err
    record = json.loads(done.out)
    assert (record["status"], record["jackpot"]) == ("infeasible", None)
    assert record["infeasibility"]["least_harmful_jackpot"] > 0
    assert notices(place)["infeasible"]["text"].startswith("no jackpot can be recommended")

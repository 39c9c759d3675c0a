"""The weekly pipeline, compiled, really run under kfp.local: both branches of the gate, and failing steps."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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


def test_cash_figures_stand_in_the_restricted_store_and_the_report_alone(place: Place) -> None:
    cash = place.root / "given" / "cash.json"
    cash.parent.mkdir()
    cash.write_text('{"currency": "GBP", "as_of": "2025-12-13", "cash": 73519246, "salt": "sixteen letters!!"}')
    # With -v standard error holds all that the executor prints, inputs and outputs of every step among it.
    done = run(place, "england", "--cash", str(cash), "-v")
    assert done.code == 0, done.err
    assert b"73.5" in done.file("report.html")
    assert (done.folder / "report.html").stat().st_mode & 0o077 == 0
    allowed = {place.root / "restricted", cash.parent, done.folder / "report.html"}
    told = [
        path
        for path in place.root.rglob("*")
        if path.is_file() and not allowed & {path, *path.parents} and shows_cash(path.read_bytes())
    ]
    assert told == []
    assert not shows_cash((done.out + done.err).encode())
    for path in (place.root / "restricted").rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0


def shows_cash(data: bytes) -> bool:
    """Tell whether a cash figure of 73,519,246 stands in some bytes, however it is written."""
    return any(figure in data for figure in (b"73519246", b"73,519,246", b"73.5 million", b"73.5\xc2\xa0million"))


@pytest.mark.integration
def test_a_champion_is_never_of_another_kind_of_data_nor_of_a_later_day(place: Place) -> None:
    """A model of synthetic draws decides no real draw, and none that has seen later draws decides an earlier one."""
    history = place.root / "real.csv"
    simulated = [JACKPOT, "simulate", "england", "--seed", "77", "--out", str(history)]
    subprocess.run(simulated, check=True, capture_output=True, cwd=place.root)
    assert run(place, "england", out="synthetic").code == 0
    first = run(place, "england", "--history", str(history), out="first")
    assert first.read("metadata.json")["model_standing"] == "candidate"
    again = run(place, "england", "--history", str(history), out="again")
    assert again.read("metadata.json")["model_standing"] == "champion"
    before = run(place, "england", "--history", str(history), "--as-of", "2025-06-02", out="before")
    assert before.read("metadata.json")["model_standing"] == "candidate"


def test_a_model_that_fails_its_gates_is_not_registered_and_the_recommendation_says_so(place: Place) -> None:
    text = "history:\n"
    market = place.market(changes={text: "gates: {smallest_skill_over_naive: 0.99}\n" + text}, rename="demanding")
    done = run(place, market)
    assert done.code == 0, done.err
    assert done.read("recommendation.json")["model"]["gates"] == "failed"
    assert not done.read("evaluation.json")["passed"]
    assert registered(place) == {}


def test_a_failing_step_ends_the_run_with_1_and_leaves_what_was_done_before_whole(place: Place) -> None:
    (place.root / "store").mkdir()
    (place.root / "store" / "recommendations").write_text("a file where a folder should be")
    done = run(place, "england")
    assert done.code == 1
    assert "publish" in done.err
    assert "Traceback" not in done.err
    assert notices(place)["failed"]["text"].startswith("publish: ")
    (snapshot,) = (place.root / "store" / "snapshots" / "england").iterdir()
    from jackpot.canonical import sha256

    assert sha256(snapshot.read_bytes()) == snapshot.stem
    assert list(done.folder.iterdir()) == []


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
    market = place.market("megasena", {"  start: 3_000_000\n": "  start: 3_000_000\n  cap: 4_000_000\n"}, "impossible")
    done = run(place, market, "--json")
    assert done.code == 1, done.err
    record = json.loads(done.out)
    assert (record["status"], record["jackpot"]) == ("infeasible", None)
    assert record["infeasibility"]["least_harmful_jackpot"] > 0
    assert notices(place)["infeasible"]["text"].startswith("no jackpot can be recommended")


def test_a_promise_out_of_reach_is_published_as_restoring(place: Place) -> None:
    market = place.market(changes={"floor: 0.40": "floor: 0.97"}, rename="ambitious")
    done = run(place, market, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["status"] == "restoring"
    assert record["jackpot"] > 0
    assert "restoring" in notices(place)

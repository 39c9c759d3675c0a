"""jackpot score and jackpot system-test as commands: results, exit codes, a kill, a server with a wrong model."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from benchmarks.server_process import wait_for
from benchmarks.servers import free_port
from jackpot.cli.output import Output
from jackpot.errors import JackpotError
from tests import crash
from tests.calling import call
from tests.conftest import Place
from tests.scoring import csv_lines, model_files_of, write_model, write_store

JACKPOT = str(Path(sys.executable).parent / "jackpot")


def jackpot(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([JACKPOT, *words], capture_output=True, text=True, cwd=cwd, timeout=300)


def test_a_file_is_scored_and_the_command_says_where(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    (tmp_path / "rows.csv").write_text("\n".join([*csv_lines(100), "x,-1,2026-01-17"]) + "\n")
    words = ("score", "england", "rows.csv", "out", "--model", str(model), "--quantiles", "0.1,0.9")
    done = jackpot(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not above 0" in done.stdout
    assert "Next:" in done.stdout
    (forecasts,) = tmp_path.glob("out/*/forecasts/*.csv")
    assert forecasts.read_text().splitlines()[0].replace('"', "") == (
        "id,jackpot,draw_date,mean,median,q0.1,q0.9,elasticity,extrapolated"
    )
    again = jackpot(*words, "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["rejected"] == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": "nowhere.csv"}, "the file cannot be read"),
        ({"model": "nowhere"}, "no such folder"),
        ({"market": "megasena"}, "the model is another market's"),
        ({"quantiles": "0.5,x"}, "not a list of numbers"),
        ({"quantiles": "0.1,2"}, "a quantile must lie between 0 and 1"),
    ],
)
def test_bad_input_ends_with_2_and_writes_nothing(tmp_path: Path, change: dict[str, str], said: str) -> None:
    write_model(tmp_path / "model")
    (tmp_path / "rows.csv").write_text("\n".join(csv_lines(5)) + "\n")
    given = {"market": "england", "input": "rows.csv", "model": "model", "quantiles": "0.5"} | change
    words = ("score", given["market"], given["input"], "out", "--model", given["model"])
    done = jackpot(*words, "--quantiles", given["quantiles"], "--processes", "1", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_champion_the_input_is_at_fault(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (place.root / "rows.csv").write_text("\n".join(csv_lines(5)) + "\n")
    words = ("england", str(place.root / "rows.csv"), str(place.root / "out"), "--environment", str(place.environment))
    code, _, err = call(capsys, "score", *words, "--processes", "1")
    assert code == 2
    assert "no champion yet" in err
    assert "jackpot run england" in err


def test_progress_goes_to_standard_error_line_by_line_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 3.0, 4.0, 14.0])
    with Output(as_json=True).progress("scoring", 400, clock=lambda: next(times)) as advance:
        for _ in range(4):
            advance(100)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["scoring: 200 of 400 rows, 3 s", "scoring: 400 of 400 rows, 14 s"]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "under way"])
def test_a_worker_that_is_killed_ends_the_job_in_words_that_help(tmp_path: Path, when: str) -> None:
    from jackpot.adapters.files import open_file, open_store
    from jackpot.adapters.processes import scoring_processes
    from jackpot.scoring.job import missing_shards, plan_job
    from jackpot.scoring.model import load_scoring_model

    (tmp_path / "rows.csv").write_text("\n".join(csv_lines(60_000)) + "\n")
    out = str(tmp_path / "out")
    model = load_scoring_model(model_files_of())
    plan = plan_job(model, "v1", open_file(str(tmp_path / "rows.csv")), open_store(out), shard_rows=1_000)
    done: list[int] = []

    def kill() -> None:
        (worker,) = multiprocessing.active_children()
        os.kill(worker.pid or 0, signal.SIGKILL)

    def on_done(numbers: list[int]) -> None:
        if numbers and not done:
            kill()
        done.extend(numbers)

    def score() -> None:
        with scoring_processes(1) as scorers:
            if when == "before":
                kill()
            scorers.give(plan, model, out)
            scorers.run(missing_shards(plan, open_store(out)), on_done)

    with pytest.raises(JackpotError) as stop:
        score()
    assert type(stop.value) is JackpotError
    for said in ("was killed", "out of memory", "stay", "the same command again", "--processes"):
        assert said in str(stop.value)
    assert (done[:1], len(done) < 60) == ([0] if when == "under way" else [], True)


def _left(group: int) -> list[str]:
    """Return the processes of a group that still run."""
    found = subprocess.run(["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True)
    lines = (line.split(None, 2) for line in found.stdout.splitlines())
    return [args for of, state, args in lines if int(of) == group and state[0] != "Z"]


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_end_with_the_command(tmp_path: Path, by: signal.Signals, code: int) -> None:
    write_model(tmp_path / "model")
    (tmp_path / "rows.csv").write_text("\n".join(csv_lines(200_000)) + "\n")
    words = ["score", "england", "rows.csv", "out", "--model", "model", "--shard-rows", "1000", "--processes", "2"]
    process = subprocess.Popen(
        [JACKPOT, *words],
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert wait_for(lambda: any(tmp_path.glob("out/*/shards/*")), 60)
        process.send_signal(by)
        said, _ = process.communicate(timeout=10)
        assert (process.returncode, "stopped" in said) == (code, by == signal.SIGTERM), said
        assert "Traceback" not in said
        assert wait_for(lambda: not _left(process.pid), 5), _left(process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not any(tmp_path.glob("out/*/manifest.json"))


@pytest.mark.integration
def test_a_job_killed_three_times_gives_the_one_correct_result(tmp_path: Path) -> None:
    crash.check(tmp_path, kills=3, seed=5)


@contextmanager
def serving(model: Path, store: Path) -> Iterator[str]:
    ports = [str(free_port()), str(free_port())]
    words = ["--model_name", "england", "--model_dir", str(model), "--store", str(store)]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", *words, "--http_port", ports[0], "--grpc_port", ports[1]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    url = f"http://127.0.0.1:{ports[0]}"
    try:
        deadline = time.monotonic() + 180
        while True:
            try:
                if httpx.get(f"{url}/v2/models/england/ready").status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline or process.poll() is not None:
                pytest.fail("the server did not start")
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=120)


def wrong(folder: Path) -> Path:
    """Leave a model that was made wrong on purpose: its noise is four times what it was fitted to."""
    write_model(folder)
    document = json.loads((folder / "model.json").read_bytes())
    for member in ("state_space", "spline"):
        document["parameters"][member]["sd"] *= 4
    (folder / "model.json").write_text(json.dumps(document))
    return folder


def test_a_server_of_the_model_passes_and_one_of_a_model_made_wrong_is_stopped(place: Place) -> None:
    from jackpot.canonical import read_folder
    from jackpot.demand.storage import model_hash

    good, store = write_model(place.root / "model"), write_store(place.root / "served")
    words = ("--market", "england", "--model", str(good), "--environment", str(place.environment), "--json")
    with serving(good, store) as url:
        done = jackpot("system-test", url, *words, cwd=place.root)
        report = json.loads(done.stdout)
        assert done.returncode == 0, [check for check in report["checks"] if not check["passed"]]
    bad = wrong(place.root / "wrong")
    states = store / "states" / "england"
    (kept,) = states.iterdir()
    identity = model_hash(read_folder(bad))
    (states / identity).mkdir()
    state = (kept / "latest.json").read_text().replace(kept.name, identity)
    (states / identity / "latest.json").write_text(state)
    with serving(bad, store) as url:
        done = jackpot("system-test", url, *words, cwd=place.root)
    assert done.returncode == 1
    failed = {check["name"] for check in json.loads(done.stdout)["checks"] if not check["passed"]}
    assert {"V1 answers as the model does", "the answer names the model tested"} <= failed


def test_where_nobody_listens_the_command_ends_with_1(place: Place) -> None:
    model = write_model(place.root / "model")
    words = ("--market", "england", "--model", str(model), "--environment", str(place.environment))
    done = jackpot("system-test", f"http://127.0.0.1:{free_port()}", *words, cwd=place.root)
    assert done.returncode == 1
    assert "no answer" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr

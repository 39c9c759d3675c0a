"""Watching a folder: complete files only, one run a key, and a killed run is taken up again.

The pipeline that is started here is a small one that leaves a mark; the real one is in tests/pipelines.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.places import open_places
from jackpot.adapters.watcher import Folder

JACKPOT = str(Path(sys.executable).parent / "jackpot")
MARKING = """
from kfp import compiler, dsl

@dsl.component(base_image="none", install_kfp_package=False)
def mark(market: str, history_uri: str, folder: str) -> None:
    import os, time, uuid
    from pathlib import Path
    Path(folder, uuid.uuid4().hex).write_text(history_uri)
    while Path(folder).with_name("slow").exists():
        time.sleep(0.1)

@dsl.pipeline(name="weekly")
def weekly(market: str = "", as_of: str = "", history_uri: str = "", cash_uri: str = "", environment: str = "",
           tuning_trials: int = 0):
    mark(market=market, history_uri=history_uri, folder=FOLDER).set_caching_options(False)

compiler.Compiler().compile(weekly, PACKAGE)
"""


def jackpot(*words: Any, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [JACKPOT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=120)


def a_place(folder: Path) -> Path:
    path = folder / "test.yaml"
    path.write_text(
        "environment: test\nstore: store\nrestricted_store: restricted\n"
        "registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}\n"
        "audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}\n"
        "synthetic_allowed: true\ncash_required: false\nnotify: [file]\n"
    )
    return path


def fake_pipelines(folder: Path) -> Path:
    """Compile a pipeline that leaves a file in `marks` for each run of it, and goes on while a file `slow` is there."""
    packages = folder / "packages"
    if not packages.exists():
        packages.mkdir()
        (folder / "marks").mkdir()
        values = {"FOLDER": str(folder / "marks"), "PACKAGE": str(packages / "weekly.yaml")}
        code = "".join(f"{name} = {value!r}\n" for name, value in values.items()) + MARKING
        script = folder / "marking.py"
        script.write_text(code)
        subprocess.run([sys.executable, script], check=True, capture_output=True)
    return packages


def runs(folder: Path) -> int:
    return len(list((folder / "marks").iterdir()))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    made = jackpot("simulate", "england", "--out", tmp_path / "history.csv", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def watch(folder: Path, *more: Any) -> list[str]:
    words = ["watch", folder / "in", "--market", "england", "--environment", a_place(folder), "--settle", 0.5]
    return [JACKPOT, *map(str, [*words, "--packages", fake_pipelines(folder), *more])]


def wait_for(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def test_two_watchers_at_once_start_one_run(tmp_path: Path, inbox: Path) -> None:
    (inbox / "england.csv").write_bytes((tmp_path / "history.csv").read_bytes())
    command = watch(tmp_path, "--once")
    both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = "".join(watcher.communicate(timeout=180)[0] for watcher in both)
    assert [watcher.returncode for watcher in both] == [0, 0]
    assert runs(tmp_path) == 1, said
    assert said.count("ran: weekly/england/") == 1
    assert said.count("refused: weekly/england/") == 1


def test_the_same_draws_under_another_name_start_nothing_and_corrected_ones_do(tmp_path: Path, inbox: Path) -> None:
    rows = (tmp_path / "history.csv").read_text().splitlines(keepends=True)
    (inbox / "england.csv").write_text("".join(rows))
    (inbox / "england-again.csv").write_text("".join(rows))
    subprocess.run(watch(tmp_path, "--once"), cwd=tmp_path, check=True, timeout=180)
    assert runs(tmp_path) == 1
    (inbox / "england.csv").write_text("".join(rows[:-1]))
    subprocess.run(watch(tmp_path, "--once"), cwd=tmp_path, check=True, timeout=180)
    assert runs(tmp_path) == 2


def test_a_file_that_is_still_written_or_no_history_starts_nothing(tmp_path: Path, inbox: Path) -> None:
    data = (tmp_path / "history.csv").read_bytes()
    (inbox / "england-bad.csv").write_text("date,sales\n2026-01-01,12\n")
    (inbox / ".england.csv.part").write_bytes(data)
    (inbox / "england.pdf").write_bytes(data)
    # A shell starts what it runs in the background with this signal ignored, and children inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    watcher = subprocess.Popen(
        watch(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=heard
    )
    try:
        time.sleep(6)
        with (inbox / "england.csv").open("wb") as file:
            for start in range(0, len(data), len(data) // 6):
                file.write(data[start : start + len(data) // 6])
                file.flush()
                time.sleep(0.3)
                assert runs(tmp_path) == 0
        wait_for(lambda: runs(tmp_path) == 1)
    finally:
        watcher.send_signal(signal.SIGINT)
        said = watcher.communicate(timeout=180)[0].decode()
    assert "england-bad.csv" in said
    assert "Traceback" not in said
    assert watcher.returncode == 130


def test_a_run_that_is_killed_is_taken_up_again_after_its_lease(tmp_path: Path, inbox: Path) -> None:
    (inbox / "england.csv").write_bytes((tmp_path / "history.csv").read_bytes())
    (tmp_path / "slow").touch()
    killed = subprocess.Popen(watch(tmp_path, "--once", "--lease", 10), cwd=tmp_path)
    try:
        wait_for(lambda: runs(tmp_path) == 1)
        held = subprocess.run(watch(tmp_path, "--once"), cwd=tmp_path, capture_output=True, text=True, timeout=180)
        assert "is at it until" in held.stdout
    finally:
        killed.kill()
        killed.wait()
        (tmp_path / "slow").unlink()
    wait_for(lambda: "attempt 2" in again(tmp_path), seconds=60)
    assert runs(tmp_path) == 2
    assert "it is done" in again(tmp_path)
    assert runs(tmp_path) == 2


def again(folder: Path) -> str:
    """Ask once more; return what is said, and which claims there are."""
    done = subprocess.run(watch(folder, "--once"), cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout + "".join(path.read_text() for path in (folder / "audit" / "records").rglob("*.json"))


def test_a_folder_names_each_content_of_a_file_once(tmp_path: Path) -> None:
    folder, path = Folder(tmp_path, 0.0), tmp_path / "england.csv"
    path.write_text("")
    assert folder.settled() == []
    path.write_text("one")
    assert folder.settled() == [path]
    folder.handled(path)
    assert folder.settled() == []
    path.write_text("other")
    assert folder.settled() == [path]
    folder.later(path, 60)
    assert folder.settled() == []
    assert folder.waiting()


def ask_for_retraining(folder: Path, snapshot: str, verdict: str = "retrain") -> None:
    """Leave the verdict that the monitor leaves."""
    log = open_places(str(a_place(folder))).audit("england")
    body = {"verdict": verdict, "cause": "level", "reason": "", "snapshot": snapshot * 64, "source_uri": "synthetic"}
    log.append("monitor_verdict", f"2026-01-31/{snapshot}/m", at="2026-01-31T12:00:00+00:00", by="run:1", body=body)


def test_a_verdict_starts_one_retraining_and_the_next_waits_for_the_cool_down(tmp_path: Path, inbox: Path) -> None:
    ask_for_retraining(tmp_path, "a", "watch")
    assert "retrain/" not in again(tmp_path)
    ask_for_retraining(tmp_path, "b")
    assert "ran: retrain/england/level/bbbb" in again(tmp_path)
    assert "refused: retrain/england/level/bbbb" in again(tmp_path)
    ask_for_retraining(tmp_path, "c", "stop")
    assert "the last retraining began on" in again(tmp_path)
    assert runs(tmp_path) == 1

"""jackpot tune: a search that is killed goes on where it was and ends as an undisturbed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from jackpot.canonical import read_folder
from jackpot.market.loading import load_market
from jackpot.steps.preprocess import read_source
from jackpot.steps.settings import settings_of
from jackpot.steps.train import train
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore
from tests.conftest import Place

JACKPOT = str(Path(sys.executable).parent / "jackpot")
TRIALS = 24


def words(place: Place, market: Path, root: str, *more: str) -> list[str]:
    """Return a command line whose store lies under a folder of its own."""
    environment = place.root / f"{root}.yaml"
    environment.write_text(place.environment.read_text().replace("store: store", f"store: {root}", 1))
    return [JACKPOT, "tune", str(market), "--environment", str(environment), "--trials", str(TRIALS), "--json", *more]


def tuned(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def trained(market: Path, store: FolderStore, folder: Path) -> dict[str, bytes]:
    """Return the files of the model that train makes of the only tuning in a store."""
    (key,) = [key for key in store.keys("tuning") if "/tuning-" in key]
    loaded = load_market(str(market))
    week = week_in_memory(loaded, read_source(loaded, "", lambda uri: None, synthetic_allowed=True), None)  # type: ignore[arg-type,return-value]
    train(week, folder, settings_of(store, key))
    return read_folder(folder)


def test_a_search_killed_at_any_moment_resumes_and_ends_with_the_same_model(place: Place) -> None:
    market = place.market(changes={"history:\n": "demand: {model: spline}\nhistory:\n"}, rename="killed")
    undisturbed = tuned(words(place, market, "whole", "--processes", "1"))
    whole, cut = FolderStore(place.root / "whole"), FolderStore(place.root / "cut")
    for least in (3, 9):
        process = subprocess.Popen(
            words(place, market, "cut", "--processes", "1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while len(list(cut.keys("tuning"))) < least and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert least <= len(list(cut.keys("tuning"))) < TRIALS
    before = {key: (place.root / "cut" / key).stat().st_mtime_ns for key in cut.keys("tuning")}
    assert tuned(words(place, market, "cut", "--processes", "1")) == undisturbed
    assert {key: (place.root / "cut" / key).stat().st_mtime_ns for key in before} == before
    assert {key: cut.read(key) for key in cut.keys("tuning")} == {key: whole.read(key) for key in whole.keys("tuning")}
    models = [trained(market, store, place.root / name) for store, name in ((whole, "one"), (cut, "other"))]
    assert models[0] == models[1]


def test_a_history_too_short_to_tune_on_keeps_the_default(place: Place) -> None:
    market = place.market()
    history = place.root / "short.csv"
    made = subprocess.run([JACKPOT, "simulate", str(market), "--out", str(history)], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    history.write_text("\n".join(history.read_text().splitlines()[:9]) + "\n")
    done = subprocess.run(words(place, market, "short", "--history", str(history)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reason"] == "the training window has 8 ordinary draws, and tuning asks for 200"

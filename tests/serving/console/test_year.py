"""The year of a challenger beside the champion's: computed at a press, followed live, kept, as on the command line."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackpot.adapters.places import Places
from jackpot.audit import Entry
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files, model_hash
from jackpot.history.contract import History
from jackpot.history.snapshot import read_quarantine, read_snapshot, snapshot_bytes
from jackpot.market.loading import parse_market
from jackpot.promotion import Version
from jackpot.promotion.versions import keep_version, stored_files
from jackpot.steps.beside import LEAST_BEFORE, year_key
from serving.console.desk import beside_of
from tests.serving.conftest import wait_for
from tests.serving.console.conftest import ROOT, Console, ask, copy_of, open_console

NAME, DRAWS = "england-synthetic", 3


def register(place: Path, places: Places, model: str) -> Version:
    """Register a version of another model, whose history is so short that its year takes seconds."""
    from mlflow import MlflowClient

    keys = places.store.keys(f"models/{NAME}")
    prefix = next(key.rpartition("/")[0] for key in keys if key.endswith("/model.json"))
    files = dict(stored_files(prefix, places.store))
    market = parse_market(files["market.yaml"], "market.yaml")
    draws = read_snapshot(files["snapshot.parquet"], market).iloc[: LEAST_BEFORE + DRAWS]
    files["snapshot.parquet"] = snapshot_bytes(History(market, draws, (), read_quarantine(b""), "", None, None))
    files |= model_files(new_model(model).fit(draws, market))
    sha256, uri = model_hash(files), f"sqlite:///{place / 'mlflow.db'}"
    made = MlflowClient(uri, uri).create_model_version(NAME, "file:///nowhere", tags={"sha256": sha256})
    found = Version(f"v{made.version}", sha256)
    keep_version(NAME, found, files, places.store)
    return found


@pytest.fixture(scope="module")
def console(week: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    yield from open_console(copy_of(week, tmp_path_factory.mktemp("year") / "place"))


@pytest.fixture(scope="module")
def asked(console: Console) -> Entry:
    """A request for approval with a champion beside it."""
    one, other = (register(console.root, console.places, model) for model in ("naive", "log_log_ols"))
    return ask(console.places, other.version, comparison=one.body, model_sha256=other.sha256)


def press(console: Console, number: int, person: str = "alice") -> tuple[int, str]:
    path = f"/markets/england/approvals/{number}/year"
    answer = console.post(path, person, {"token": console.site_token(person)})
    return answer.status_code, answer.headers.get("location", "")


def test_the_year_is_computed_at_a_press_followed_live_and_kept(console: Console, asked: Entry) -> None:
    page = f"/markets/england/approvals/{asked.number}"
    assert "is computed when it is asked for" in console.get(page, "alice").text
    assert "/year" not in console.get(page, "rita").text
    assert console.get(f"{page}?format=csv", "rita").status_code == 404

    status, address = press(console, asked.number)
    assert status == 303
    assert f'href="{address}"' in console.get(page, "rita").text
    assert press(console, asked.number) == (303, address)  # the one that runs, not a second
    with console.client.stream("GET", f"{address}/events", headers={"x-person": "rita"}) as events:
        lines = [line.removeprefix("data: ") for line in events.iter_lines() if line.startswith("data: ")]
    last = json.loads(lines[-1])
    assert last["state"] == "done", last["output"]
    assert f"both recommend for {DRAWS}." in last["said"]
    shown = console.get(address, "rita").text
    assert f'href="{page}#year"' in shown
    assert "They differ by" in shown

    told = json.loads(last["output"])
    assert [told["one"], told["other"], len(told["draws"])] == ["v2", "v3", DRAWS]
    whole = console.get(page, "rita").text
    assert "Jackpots of the year" in whole
    assert whole.count('<tr><th scope="row">2') == DRAWS
    (first, *_), rows = told["draws"], list(csv.DictReader(io.StringIO(console.get(f"{page}?format=csv", "rita").text)))
    assert [row["draw_date"] for row in rows] == [draw["draw_date"] for draw in told["draws"]]
    assert float(rows[0]["champion_jackpot"]) == first["one"]["jackpot"]
    assert float(rows[0]["challenger_expected_sales"]) == first["other"]["expected_sales"]

    command = [sys.executable, "-m", "jackpot", "models", "compare", "england", "v2", "v3", "--year", "--name", NAME]
    done = subprocess.run(
        [*command, "--environment", str(console.root / "test.yaml")], capture_output=True, cwd=ROOT, check=True
    )
    assert b"They differ by" in done.stdout
    assert console.get(page, "rita").text.count("They differ by") == whole.count("They differ by")
    assert len(list(console.places.store.keys("years/"))) == 1  # one object a pair, however often it is computed


def test_without_a_champion_there_is_nothing_beside_it(console: Console) -> None:
    number = ask(console.places, "v97", comparison=None).number
    page = f"/markets/england/approvals/{number}"
    assert wait_for(lambda: console.get(page, "alice").status_code == 200, 10)
    assert "Over the last year" not in console.get(page, "alice").text
    assert "v97 was compared with no champion, and v1 is champion now" in console.get(page, "alice").text
    assert press(console, number)[0] == 409
    assert press(console, 9999)[0] == 404


def test_a_version_that_is_lost_is_named(console: Console) -> None:
    lost = ask(console.places, "v98", comparison={"version": "v99", "model_sha256": "b" * 64})
    assert wait_for(lambda: console.get(f"/markets/england/approvals/{lost.number}", "rita").status_code == 200, 10)
    status, address = press(console, lost.number)
    assert status == 303
    with console.client.stream("GET", f"{address}/events", headers={"x-person": "rita"}) as events:
        *_, last = [line.removeprefix("data: ") for line in events.iter_lines() if line.startswith("data: ")]
    assert json.loads(last)["state"] == "failed"
    assert "no such version" in json.loads(last)["said"]


def test_a_damaged_year_counts_as_none(console: Console, asked: Entry) -> None:
    pair = beside_of(asked)
    assert pair is not None
    key = year_key(NAME, *(part for version in pair for part in (version.version, version.sha256)))
    console.places.store.replace(key, b"{")
    page = console.get(f"/markets/england/approvals/{asked.number}", "alice")
    assert page.status_code == 200
    assert "is computed when it is asked for" in page.text

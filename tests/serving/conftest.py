"""What tests of the server share: a store with two versions of a model, and servers over real sockets."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.server_process import Server, start, wait_for
from benchmarks.servers import free_port
from jackpot.canonical import json_bytes, sha256
from jackpot.demand.base import Demand
from jackpot.demand.models import new_model
from jackpot.demand.storage import load_model, model_files, model_hash
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.preprocess import SYNTHETIC
from jackpot.steps.state import keep_state
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore

__all__ = ["Server", "free_port", "start", "wait_for"]

ROOT = Path(__file__).resolve().parents[2]
MARKET = "england"


@dataclass(frozen=True)
class Trained:
    """A store as a few weeks leave it: versions v1 and v2 of one market, and the weeks to condition them on."""

    folder: Path
    weeks: tuple[Week, Week]
    hashes: tuple[str, str]

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.folder)

    def deploy(self, version: int, service: str = MARKET, **changes: str) -> None:
        """Name the version that a service answers with."""
        model = self.hashes[version - 1]
        record = {"service": service, "version": f"v{version}", "model_sha256": model, "prefix": f"models/v{version}"}
        self.store.replace(f"deployments/{service}.json", json_bytes({**record, **changes}))

    def files(self, version: int) -> dict[str, bytes]:
        return {key.rpartition("/")[2]: self.store.read(key) for key in self.store.keys(f"models/v{version}")}

    def demand(self, version: int, week: int) -> Demand:
        """Return what a version forecasts with in the state of a week, from the core alone."""
        week_ = self.weeks[week]
        return load_model(self.files(version)).condition(week_.history.draws, week_.market)

    def keep(self, version: int, week: int) -> str:
        """Publish the state of a version in a week and return its hash."""
        return keep_state(self.weeks[week], self.files(version), self.store).sha256


def _week(as_of: dt.date | None) -> Week:
    market = load_market(MARKET, search=[ROOT / "configs" / "markets"])
    return week_in_memory(market, Source(SYNTHETIC, synthetic_csv(market.market), None), as_of)


def train(folder: Path) -> Trained:
    newest = _week(None)
    older = _week(newest.as_of - dt.timedelta(days=7))
    store = FolderStore(folder)
    hashes = []
    for number, name in ((1, "combination"), (2, "state_space")):
        model = new_model(name).fit(older.history.draws, older.market)
        files = model_files(model)
        hashes.append(model_hash(files))
        beside = {
            "evaluation.json": json_bytes({"market": MARKET}),
            "gates.json": json_bytes({"as_of": older.checks.as_of}),
            "market.yaml": older.market_data,
            "snapshot.parquet": older.snapshot_data,
        }
        for file, data in {**files, **beside}.items():
            store.put_new(f"models/v{number}/{file}", data)
    for week in (older, newest):
        store.put_new(f"snapshots/{MARKET}/{sha256(week.snapshot_data)}.parquet", week.snapshot_data)
        store.put_new(f"markets/{MARKET}/{sha256(week.market_data)}.yaml", week.market_data)
    made = Trained(folder, (older, newest), (hashes[0], hashes[1]))
    made.keep(1, 1)
    made.keep(2, 1)
    made.deploy(1)
    return made


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("trained") / "store")


@pytest.fixture
def fresh(trained: Trained, tmp_path: Path) -> Trained:
    """Return a copy of the store that a test may change."""
    shutil.copytree(trained.folder, tmp_path / "store")
    return replace(trained, folder=tmp_path / "store")


@pytest.fixture(scope="session")
def server(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of v1 that no test changes, and in which none may meet a defect."""
    log = tmp_path_factory.mktemp("server") / "log"
    limits = ("--body_seconds", "1", "--head_seconds", "1", "--max_body_bytes", "9000000")
    one = start(log, "--deployed", "--store", str(trained.folder), *limits)
    yield one
    assert one.stop() == 0
    assert one.lines("defect") == []

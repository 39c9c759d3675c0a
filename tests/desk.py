"""One published recommendation, made once, and copies of it to be changed."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from jackpot.adapters.places import Places
from jackpot.audit import AuditLog, Keyring
from jackpot.canonical import json_bytes, sha256
from jackpot.cash import read_cash
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files
from jackpot.evaluation.backtest import Backtest, backtest
from jackpot.history.source import Source
from jackpot.lineage import CodeVersion
from jackpot.market.calendar import next_draw_date
from jackpot.market.loading import LoadedMarket, parse_market
from jackpot.records import InputHashes, Metadata
from jackpot.report.tables import history_csv
from jackpot.simulation.history import synthetic_cash, synthetic_csv
from jackpot.steps.model_in_use import ModelInUse, Standing
from jackpot.steps.optimise import optimise
from jackpot.steps.publish import Run, publish
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore, Store

ROOT = Path(__file__).resolve().parents[1]
CODE = CodeVersion(
    commit="c" * 40, dirty=False, image="registry/jackpot@sha256:" + "d" * 64, lock_sha256="e" * 64, python="3.11.9"
)
MODEL = "log_log_ols"
AS_OF = dt.date(2025, 6, 1)
NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Desk:
    """A store, a restricted store and a log, with recommendations in them."""

    root: Path
    places: Places | None = None
    """An environment whose log is used; none: one of its own."""

    @property
    def store(self) -> FolderStore:
        return FolderStore(self.root / "store")

    @property
    def restricted(self) -> FolderStore:
        return FolderStore(self.root / "restricted", 0o600)

    def log(self, market: str) -> AuditLog:
        if self.places is not None:
            return self.places.audit(market)
        return AuditLog(market, FolderStore(self.root / "r"), FolderStore(self.root / "h"), Keyring(b"k" * 32))

    def prefixes(self) -> list[str]:
        return [str(entry.body["prefix"]) for entry in self.log("england").entries("recommendation")]

    def recommend(self, as_of: dt.date, run_id: str, evaluated: Backtest) -> str:
        """Publish a recommendation as the pipeline does, and return its key."""
        return self.publish(*self.prepare(as_of, evaluated), run_id)

    def prepare(self, as_of: dt.date, evaluated: Backtest) -> tuple[Week, ModelInUse]:
        """Do what the pipeline does before it publishes."""
        week = a_week(as_of)
        fitted = new_model(MODEL).fit(week.history.draws, week.market)
        in_use = ModelInUse.of(model_files(fitted), evaluated.evaluation, Standing(standing="champion", version="v1"))
        self.store.put_new(f"snapshots/england/{week.checks.snapshot}.parquet", week.snapshot_data)
        self.store.put_new(f"markets/england/{week.checks.market_file}.yaml", week.market_data)
        cash = read_cash(synthetic_cash(week.market) or b"", "cash", "GBP")
        work = self.root / "work"
        paths = {"recommendation": work / "recommendation.json", "curve": work / "curve.csv"}
        optimise(week, in_use, cash, self.restricted, **paths)
        (work / "evaluation.json").write_bytes(evaluated.evaluation.to_bytes())
        (work / "gates.json").write_text("{}")
        (work / "history.csv").write_bytes(history_csv(evaluated.frame))
        return week, in_use

    def publish(self, week: Week, in_use: ModelInUse, run_id: str) -> str:
        """Publish what was prepared."""
        work = self.root / "work"
        return publish(
            week,
            in_use,
            Run(run_id, "test", NOON, NOON, CODE),
            self.store,
            self.restricted,
            self.log("england"),
            recommendation=work / "recommendation.json",
            curve=work / "curve.csv",
            evaluation=work / "evaluation.json",
            gates=work / "gates.json",
            forecasts=work / "history.csv",
            dashboard=work / "dashboard.html",
            summary=work / "summary.md",
        )


def a_week(as_of: dt.date) -> Week:
    """Return England's week with a quick decision: few samples, a near horizon."""
    text = (ROOT / "configs" / "markets" / "england.yaml").read_text()
    data = f"{text}\ndemand: {{model: {MODEL}}}\ndecision: {{samples: 50, horizon_draws: 4}}\n".encode()
    market = parse_market(data, "england.yaml")
    loaded = LoadedMarket(market, Path("england.yaml"), data, sha256(data))
    return week_in_memory(loaded, Source("synthetic", synthetic_csv(market), None), as_of)


def leave_recommendation(store: Store, as_of: dt.date, source_uri: str) -> None:
    """Leave what tells which draws a recommendation of England's knew: those before a day, in this file."""
    week = a_week(as_of)
    draw = next_draw_date(week.market, as_of).isoformat()
    dates = week.history.draws["draw_date"]
    checks = week.checks
    record = Metadata(
        schema_version="1",
        recommendation="a" * 64,
        inputs=InputHashes(snapshot=checks.snapshot, market_file=checks.market_file, model="b" * 64, warnings="c" * 64),
        snapshot_uri=f"snapshots/england/{checks.snapshot}.parquet",
        snapshot_rows=len(dates),
        first_draw=f"{dates.iloc[0]:%Y-%m-%d}",
        last_draw=f"{dates.iloc[-1]:%Y-%m-%d}",
        source_uri=source_uri,
        source_version=None,
        market_file=f"markets/england/{checks.market_file}.yaml",
        model_name="england",
        model_version=None,
        model_standing="candidate",
        code_commit=None,
        code_dirty=None,
        image=None,
        lock=None,
        python="3.11.9",
        environment="test",
        run_id="run",
        started_at=NOON.isoformat(),
        finished_at=NOON.isoformat(),
        seed=0,
    )
    prefix = f"recommendations/england/{draw}/{checks.snapshot[:16]}/{'a' * 16}"
    store.replace(f"{prefix}/metadata.json", record.to_bytes())
    store.replace(f"recommendations/england/{draw}/latest.json", json_bytes({"prefix": prefix}))


@pytest.fixture(scope="session")
def evaluated() -> Backtest:
    week = a_week(AS_OF)
    return backtest(week.history.draws, week.market)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, evaluated: Backtest) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.recommend(AS_OF, "one", evaluated)
    return desk


@pytest.fixture
def desk(published: Desk, tmp_path: Path) -> Desk:
    shutil.copytree(published.root, tmp_path / "desk")
    return Desk(tmp_path / "desk")

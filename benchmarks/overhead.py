"""What lineage, audit log and registry cost of a week's work: in one process, after its imports.

The week is done as the steps of the pipeline do it, each with a log of its own to open: England as shipped, a registry
on SQLite that is there already, an audit log with a year of records.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

from .report import Figure

RECORDS: Final = 260
AT: Final = "2026-01-01T00:00:00+00:00"
ENVIRONMENT: Final = """\
environment: bench
store: store
restricted_store: restricted
registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}
audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}
synthetic_allowed: true
bootstrap: true
"""


class Stopwatch:
    """Seconds spent inside what it was put on; what is called from there is not counted twice."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of a block."""
        if self._inside:
            yield
            return
        self._inside, began = True, time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
            self._inside = False

    def on(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function whose calls are counted."""

        def counted(*words: Any, **named: Any) -> Any:
            with self.running():
                return act(*words, **named)

        return counted


def week(folder: Path, watch: Stopwatch) -> float:
    """Do a week as the pipeline's steps do; return how long it took, the registry's making apart."""
    from jackpot.adapters.places import open_places
    from jackpot.adapters.run_record import code_version, run_record, start_run
    from jackpot.history.source import Source
    from jackpot.market.loading import load_market
    from jackpot.promotion.versions import champion_or_error
    from jackpot.simulation.history import synthetic_csv
    from jackpot.steps.evaluate import evaluate
    from jackpot.steps.model_in_use import ModelInUse
    from jackpot.steps.optimise import optimise
    from jackpot.steps.publish import publish
    from jackpot.steps.register import register
    from jackpot.steps.train import train
    from jackpot.steps.weekly import week_in_memory

    folder.mkdir()
    (folder / "bench.yaml").write_text(ENVIRONMENT)
    places = open_places(str(folder / "bench.yaml"))
    market = load_market("england")
    data = synthetic_csv(market.market)
    log = places.audit("england")
    for number in range(RECORDS):
        log.append("claim", f"england/{number}", at=AT, by="bench", body={"model_name": "england"})
    places.registry.champion("england-synthetic")
    paths = {name: folder / "work" / name for name in ("evaluation", "gates", "gates_page", "page", "forecasts")}
    watch.seconds = 0.0
    began = time.perf_counter()
    with watch.running():
        start_run(places.store, "run")
    read = week_in_memory(market, Source("synthetic", data, None), None)
    with watch.running():
        places.store.put_new(f"snapshots/england/{read.checks.snapshot}.parquet", read.snapshot_data)
        places.store.put_new(f"markets/england/{read.checks.market_file}.yaml", read.market_data)
    train(read, folder / "model")
    with watch.running():
        champion = champion_or_error(places.audit("england"), read.model_name, places.store, places.registry)
    used = folder / "used"
    _, logged = evaluate(read, folder / "model", places.registry, "run", (), champion, **paths, model_in_use=used)
    with watch.running():
        promoter = places.promoter("england", read.model_name, "run", AT)
        promoter.settle()
        register(read.checks, paths["gates"].read_bytes(), logged, promoter, code_version(), "run", bootstrap=True)
    in_use = ModelInUse.read(used)
    cash = places.cash(market.market, "", synthetic=True)
    decided = {"recommendation": folder / "work" / "recommendation.json", "curve": folder / "work" / "curve.csv"}
    optimise(read, in_use, cash, places.restricted, **decided)
    with watch.running():
        run = run_record(places.store, "run", "bench")
    files = {name: paths[name] for name in ("evaluation", "gates", "forecasts")}
    shown = {"dashboard": folder / "work" / "report.html", "summary": folder / "work" / "summary.md"}
    log = places.audit("england")
    publish(read, in_use, run, places.store, places.restricted, log, **files, **decided, **shown)
    return time.perf_counter() - began


def rows() -> list[Figure]:
    """Return the overhead as a share of the rest of the week's work, the second of two weeks: the first imports."""
    from jackpot.adapters.guarded_registry import GuardedRegistry
    from jackpot.audit import AuditLog

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        for owner, names in (
            (GuardedRegistry, ("log", "register", "versions", "load")),
            (AuditLog, ("append", "find")),
        ):
            for name in names:
                stack.enter_context(mock.patch.object(owner, name, watch.on(getattr(owner, name))))
        week(Path(scratch) / "first", watch)
        whole = week(Path(scratch) / "second", watch)
    what = f"lineage, audit and registry: {watch.seconds:.2f} s of a week of {whole:.2f} s; share of the rest"
    return [Figure(what, watch.seconds / (whole - watch.seconds), "", "<= 0.15")]

"""publish: the recommendation with its evidence goes into the keyed store, whole, and the report to finance."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..audit import AuditLog
from ..canonical import json_bytes, sha256, write_atomically
from ..lineage import CodeVersion, recommendation_prefix
from ..outcomes import Month, outcomes
from ..records import Metadata, Recommendation
from ..report.contract import ReportInputs
from ..store import MissingObjectError, Store
from .model_in_use import CARD, ModelInUse, Standing
from .optimise import outlook_key, read_outlook
from .state import keep_state
from .week import Week

EARLIER: Final = dt.timedelta(days=365)
"""How far back the report goes to say what became of earlier recommendations."""


@dataclass(frozen=True)
class Run:
    """The run that publishes."""

    run_id: str
    environment: str
    started_at: dt.datetime
    finished_at: dt.datetime
    code: CodeVersion


def publish(
    week: Week,
    in_use: ModelInUse,
    run: Run,
    store: Store,
    restricted: Store,
    log: AuditLog,
    *,
    evaluation: Path,
    gates: Path,
    forecasts: Path,
    recommendation: Path,
    curve: Path,
    dashboard: Path,
    summary: Path,
) -> str:
    """Publish a recommendation and return the prefix under which everything about it lies.

    Under `recommendations/<market>/<draw>/<snapshot>/<recommendation>/` each file is written once and never changed,
    but for metadata.json and gates.json, which tell of the latest run that gave these bytes (each run keeps its own
    under runs/).
    The market's log says once of each recommendation what it is and which files, by their hashes, belong to it.
    The report with cash figures goes to the restricted store, the dashboard's form of it without them to `dashboard`.
    """
    from ..report import html, markdown, read_table

    data = recommendation.read_bytes()
    record = Recommendation.model_validate_json(data)
    identity = sha256(data)
    metadata = metadata_of(week, record, in_use.standing, run)
    try:
        outlook = read_outlook(restricted.read(outlook_key(record.market, identity)))
    except MissingObjectError:
        outlook = None
    inputs = ReportInputs(
        market=week.market,
        recommendation=record,
        evaluation=in_use.evaluation,
        metadata=metadata,
        curve=read_table(curve.read_bytes()),
        history=read_table(forecasts.read_bytes()),
        problems=(),
        cash=outlook,
        months=_earlier(week, record, log, store),
        card=in_use.files.get(CARD, b"").decode(),
    )
    prefix = recommendation_prefix(record.market, record.draw_date, record.metadata.snapshot, identity)
    files = {
        "recommendation.json": data,
        "evaluation.json": evaluation.read_bytes(),
        "checks.json": week.checks.to_bytes(),
        "curve.csv": curve.read_bytes(),
        "history.csv": forecasts.read_bytes(),
        "market.yaml": week.market_data,
        **{f"model/{name}": content for name, content in in_use.files.items()},
        "model/evaluation.json": in_use.evaluation.to_bytes(),
    }
    for name, content in files.items():
        if not store.put_new(f"{prefix}/{name}", content):
            files[name] = store.read(f"{prefix}/{name}")
    keep_state(week, in_use.files, store)
    restricted.replace(f"{prefix}/report.html", html(inputs))
    public = replace(inputs, cash=None)
    write_atomically(dashboard, html(public))
    write_atomically(summary, markdown(public).encode())
    # Last, and in this order: who finds the run's result finds all of the above.
    for name, content in {"gates.json": gates.read_bytes(), "metadata.json": metadata.to_bytes()}.items():
        store.replace(f"{prefix}/{name}", content)
        store.replace(f"runs/{run.run_id}/{name}", content)
    log.append(
        "recommendation",
        f"{record.draw_date}/{identity}",
        at=metadata.finished_at,
        by=f"run:{run.run_id}",
        body={
            "draw_date": record.draw_date,
            "status": record.status,
            "jackpot": record.jackpot,
            "prefix": prefix,
            "files": {name: sha256(content) for name, content in files.items()},
            "metadata": metadata.model_dump(mode="json"),
        },
        once=True,
    )
    result = {"market": record.market, "draw_date": record.draw_date, "status": record.status, "prefix": prefix}
    store.replace(f"recommendations/{record.market}/{record.draw_date}/latest.json", json_bytes(result))
    store.replace(f"runs/{run.run_id}/result.json", json_bytes(result))
    return prefix


def _earlier(week: Week, record: Recommendation, log: AuditLog, store: Store) -> tuple[Month, ...]:
    """Return what became of the year's earlier recommendations; nothing where one of them is lost to the store."""
    draw = dt.date.fromisoformat(record.draw_date)
    try:
        return outcomes(log, store, week.market, week.history.draws, draw - EARLIER, draw).months
    except MissingObjectError:
        return ()


def metadata_of(week: Week, record: Recommendation, standing: Standing, run: Run) -> Metadata:
    """Return where a recommendation comes from."""
    dates = week.history.draws["draw_date"]
    first, last = (f"{dates.iloc[at]:%Y-%m-%d}" for at in (0, -1)) if len(dates) else (None, None)
    return Metadata(
        schema_version="1" if len(dates) else "2",
        recommendation=sha256(record.to_bytes()),
        inputs=record.metadata,
        snapshot_uri=f"snapshots/{record.market}/{record.metadata.snapshot}.parquet",
        snapshot_rows=len(dates),
        first_draw=first,
        last_draw=last,
        source_uri=week.checks.source_uri,
        source_version=week.checks.source_version,
        market_file=f"markets/{record.market}/{record.metadata.market_file}.yaml",
        model_name=record.model.name,
        model_version=standing.version,
        model_standing=standing.standing,
        code_commit=run.code.commit,
        code_dirty=run.code.dirty,
        image=run.code.image,
        lock=run.code.lock_sha256,
        python=run.code.python,
        environment=run.environment,
        run_id=run.run_id,
        started_at=run.started_at.isoformat(),
        finished_at=run.finished_at.isoformat(),
        seed=week.market.decision.seed,
    )

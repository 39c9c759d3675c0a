"""preprocess: an operator's file becomes a checked, immutable snapshot."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..canonical import sha256, write_atomically
from ..errors import InputError, Problem
from ..history.contract import History
from ..history.source import Source
from ..market.loading import LoadedMarket
from ..records import Checks
from ..store import Store


def read_source(
    market: LoadedMarket, history_uri: str, read: Callable[[str], Source], synthetic_allowed: bool
) -> Source:
    """Return the bytes of a history: from `history_uri`, else from the market file's own, which may be synthetic."""
    uri = history_uri or market.market.history.uri
    if uri != "synthetic":
        return read(uri)
    if not synthetic_allowed:
        raise InputError(
            Problem(
                "this environment does not recommend on a synthetic history",
                where=str(market.path),
                field="history.uri",
                found="synthetic",
                allowed="a path or s3:// URI, here or as the parameter history_uri",
            )
        )
    from ..simulation.history import synthetic_csv

    return Source("synthetic", synthetic_csv(market.market), None)


def preprocess(
    market: LoadedMarket,
    source: Source,
    as_of: dt.date | None,
    store: Store,
    *,
    snapshot: Path,
    market_file: Path,
    checks: Path,
) -> Checks:
    """Read and check a history, keep its snapshot under its hash, and leave what the next steps start from."""
    from ..history.reading import read_history
    from ..history.snapshot import quarantine_csv, snapshot_bytes

    history = read_history(source, market.market, as_of)
    data = snapshot_bytes(history)
    record = checks_of(history, market, sha256(data), as_of)
    key = f"snapshots/{record.market}/{record.snapshot}"
    store.put_new(f"{key}.parquet", data)
    store.put_new(f"markets/{record.market}/{record.market_file}.yaml", market.data)
    if record.quarantined:
        store.replace(f"{key}.quarantine.csv", quarantine_csv(history))
    for path, content in ((snapshot, data), (market_file, market.data), (checks, record.to_bytes())):
        write_atomically(path, content)
    return record


def checks_of(history: History, market: LoadedMarket, snapshot_sha256: str, as_of: dt.date | None) -> Checks:
    """Return the record of a history that was read; without `as_of` it is seen from the day after its last draw.

    Warnings name the file without its folder: the same data gives the same record wherever it lies.
    """
    last = history.draws["draw_date"].iloc[-1].date()
    return Checks(
        market=market.market.market,
        as_of=(as_of or last + dt.timedelta(days=1)).isoformat(),
        snapshot=snapshot_sha256,
        market_file=market.sha256,
        source_uri=history.source_uri,
        source_version=history.source_version,
        rows=len(history.draws),
        quarantined=len(history.quarantined),
        next_jackpot=history.next_jackpot,
        warnings=tuple(str(replace(problem, where=problem.where.rpartition("/")[2])) for problem in history.problems),
    )

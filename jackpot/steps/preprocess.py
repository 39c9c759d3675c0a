"""preprocess: an operator's file becomes a checked, immutable snapshot."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ..canonical import sha256, write_atomically
from ..errors import InputError, JackpotError, Problem
from ..history.contract import History
from ..history.source import Source
from ..market.loading import LoadedMarket
from ..records import Checks, Metadata
from ..store import MissingObjectError, Store

SYNTHETIC = "synthetic"
"""The URI of a history that is generated."""


def read_source(
    market: LoadedMarket, history_uri: str, read: Callable[[str], Source], synthetic_allowed: bool
) -> Source:
    """Return the bytes of a history: from `history_uri`, else from the market file's own, which may be synthetic."""
    uri = history_uri or market.market.history.uri
    if uri != SYNTHETIC:
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

    return Source(SYNTHETIC, synthetic_csv(market.market), None)


def preprocess(
    market: LoadedMarket,
    source: Source,
    as_of: dt.date | None,
    store: Store,
    *,
    snapshot: Path,
    market_file: Path,
    checks: Path,
    today: dt.date | None = None,
) -> Checks:
    """Read and check a history, keep its snapshot under its hash, and leave what the next steps start from.

    With `today` and without `as_of`, a history that lost draws is refused: see `refuse_lost_draws`.
    """
    from ..history.reading import read_history
    from ..history.snapshot import quarantine_csv, snapshot_bytes

    history = read_history(source, market.market, as_of)
    if as_of is None and today is not None:
        refuse_lost_draws(history, store, today)
    data = snapshot_bytes(history)
    record = checks_of(history, market, sha256(data), as_of)
    key = f"snapshots/{record.market}/{record.snapshot}.parquet"
    if not store.put_new(key, data) and sha256(store.read(key)) != record.snapshot:
        raise JackpotError(
            f"{store.uri(key)} is damaged: its bytes are not those that its name says; restore or remove it"
        )
    store.put_new(f"markets/{record.market}/{record.market_file}.yaml", market.data)
    if record.quarantined:
        rows = quarantine_csv(history)
        store.put_new(f"snapshots/{record.market}/{record.snapshot}.quarantine-{sha256(rows)[:16]}.csv", rows)
    for path, content in ((snapshot, data), (market_file, market.data), (checks, record.to_bytes())):
        write_atomically(path, content)
    return record


def refuse_lost_draws(history: History, store: Store, today: dt.date) -> None:
    """Raise InputError where a history ends before the last draw that an earlier recommendation knew.

    Such a file is old or cut short, and would decide a draw that is over. A correction keeps the end. A recommendation
    on draws after `today` rested on a mistake and tells nothing; one on synthetic draws is of another history.
    """
    if history.source_uri == SYNTHETIC:
        return
    dates = history.draws["draw_date"]
    last: dt.date | None = dates.iloc[-1].date() if len(dates) else None
    known = _last_known_draw(history.market.market, store, today)
    if known is not None and (last is None or last < known):
        as_of = _day_after(history)
        raise InputError(
            Problem(
                "the history ends before draws that an earlier recommendation knew",
                where=history.source_uri,
                found=f"its last draw is of {last}" if last else "it has no draw",
                allowed=f"the draws to {known} at least, corrected or not",
                hint=f"is the file old or cut short? to look from that day on purpose: jackpot run --as-of {as_of}",
            )
        )


def _last_known_draw(market: str, store: Store, today: dt.date) -> dt.date | None:
    """Return the last draw in the histories that this market's recommendations rest on, to `today` and a day more."""
    known: dt.date | None = None
    latest = [key for key in store.keys(f"recommendations/{market}/") if key.endswith("/latest.json")]
    for key in reversed(latest):
        if known is not None and key.split("/")[2] <= known.isoformat():
            break  # what was recommended for a draw knew only draws before it
        try:
            prefix = json.loads(store.read(key))["prefix"]
            found = Metadata.model_validate_json(store.read(f"{prefix}/metadata.json"))
        except (MissingObjectError, ValueError, KeyError):
            continue
        if found.source_uri != SYNTHETIC and found.last_draw is not None:
            last = dt.date.fromisoformat(found.last_draw)
            # A market's day may be a day ahead of the clock's.
            if last <= today + dt.timedelta(days=1) and (known is None or last > known):
                known = last
    return known


def checks_of(history: History, market: LoadedMarket, snapshot_sha256: str, as_of: dt.date | None) -> Checks:
    """Return the record of a history that was read; without `as_of` it is seen from the day after its last draw.

    A market that has held no draw is then seen from the day that its calendar, prices and history begin. Warnings do
    not name the file: the same data gives the same record wherever it lies and whatever it is called.
    """
    return Checks(
        market=market.market.market,
        as_of=(as_of or _day_after(history)).isoformat(),
        snapshot=snapshot_sha256,
        market_file=market.sha256,
        source_uri=history.source_uri,
        model_name=f"{market.market.market}-synthetic" if history.source_uri == SYNTHETIC else market.market.market,
        source_version=history.source_version,
        rows=len(history.draws),
        quarantined=len(history.quarantined),
        next_jackpot=history.next_jackpot,
        warnings=(*_pool_warning(history), *(str(replace(problem, where="history")) for problem in history.problems)),
    )


def _day_after(history: History) -> dt.date:
    """Return the day after the last draw; before the first one, the first on which there may be a draw."""
    market, dates = history.market, history.draws["draw_date"]
    if len(dates):
        last: dt.date = dates.iloc[-1].date()
        return last + dt.timedelta(days=1)
    begins = (market.calendar.draw_days[0].starts, market.prices[0].starts)
    return max(*begins, market.history.starts or dt.date.min)


def _pool_warning(history: History) -> tuple[str, ...]:
    pool = history.market.game.pool
    if pool is None or not len(history.draws) or history.draws["pool"].notna().iloc[-1]:
        return ()
    return (
        f"history: what the rollover pool held after the last draw is not known; it is taken to be {pool.opening:,.0f} "
        "(game.pool.opening): name the column that holds it in history.columns.pool",
    )

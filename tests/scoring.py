"""A small model and files of rows for tests of scoring: england's synthetic draws, fitted once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from jackpot.history.snapshot import read_snapshot, snapshot_bytes
from jackpot.history.source import read_local
from jackpot.market.loading import load_market, parse_market
from jackpot.scoring.model import ScoringModel, load_scoring_model
from jackpot.steps.preprocess import read_source
from jackpot.steps.weekly import week_in_memory


@cache
def model_files_of(name: str = "england", kind: str = "") -> dict[str, bytes]:
    """Return the files of a market's model, by default of the kind that its market file names."""
    from jackpot.demand.models import new_model
    from jackpot.demand.storage import model_files

    loaded = load_market(name)
    week = week_in_memory(loaded, read_source(loaded, "", read_local, True), None)
    snapshot = snapshot_bytes(week.history)
    draws = read_snapshot(snapshot, loaded.market)
    model = new_model(kind or loaded.market.demand.model).fit(draws, loaded.market)
    return {**model_files(model), "market.yaml": loaded.data, "snapshot.parquet": snapshot}


@cache
def scoring_model(name: str = "england", kind: str = "") -> ScoringModel:
    """Return that model, conditioned."""
    return load_scoring_model(model_files_of(name, kind))


def write_model(folder: Path, name: str = "england") -> Path:
    """Leave its files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in {**model_files_of(name), "evaluation.json": b'{"market": "%s"}' % name.encode()}.items():
        (folder / file).write_bytes(data)
    return folder


def write_store(folder: Path, name: str = "england") -> Path:
    """Leave in a folder what a server of that model finds in a store: the market file, the draws, the state."""
    from jackpot.canonical import sha256
    from jackpot.demand.storage import model_hash
    from jackpot.steps.state import State

    files, loaded = model_files_of(name), scoring_model(name)
    state = State(
        market=name,
        model=model_hash(files),
        snapshot=sha256(files["snapshot.parquet"]),
        market_file=sha256(files["market.yaml"]),
        as_of=loaded.as_of.isoformat(),
    )
    for key, data in {
        f"markets/{name}/{state.market_file}.yaml": files["market.yaml"],
        f"snapshots/{name}/{state.snapshot}.parquet": files["snapshot.parquet"],
        f"states/{name}/{state.model}/{state.sha256}.json": state.to_bytes(),
        f"states/{name}/{state.model}/latest.json": state.to_bytes(),
    }.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def rows(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return jackpots of n rows, and days since 1970 among the market's next ten draws."""
    from jackpot.market.calendar import draw_dates

    model = scoring_model()
    market = parse_market(model_files_of()["market.yaml"], "market.yaml")
    dates = np.array(draw_dates(market, model.as_of, 10), dtype="datetime64[D]")
    generator = np.random.default_rng(seed)
    jackpots = np.round(model.demand.largest_seen * generator.uniform(0.1, 1.2, n), 2)
    return jackpots, dates[generator.integers(0, len(dates), n)].astype(np.int64).astype(np.int32)


def csv_lines(n: int, seed: int = 1) -> list[str]:
    """Return a CSV of n good rows as lines: id, jackpot, draw_date."""
    jackpots, days = rows(n, seed)
    dates = days.astype("datetime64[D]").astype(str)
    return [
        "id,jackpot,draw_date",
        *(f"{i},{j!r},{d}" for i, (j, d) in enumerate(zip(jackpots.tolist(), dates, strict=True))),
    ]

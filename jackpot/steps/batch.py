"""batch: plan the scoring of a file, score some of its shards, collect the result."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from ..canonical import read_folder, sha256
from ..demand.storage import model_hash
from ..errors import InputError, JackpotError, Problem
from ..ports import Files, Registry
from ..scoring.contract import File, Format, Plan
from ..scoring.job import missing_shards, plan_job, read_model, read_plan
from ..scoring.model import MARKET, MODEL_FILES, SNAPSHOT, load_scoring_model
from ..scoring.shard import Scorer
from ..store import MissingObjectError, Store
from .state import latest_state

UNREGISTERED: Final = "unregistered"
TASKS: Final = 8
"""Tasks of a pipeline run beside each other, at most."""


@dataclass(frozen=True)
class GivenModel:
    """A model's files in a state, its version, and the day that the market is seen from; None: after the last draw."""

    files: Files
    version: str
    as_of: dt.date | None


def given_model(folder: Path, market: str, results: Store | None = None) -> GivenModel:
    """Return the model in a folder, in its newest state where `results` has one, else on the draws beside it.

    Raises InputError where there is no such folder, or its model is another market's.
    """
    from ..market.loading import parse_market

    if not folder.is_dir():
        raise InputError(Problem("no such folder", where=str(folder), field="--model"))
    files = read_folder(folder)
    found = in_newest_state(files, market, results) if results is not None else GivenModel(files, UNREGISTERED, None)
    if MARKET in found.files:
        of = parse_market(found.files[MARKET], f"{folder}/{MARKET}").market
        if of != market:
            raise InputError(Problem("the model is another market's", where=str(folder), found=of, allowed=market))
    return found


def champion(registry: Registry, results: Store, market: str, synthetic_allowed: bool) -> GivenModel:
    """Return a market's champion in the newest state that was published; else on the draws it was trained on.

    A champion of synthetic draws counts only where the environment allows such, and there is no other. Raises
    InputError where there is no champion, JackpotError where it is not what was registered.
    """
    for name in [market, f"{market}-synthetic"] if synthetic_allowed else [market]:
        found = registry.champion(name)
        if found is None:
            continue
        identity = model_hash(found.files)
        if identity != found.sha256:
            raise JackpotError(f"champion {found.version} of {name} is not what was registered")
        return replace(in_newest_state(found.files, market, results), version=found.version)
    remedy = f"run `jackpot run {market}`, or name a folder with --model"
    raise InputError(Problem(f"{market} has no champion yet", hint=remedy))


def in_newest_state(files: Files, market: str, results: Store) -> GivenModel:
    """Return a model in its newest state that `results` has, else on the draws beside it.

    Raises JackpotError where the state is damaged.
    """
    chosen = {name: files[name] for name in MODEL_FILES if name in files}
    try:
        state = latest_state(market, model_hash(files), results)
    except MissingObjectError:
        return GivenModel(chosen, UNREGISTERED, None)
    chosen[SNAPSHOT] = results.read(f"snapshots/{market}/{state.snapshot}.parquet")
    chosen[MARKET] = results.read(f"markets/{market}/{state.market_file}.yaml")
    if (sha256(chosen[SNAPSHOT]), sha256(chosen[MARKET])) != (state.snapshot, state.market_file):
        raise JackpotError(f"the state of the model {model_hash(files)[:12]} is damaged: a hash is another")
    return GivenModel(chosen, UNREGISTERED, state.seen_from)


def plan_batch(
    market: str,
    file: File,
    store: Store,
    output_format: str,
    registry: Registry,
    results: Store,
    synthetic_allowed: bool,
) -> Plan:
    """Plan the scoring of a file by the market's champion; `output_format` is csv, parquet, or empty for the input's.

    Raises InputError for another format, a file that cannot be scored, or a market without a champion.
    """
    if output_format not in {"", "csv", "parquet"}:
        problem = Problem("no such format", field="output_format", found=output_format, allowed="csv, parquet or empty")
        raise InputError(problem)
    form = cast("Format | None", output_format or None)
    given = champion(registry, results, market, synthetic_allowed)
    return plan_job(load_scoring_model(given.files, given.as_of), given.version, file, store, form)


def tasks(plan: Plan, store: Store, most: int = TASKS) -> list[str]:
    """Return the missing shards as up to `most` texts of shard numbers, "0 1 2"; at least one, which may be empty.

    At least one, since kfp.local fails on a loop over nothing whose outputs are collected; texts, since it turns
    integers into floats.
    """
    missing = missing_shards(plan, store)
    count = max(min(most, len(missing)), 1)
    return [" ".join(str(number) for number in missing[i::count]) for i in range(count)]


def score_shards(job: str, shards: str, store: Store, open_file: Callable[[str], File]) -> int:
    """Score the shards of a task; return the rows of those that this call found scored or scored itself."""
    numbers = [int(number) for number in shards.split()]
    if not numbers:
        return 0
    plan = read_plan(store, job)
    scorer = Scorer(plan, read_model(store, plan), same_file(plan, open_file), store)
    return sum(scorer.score(number).rows for number in numbers)


def same_file(plan: Plan, open_file: Callable[[str], File]) -> File:
    """Return the input of a plan; raise JackpotError where it is not the one that was planned."""
    file = open_file(plan.input_uri)
    if file.version != plan.input_version:
        raise JackpotError(f"{plan.input_uri} has changed since its scoring was planned: start again")
    return file

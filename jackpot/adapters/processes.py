"""Shards of a batch job scored by processes beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import JackpotError
from ..workers import worker_pool

if TYPE_CHECKING:
    import datetime as dt

    from ..ports import Files
    from ..scoring.model import ScoringModel
    from ..scoring.shard import Scorer
    from ..steps.batch import GivenModel


@contextmanager
def scoring_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes that score; they import what they need while the job is still being planned."""
    with worker_pool(count) as pool:
        for _ in range(count):
            pool.submit(_prepare)
        yield pool


def learn(pool: ProcessPoolExecutor, count: int, given: GivenModel, quantiles: tuple[float, ...]) -> None:
    """Have each process make a model's tables while the job is still being planned."""
    for _ in range(count):
        pool.submit(_learn, {**given.files}, given.as_of, quantiles)


def run_shards(
    pool: ProcessPoolExecutor, job: str, output_uri: str, numbers: Sequence[int], on_done: Callable[[list[int]], None]
) -> None:
    """Score the shards of a job, telling `on_done` at least every second which more are done.

    Raises what the first that failed raised. A process that is killed ends the job with JackpotError; what was scored
    stays, and another call does the rest.
    """
    futures: dict[Future[None], int] = {}
    try:
        for number in numbers:
            futures[pool.submit(_score, job, output_uri, number)] = number
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            on_done([futures[future] for future in done])
    except BrokenProcessPool:
        raise JackpotError(
            "a process that scored was killed (the usual cause: out of memory); the shards that are done stay: run "
            "the same command again, perhaps with fewer --processes"
        ) from None
    finally:
        for future in futures:
            future.cancel()


def _prepare() -> None:
    import pyarrow.parquet  # noqa: F401

    from ..demand import combination  # noqa: F401
    from ..scoring import shard  # noqa: F401


_learned: list[tuple[Files, ScoringModel]] = []


def _learn(files: Files, as_of: dt.date | None, quantiles: tuple[float, ...]) -> None:
    from ..scoring.model import load_scoring_model

    if not _learned:
        model = load_scoring_model(files, as_of)
        model.curves(quantiles).learn_calendar()
        _learned.append((files, model))


@lru_cache(maxsize=1)
def _scorer(job: str, output_uri: str) -> Scorer:
    from ..scoring.job import read_plan
    from ..scoring.model import load_scoring_model
    from ..scoring.shard import Scorer
    from ..steps.batch import same_file
    from .files import open_file, open_store

    store = open_store(output_uri)
    plan, files = read_plan(store, job)
    same = (model for known, model in _learned if files.items() <= known.items() and model.as_of == plan.seen_from)
    model = next(same, None) or load_scoring_model(files, plan.seen_from)
    return Scorer(plan, model, same_file(plan, open_file), store)


def _score(job: str, output_uri: str, number: int) -> None:
    _scorer(job, output_uri).score(number)

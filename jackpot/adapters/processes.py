"""Shards of a batch job scored by processes beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING

from ..errors import JackpotError
from ..workers import worker_pool

if TYPE_CHECKING:
    import datetime as dt
    from multiprocessing.synchronize import Barrier

    from ..ports import Files
    from ..scoring.contract import Plan
    from ..scoring.model import ScoringModel
    from ..scoring.shard import Scorer


class Scorers:
    """Processes that score the shards of one job."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self._count = pool, count
        # The first imports what it needs already while the model is found.
        pool.submit(_prepare)

    def learn(self, files: Files, as_of: dt.date | None, quantiles: tuple[float, ...]) -> Future[ScoringModel]:
        """Have the first process make a model's tables, for all, and the others start, while the job is planned."""
        learned = self._pool.submit(_learn, files, as_of, quantiles)
        for _ in range(self._count - 1):
            self._pool.submit(_prepare)
        return learned

    def give(self, plan: Plan, model: ScoringModel, output_uri: str) -> None:
        """Give each process the job."""
        for taken in [self._pool.submit(_take, plan.job, model, output_uri) for _ in range(self._count)]:
            taken.result()

    def run(self, numbers: Iterable[int], on_done: Callable[[list[int]], None]) -> None:
        """Score shards of the job that was given, telling `on_done` at least every second which are done.

        Raises what the first that failed raised; what was scored stays, and another call does the rest.
        """
        left = iter(numbers)
        under_way: dict[Future[None], int] = {}
        while True:
            # Few at a time: a signal that comes while a task is handed over may leave its lock held.
            for number in islice(left, 2 * self._count - len(under_way)):
                under_way[self._pool.submit(_score, number)] = number
            if not under_way:
                return
            done, _ = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            on_done([under_way.pop(future) for future in done])


@contextmanager
def scoring_processes(count: int) -> Iterator[Scorers]:
    """Yield processes that score; raises JackpotError where one of them is killed."""
    each = get_context("spawn").Barrier(count)
    try:
        with worker_pool(count, _begin, each) as pool:
            yield Scorers(pool, count)
    except BrokenProcessPool:
        raise JackpotError(
            "a process that scored was killed (the usual cause: out of memory); the shards that are done stay: run "
            "the same command again, perhaps with fewer --processes"
        ) from None


_each: list[Barrier] = []
_given: list[tuple[str, ScoringModel, str]] = []
"""What this process scores: job, model and where to."""


def _begin(each: Barrier) -> None:
    _each.append(each)


def _prepare() -> None:
    import pyarrow.parquet  # noqa: F401

    from ..demand import combination  # noqa: F401
    from ..scoring import shard  # noqa: F401


def _learn(files: Files, as_of: dt.date | None, quantiles: tuple[float, ...]) -> ScoringModel:
    from ..scoring.model import load_scoring_model

    model = load_scoring_model(files, as_of)
    model.curves(quantiles).learn_calendar()
    return model


def _take(job: str, model: ScoringModel, output_uri: str) -> None:
    _given.append((job, model, output_uri))
    # Until all have taken theirs, so that none takes two.
    _each[0].wait()


@cache
def _scorer() -> Scorer:
    from ..scoring.job import read_plan
    from ..scoring.shard import Scorer
    from ..steps.batch import same_file
    from .files import open_file, open_store

    ((job, model, output_uri),) = _given
    store = open_store(output_uri)
    plan = read_plan(store, job)
    return Scorer(plan, model, same_file(plan, open_file), store)


def _score(number: int) -> None:
    _scorer().score(number)

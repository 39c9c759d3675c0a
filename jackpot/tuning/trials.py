"""Trials: settings scored by a cheap form of the model on rolling origins, each kept as soon as it is done.

The cheap form is the state-space regression with one setting of the errors instead of five and without boosting, at an
eighth of the time; it is filtered once a trial, and every draw of the screening window is an origin of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import ClassVar

import numpy as np
import pandas as pd

from ..demand.base import Array
from ..demand.features import price_steps
from ..demand.flags import trust
from ..demand.settings import Settings
from ..demand.specials import held
from ..demand.state_space import ERRORS, StateSpaceModel
from ..evaluation.scores import crps_normal
from ..records import Record
from ..store import MissingObjectError, Store
from ..workers import worker_pool
from .space import proposals
from .study import Study


class Trial(Record):
    """One point of the search space and its score; `score` is null where the filter broke down."""

    trial: int
    settings: dict[str, float]
    score: float | None


class CheapModel(StateSpaceModel):
    """The regression with one setting of the errors."""

    errors: ClassVar[tuple[tuple[float, float, float], ...]] = ERRORS[:1]


class Screen:
    """A study's screening window, ready for many settings: regressors and noise are those of the default."""

    def __init__(self, study: Study) -> None:
        draws, market = study.draws.iloc[: study.confirmed_from], study.market
        self.market, self.first = market, study.screened_from
        self.fitted = CheapModel().fit(draws.iloc[: self.first], market).fitted
        self.log_sales = study.log_sales[: len(draws)]
        self.trusted = trust(draws, market, held(draws, market))
        self.rows = self.fitted.design.rows(draws, market)
        self.price_step = price_steps(pd.DatetimeIndex(draws["draw_date"]), market, None)

    def losses(self, settings: Settings) -> Array:
        """Return the CRPS of the log sales of each ordinary draw of the window, one step ahead."""
        model = CheapModel(self.fitted, settings)
        mean, variance = model.filter(self.log_sales, self.rows, self.trusted, self.price_step, self.market).pooled()
        counted = (self.trusted > 0) & (np.arange(len(mean)) >= self.first)
        return crps_normal(self.log_sales[counted], mean[counted], np.sqrt(variance[counted]))

    def trial(self, number: int, settings: Settings) -> Trial:
        """Score one point."""
        score = float(self.losses(settings).mean())
        return Trial(trial=number, settings=settings.changed, score=score if math.isfinite(score) else None)


def trial_key(prefix: str, number: int) -> str:
    """Return where a trial is kept, by its study's prefix."""
    return f"{prefix}/{number}.json"


def finished(prefix: str, numbers: Iterable[int], store: Store) -> list[Trial]:
    """Return the trials of these numbers that are done."""
    found = []
    for number in numbers:
        try:
            found.append(Trial.model_validate_json(store.read(trial_key(prefix, number))))
        except MissingObjectError:
            continue
    return found


def run_trials(
    study: Study,
    numbers: Sequence[int],
    store: Store,
    expired: Callable[[], bool],
    workers: int = 1,
    on_trial: Callable[[Trial], None] | None = None,
) -> None:
    """Run the trials that are not done, in order, until `expired` says that the time is up; one is always run.

    Each is kept as it ends, so that after a kill at any moment the next run goes on with those that are missing. With
    more than one worker they run in processes of their own.
    """
    if study.obstacle or not numbers:
        return
    done = {one.trial for one in finished(study.prefix, numbers, store)}
    settings = proposals(max(numbers) + 1, study.seed)
    missing = [(number, settings[number]) for number in numbers if number not in done]
    for one in _run(study, missing, expired, workers):
        store.put_new(trial_key(study.prefix, one.trial), one.to_bytes())
        if on_trial is not None:
            on_trial(one)


def _run(
    study: Study, missing: list[tuple[int, Settings]], expired: Callable[[], bool], workers: int
) -> Iterator[Trial]:
    if not missing:
        return
    if workers == 1:
        screen = Screen(study)
        for place, (number, settings) in enumerate(missing):
            if place and expired():
                return
            yield screen.trial(number, settings)
        return
    running: set[Future[Trial]] = set()
    with worker_pool(workers, _begin, study) as pool:
        for place, (number, settings) in enumerate(missing):
            if place and expired():
                break
            running.add(pool.submit(_one, number, settings))
            if len(running) > workers:
                over, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in over)
        for one in running:
            yield one.result()


_SCREEN: list[Screen] = []
"""What a worker process scores on."""


def _begin(study: Study) -> None:
    _SCREEN[:] = [Screen(study)]


def _one(number: int, settings: Settings) -> Trial:
    return _SCREEN[0].trial(number, settings)

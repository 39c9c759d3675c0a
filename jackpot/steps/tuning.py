"""Tuning as steps: its shards, one shard's trials, the outcome.

Everything passes through the store, so that a shard that was killed is run again for its missing trials alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

from ..canonical import read_folder
from ..demand.settings import Settings
from ..errors import InputError, Problem
from ..ports import TrialRun
from ..records import Finalist, Tuning
from ..store import Store
from ..tuning.choice import choose
from ..tuning.keys import study_prefix, tuning_key
from ..tuning.study import Study
from ..tuning.trials import Trial, finished, run_trials
from .model_in_use import TUNING
from .week import Week

TRIALS_PER_SHARD, MOST_SHARDS = 50, 16
MOST_TRIALS: Final = 10_000


def study_of(week: Week) -> Study:
    """Return what a week's settings are tuned on."""
    return Study.of(week.history.draws, week.market, week.checks.snapshot, week.checks.market_file)


def plan(trials: int) -> list[str]:
    """Return the shards of so many trials, each as `first:end`; raise InputError for a number that cannot be run."""
    if not 0 < trials <= MOST_TRIALS:
        raise InputError(
            Problem("no such number of trials", field="tuning_trials", found=str(trials), allowed=f"1 to {MOST_TRIALS}")
        )
    shards = min(math.ceil(trials / TRIALS_PER_SHARD), MOST_SHARDS)
    ends = [trials * shard // shards for shard in range(shards + 1)]
    return [f"{first}:{end}" for first, end in pairwise(ends)]


def tune(week: Week, shard: str, store: Store, expired: Callable[[], bool]) -> int:
    """Run the trials of a shard that are not done, until the time is up; return how many of it are done."""
    found = re.fullmatch(r"(\d{1,5}):(\d{1,5})", shard)
    if found is None:
        raise InputError(Problem("no such shard", field="shard", found=shard, allowed="first:end, e.g. 0:50"))
    numbers, study = range(int(found[1]), int(found[2])), study_of(week)
    run_trials(study, numbers, store, expired)
    return len(finished(study.prefix, numbers, store))


def select(week: Week, trials: int, store: Store) -> tuple[Tuning, str]:
    """Return the outcome of the trials that are done and the key under which it is kept."""
    tuning = choose(study_of(week), trials, store)
    return tuning, tuning_key(tuning)


def trial_runs(week: Week, candidate: Path, store: Store) -> list[TrialRun]:
    """Return the trials behind a candidate that was tuned on this very snapshot, for the registry."""
    files = read_folder(candidate)
    tuning = Tuning.model_validate_json(files[TUNING]) if TUNING in files else None
    if tuning is None or tuning.snapshot != week.checks.snapshot:
        return []
    prefix = study_prefix(tuning.market, tuning.snapshot, tuning.study)
    finalists = {one.trial: one for one in tuning.finalists}
    return [
        TrialRun(
            f"trial {one.trial}",
            Settings.of(one.settings).factors,
            _scores(one, finalists.get(one.trial)),
            one.trial == tuning.chosen,
        )
        for one in finished(prefix, range(max(tuning.trials_asked, 1)), store)
    ]


def _scores(trial: Trial, finalist: Finalist | None) -> dict[str, float]:
    scores = {
        "screening_score": trial.score,
        "score": finalist.score if finalist else None,
        "improvement": finalist.improvement if finalist else None,
        "p_value": finalist.p_value if finalist else None,
    }
    return {name: value for name, value in scores.items() if value is not None}

"""Which settings a market takes: the default, unless draws that no trial was chosen on say otherwise.

The best of many trials looks better than it is, on the draws that it was chosen on. So a few finalists and the default
are run whole on the draws after these, and a finalist is taken only where it errs less there by a margin and by more
than chance: the Diebold-Mariano test, one-sided, its level divided by the number of finalists (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final

import numpy as np

from ..demand.base import Array
from ..demand.models import new_model
from ..demand.settings import Settings
from ..demand.specials import held
from ..evaluation.comparison import diebold_mariano
from ..evaluation.scores import crps_normal
from ..records import Finalist, Record, Tuning
from ..store import MissingObjectError, Store
from ..workers import worker_pool
from .keys import read_tuning, tuning_key
from .study import Study
from .trials import Trial, finished, run_trials

FINALISTS: Final = 3
MARGIN, LEVEL = 0.01, 0.01


class Confirmation(Record):
    """A trial's losses on the confirmation window, draw by draw, by the whole model."""

    trial: int
    losses: tuple[float, ...]


def confirm(study: Study, settings: Settings) -> Array:
    """Return the CRPS of the log sales of each ordinary draw of the confirmation window, one step ahead, by the model.

    Its parameters are fitted to the draws before that window.
    """
    first = study.confirmed_from
    model = new_model(study.market.demand.model, settings).fit(study.draws.iloc[:first], study.market)
    step = model.one_step_ahead(study.draws, study.market, first)
    counted = np.array([not name for name in held(study.draws, study.market)])[first:]
    losses: Array = crps_normal(study.log_sales[first:], step.log_median, step.log_sd * step.tail_scale)[counted]
    return losses


def choose(study: Study, trials: int, store: Store, workers: int = 1) -> Tuning:
    """Compare the best trials with the default, and keep the outcome under `tuning_key`.

    Every trial asked for that is done counts. What was compared before a kill is not compared again.
    """
    done: list[Trial] = []
    finalists: tuple[Finalist, ...] = ()
    scores: tuple[float | None, float | None] = (None, None)
    if not study.obstacle:
        run_trials(study, [0], store, lambda: True)
        done = finished(study.prefix, range(max(trials, 1)), store)
        finalists, scores = _finalists(study, done, store, workers)
    taken, reason = (None, study.obstacle) if study.obstacle else _outcome(finalists)
    complete = bool(study.obstacle) or len(done) >= trials
    tuning = Tuning(
        market=study.market.market,
        model=study.market.demand.model,
        snapshot=study.snapshot,
        study=study.name,
        seed=study.seed,
        trials_asked=trials,
        trials_done=len(done),
        ended_by="trials" if complete else "seconds",
        first_origin=study.date(study.screened_from) if done else None,
        first_confirmation=study.date(study.confirmed_from) if finalists else None,
        last_draw=study.last_draw,
        default_screening_score=scores[0],
        default_score=scores[1],
        margin=MARGIN,
        level=LEVEL,
        finalists=finalists,
        chosen=taken.trial if taken else 0,
        settings=taken.settings if taken else {},
        reason=reason,
    )
    key = tuning_key(tuning)
    store.put_new(key, tuning.to_bytes())
    return read_tuning(store, key)


def _finalists(
    study: Study, done: list[Trial], store: Store, workers: int
) -> tuple[tuple[Finalist, ...], tuple[float | None, float | None]]:
    """Return the best trials on the confirmation window, and the default's two scores."""
    default = next(one for one in done if one.trial == 0)
    ranked = sorted((one for one in done if one.score is not None), key=lambda one: (one.score, one.trial))
    best = list(takewhile(lambda one: one.trial, ranked))[:FINALISTS]
    if not best:
        return (), (default.score, None)
    losses = _confirmations(study, [default, *best], store, workers)
    of_default = losses.pop(0)
    finalists = tuple(_finalist(one, losses[one.trial], of_default) for one in best)
    return finalists, (default.score, float(of_default.mean()))


def _confirmations(study: Study, trials: list[Trial], store: Store, workers: int) -> dict[int, Array]:
    """Return the losses of trials on the confirmation window by number; those that are kept already are not run."""
    kept = {one.trial: _confirmation(study, one.trial, store) for one in trials}
    missing = [one for one in trials if kept[one.trial] is None]
    settings = [Settings.of(one.settings) for one in missing]
    if workers == 1 or len(missing) < 2:
        _keep_confirmations(study, missing, map(confirm, [study] * len(missing), settings), store)
    else:
        with worker_pool(workers) as pool:
            _keep_confirmations(study, missing, pool.map(confirm, [study] * len(missing), settings), store)
    # Read back, so that an outcome rests on the same digits whether its comparisons are new or not.
    return {one.trial: np.array(_confirmation(study, one.trial, store)) for one in trials}


def _keep_confirmations(study: Study, trials: list[Trial], results: Iterable[Array], store: Store) -> None:
    for one, losses in zip(trials, results, strict=True):
        record = Confirmation(trial=one.trial, losses=tuple(losses.tolist()))
        store.put_new(_confirmation_key(study, one.trial), record.to_bytes())


def _confirmation(study: Study, trial: int, store: Store) -> tuple[float, ...] | None:
    try:
        return Confirmation.model_validate_json(store.read(_confirmation_key(study, trial))).losses
    except MissingObjectError:
        return None


def _confirmation_key(study: Study, trial: int) -> str:
    return f"{study.prefix}/confirmed-{trial}.json"


def _finalist(trial: Trial, losses: Array, default: Array) -> Finalist:
    test = diebold_mariano(losses, default)
    p_value = None
    if test is not None:
        p_value = test.p_value / 2 if test.statistic > 0 else 1 - test.p_value / 2
    return Finalist(
        trial=trial.trial,
        settings=trial.settings,
        screening_score=trial.score or 0.0,
        score=float(losses.mean()),
        improvement=1 - float(losses.mean() / default.mean()),
        p_value=p_value,
    )


def _outcome(finalists: Sequence[Finalist]) -> tuple[Finalist | None, str]:
    """Return the finalist that is taken, None for the default, and why."""
    if not finalists:
        return None, "no trial scored better than the default"
    best = max(finalists, key=lambda one: (one.improvement, -one.trial))
    said = f"trial {best.trial} errs {100 * best.improvement:.1f}% less than the default on draws not chosen on"
    if best.improvement < 0:
        return None, f"none of the {len(finalists)} best trials errs less than the default on draws not chosen on"
    if best.improvement < MARGIN:
        return None, f"{said}, and leaving the default asks for {100 * MARGIN:g}%"
    if best.p_value is None or best.p_value > LEVEL / len(finalists):
        return None, f"{said}, which may be chance (p = {best.p_value if best.p_value is not None else 1:.2g})"
    return best, f"{said} (p = {best.p_value:.2g})"

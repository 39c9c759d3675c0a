"""jackpot tune: search for better settings of the forecast."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ..records import Tuning
from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..tuning.trials import Trial


@click.command("tune")
@options.market
@options.history
@options.as_of
@options.environment
@click.option("--trials", type=click.IntRange(1, 10_000), default=200, show_default=True, help="Settings to try.")
@click.option("--seconds", type=click.IntRange(1), default=600, show_default=True, help="Start no trial after these.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True)
@options.as_json
def command(
    market: str,
    history: str,
    as_of: str,
    environment: str,
    trials: int,
    seconds: int,
    processes: int,
    as_json: bool,
) -> int:
    """Search for settings of MARKET's sales forecast that err less than the default's.

    Trials see the draws before the back-test's window alone. Each is kept as it ends: a search that was stopped goes
    on where it was. The default is left only where draws that no trial was chosen on say so, by a stated margin.
    """
    # Before numpy is imported: one thread a process, so that the last digit does not depend on the number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ..adapters.clock import after
    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..steps.preprocess import read_source
    from ..steps.tuning import study_of
    from ..steps.weekly import week_in_memory
    from ..tuning.choice import choose
    from ..tuning.trials import run_trials

    output = Output(as_json)
    day = resolve_as_of(as_of)
    loaded = load_market(market)
    places = open_places(environment)
    source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
    study = study_of(week_in_memory(loaded, source, day))
    best: list[float] = []

    def on_trial(trial: Trial) -> None:
        if trial.score is not None and trial.score < min(best, default=float("inf")):
            best.append(trial.score)
            output.messages.print(f"trial {trial.trial}: CRPS of log sales {trial.score:.5f}, the best so far")

    with output.working(f"{loaded.market.title}: {trials} trials"):
        run_trials(study, range(trials), places.store, after(seconds), processes, on_trial)
    with output.working(f"{loaded.market.title}: the best of them beside the default"):
        tuning = choose(study, trials, places.store, processes)
    if as_json:
        output.json(tuning.model_dump(mode="json"))
        return 0
    _print(tuning, output)
    more = f" --history {history}" if history else ""
    output.next_step(f"jackpot run {market}{more} --tuning-trials {trials}")
    return 0


def _print(tuning: Tuning, output: Output) -> None:
    if tuning.finalists:
        rows = table("settings", "chosen on", "confirmed on", "better by", "p-value", "factors on the default's")
        rows.columns[-1].justify = "left"
        rows.add_row("default", f"{tuning.default_screening_score:.5f}", f"{tuning.default_score:.5f}", "", "", "")
        for one in tuning.finalists:
            factors = ", ".join(f"{name} {factor:.2g}" for name, factor in one.settings.items())
            p_value = "" if one.p_value is None else f"{one.p_value:.3f}"
            share = f"{100 * one.improvement:+.1f}%"
            rows.add_row(
                f"trial {one.trial}", f"{one.screening_score:.5f}", f"{one.score:.5f}", share, p_value, factors
            )
        output.results.print(rows)
        output.say(
            f"CRPS of log sales; draws from {tuning.first_origin}, confirmed from {tuning.first_confirmation} to "
            f"{tuning.last_draw}"
        )
    if tuning.ended_by == "seconds":
        output.say(f"the time was up after {tuning.trials_done} of {tuning.trials_asked} trials")
    kept = f"trial {tuning.chosen} is taken" if tuning.chosen else "the default is kept"
    output.say(f"{kept}: {tuning.reason}")

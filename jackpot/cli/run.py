"""jackpot run: the weekly pipeline under kfp.local."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..canonical import write_atomically
from ..errors import InputError, JackpotError, Problem
from . import options
from .output import Output

if TYPE_CHECKING:
    from ..adapters.kfp_local import LocalRun
    from ..adapters.places import Places

PUBLISHED = (
    "recommendation.json",
    "metadata.json",
    "evaluation.json",
    "gates.json",
    "checks.json",
    "curve.csv",
    "history.csv",
)


@click.command("run")
@options.market
@options.history
@options.as_of
@options.cash
@options.environment
@options.tuning
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the results [out/MARKET].")
@options.as_json
def command(
    market: str,
    history: str,
    as_of: str,
    cash: str,
    environment: str,
    tuning_trials: int,
    tuning_seconds: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Run the weekly pipeline for MARKET on this machine: the very file that a cluster runs.

    Leaves recommendation.json, metadata.json, report.html and the tables behind them in --out.
    """
    from pipelines.compiling import COMPILED

    from ..adapters.kfp_local import run_pipeline
    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..records import Recommendation
    from .recommendation import show

    output = Output(as_json)
    resolve_as_of(as_of)
    options.readable(history, cash)
    loaded = load_market(market)
    places = open_places(environment)
    target = out or Path("out") / loaded.market.market
    _writable(target)
    arguments = {
        "market": whole(market),
        "history_uri": whole(history),
        "as_of": as_of,
        "cash_uri": whole(cash),
        "environment": whole(environment),
        "tuning_trials": tuning_trials,
        "tuning_seconds": tuning_seconds,
    }
    log = places.root / "var" / "logs" / f"{loaded.market.market}-{os.getpid()}.log"
    with progress(output, f"{loaded.market.title}: weekly") as on_change:
        run = run_pipeline(
            COMPILED / "weekly.yaml",
            arguments,
            log,
            on_change,
            on_line=(lambda line: click.echo(line, err=True, nl=False)) if output.verbose else None,
        )
    if not run.succeeded:
        explain(run)
    copied = _copy(places, run, target)
    record = Recommendation.model_validate_json((target / "recommendation.json").read_bytes())
    if as_json:
        output.json(record.model_dump(mode="json"))
    else:
        show(output, record, loaded.market.currency_decimals)
        output.say(f"{len(copied)} files in {target} in {run.seconds:.1f} s; what the steps printed: {log}")
    output.next_step(f"open {target / 'report.html'}")
    return 0 if record.status != "infeasible" else 1


def _writable(folder: Path) -> None:
    """Make the folder and try it before minutes of work go into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = write_atomically(folder / f".probe-{os.getpid()}", b"")
        probe.unlink()
    except OSError as error:
        raise InputError(
            Problem(
                f"nothing can be written there: {error.strerror}", where=str(folder), hint="choose another with --out"
            )
        ) from None


def whole(value: str) -> str:
    """A path that means the same in every step, wherever a step runs."""
    return str(Path(value).resolve()) if value and "://" not in value and Path(value).exists() else value


def progress(output: Output, title: str) -> Any:
    """Show a run's steps as they start and finish."""
    from contextlib import contextmanager

    @contextmanager
    def shown() -> Any:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = output.messages
        tasks: dict[str, Any] = {}
        columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

            def on_change(run: LocalRun) -> None:
                for step in run.steps:
                    if step.name not in tasks:
                        tasks[step.name] = progress.add_task(step.name, total=1)
                        if not console.is_terminal:
                            console.print(f"{step.started:6.1f} s  {step.name}")
                    if step.finished is not None:
                        mark = "" if step.status == "SUCCESS" else f" [red]{step.status.lower()}"
                        progress.update(tasks[step.name], completed=1, description=step.name + mark)

            console.print(f"[bold]{title} pipeline[/bold]")
            yield on_change

    return shown()


def explain(run: LocalRun) -> None:
    """Raise what the failed step said."""
    failures = run.failures()
    inputs = [failure for failure in failures if failure["kind"] == "input"]
    if inputs:
        raise InputError(Problem(text) for failure in inputs for text in failure["problems"])
    said = "; ".join(f"{failure['step']}: {failure['message']}" for failure in failures)
    raise JackpotError(f"{said or 'a step ended without saying why'}; the whole log: {run.log}")


def _copy(places: Places, run: LocalRun, target: Path) -> list[Path]:
    """Copy what the run published, each file whole; recommendation.json last."""
    result = json.loads(places.store.read(f"runs/{run.run_id}/result.json"))
    files = {name: places.store.read(f"{result['prefix']}/{name}") for name in reversed(PUBLISHED)}
    report = places.restricted.read(f"{result['prefix']}/report.html")
    # The report shows cash: it stays its owner's alone.
    written = [write_atomically(target / "report.html", report, mode=0o600)]
    return written + [write_atomically(target / name, data) for name, data in files.items()]

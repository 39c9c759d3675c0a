"""jackpot validate: check market files and histories without running anything."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InputError, Problem
from . import options
from .output import Output


@click.command("validate")
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@options.history
@options.as_of
@options.environment
@options.as_json
def command(markets: tuple[str, ...], history: str, as_of: str, environment: str, as_json: bool) -> int:
    """Check each MARKET's file and history; without MARKET, every file under configs/markets/."""
    from ..history.as_of import resolve_as_of
    from ..market.loading import known_markets

    output = Output(as_json)
    day = resolve_as_of(as_of)
    names = markets or known_markets()
    if history and len(names) != 1:
        raise click.UsageError("--history goes with one MARKET")
    reports = [_check(name, history, day, environment, output) for name in names]
    if as_json:
        output.json(reports)
    bad = sum(bool(report["errors"]) for report in reports)
    of_history = f" --history {history}" if history else ""
    output.next_step(f"jackpot run {names[0]}{of_history}" if not bad else "mend the errors above and validate again")
    return 2 if bad else 0


def _check(name: str, history: str, day: Any, environment: str, output: Output) -> dict[str, Any]:
    from ..adapters.places import open_places
    from ..market.loading import load_market
    from ..steps.preprocess import read_source
    from ..steps.weekly import week_in_memory

    rows, problems = 0, []
    try:
        loaded = load_market(name)
        places = open_places(environment)
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, day)
        rows, problems = week.checks.rows, list(week.history.problems)
    except InputError as error:
        problems = list(error.problems)
    errors = [problem for problem in problems if problem.severity == "error"]
    if not output.as_json:
        verdict = "[red]refused[/]" if errors else "[green]good[/]"
        output.results.print(f"{verdict}  [bold]{name}[/]  {rows} draws, {len(problems) - len(errors)} warnings")
    if not output.as_json:
        output.problems(problems)
    return {"market": name, "rows": rows, "errors": _texts(errors), "warnings": _texts(problems, "warning")}


def _texts(problems: list[Problem], severity: str = "error") -> list[str]:
    return [str(problem) for problem in problems if problem.severity == severity]

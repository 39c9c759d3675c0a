"""jackpot system-test: whether a server answers as its model does, refuses bad input, and is fast enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..system_test.contract import Check, Report


@click.command("system-test")
@click.argument("url", type=options.Address())
@click.option("--market", required=True, help="The market, and the name of its model on the server.")
@click.option("--name", help="Another name of the model on the server, e.g. england-candidate.")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of the model's files instead of the champion.")
@options.environment
@options.as_json
def command(url: str, market: str, name: str | None, model: Path | None, environment: str, as_json: bool) -> int:
    """Test the model server at URL: protocol, answers, refusals, accuracy, latency; thresholds by the environment."""
    from ..adapters.http_server import HttpServer
    from ..adapters.places import open_places
    from ..market.loading import load_market
    from ..steps.batch import champion, given_model
    from ..steps.system_test import run_system_test

    output = Output(as_json)
    places, of = open_places(environment), load_market(market).market.market
    if model is None:
        given = champion(places.registry, places.store, of, places.environment.synthetic_allowed)
    else:
        given = given_model(model, of, places.store)
    limits = places.environment.system_test
    with output.working(f"testing {url}"):
        report = run_system_test(url, HttpServer(url), name or of, given, limits)
    if as_json:
        output.json(report.model_dump(mode="json"))
    else:
        _show(output, report)
    failed = [check.name for check in report.failed]
    output.next_step(f"mend what failed: {'; '.join(failed)}" if failed else "the model may be promoted")
    return 0 if report.passed else 1


def _show(output: Output, report: Report) -> None:
    title = f"{report.market} at {report.url}: " + ("passed" if report.passed else "failed")
    rows = table("", "check", "figure", "at most", "", title=title, numbers_from=2)
    for check in report.checks:
        mark = "[green]ok" if check.passed else "[red]failed"
        rows.add_row(check.group, check.name, _figure(check, check.figure), _figure(check, check.threshold), mark)
    output.results.print(rows)
    for check in report.failed:
        if check.detail:
            output.say(f"{check.name}: {check.detail}")


def _figure(check: Check, value: float | None) -> str:
    return "" if value is None else f"{value:.3g} {check.unit}"

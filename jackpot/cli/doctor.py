"""jackpot doctor: what an environment needs to work, each thing with its fix."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Final

import click

from . import options
from .output import Output, table

COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


@click.command("doctor")
@options.environment
@options.as_json
def command(environment: str, as_json: bool) -> int:
    """Check all that an environment needs: files, stores, registry, keys, Kubeflow, cluster, rights, schedules.

    Exits 1 where anything failed. Nothing is changed but that a missing local key is made.
    """
    from ..adapters.doctor import examine
    from ..adapters.places import open_places
    from .schedule import wanted_runs

    output = Output(as_json)
    places = open_places(environment)
    with output.working(f"examining {places.environment.environment}"):
        findings = list(examine(places, lambda: wanted_runs(places, None, dt.datetime.now(dt.UTC))))
    failed = sum(finding.state == "failed" for finding in findings)
    if as_json:
        output.json({"failed": failed, "findings": [asdict(finding) for finding in findings]})
        return 1 if failed else 0
    rows = table("", "what", "found", "fix", numbers_from=9)
    for finding in findings:
        colour = COLOURS[finding.state]
        rows.add_row(f"[{colour}]{finding.state}[/]", finding.name, finding.found, finding.fix)
    output.results.print(rows)
    output.next_step(next((f.fix for f in findings if f.state == "failed"), f"jackpot run --environment {environment}"))
    return 1 if failed else 0

"""jackpot schedule: keep Kubeflow's recurring runs as the market files say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..adapters.places import Places
    from ..scheduling import Action, RecurringRun, Wanted

SCHEDULED: Final = ("weekly",)
"""The pipelines that have a recurring run for each market."""
MARKS: Final = {"create": "+", "remove": "-", "enable": "▶", "disable": "⏸", "keep": " "}

host_option = click.option("--host", help="Address of the KFP API [the environment's kfp_host].")
folder_option = click.option(
    "--compiled",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of compiled pipelines, e.g. with the image's digest [pipelines/compiled].",
)


@click.group("schedule")
def command() -> None:
    """Keep Kubeflow's recurring runs as the market files say: `plan` shows, `apply` does. Each takes --json."""


@command.command("plan")
@options.environment
@host_option
@folder_option
@options.as_json
def plan_command(environment: str, host: str | None, compiled: Path | None, as_json: bool) -> int:
    """Show what `apply` would do; exit 1 where that is anything."""
    output = Output(as_json)
    steps, _ = _planned(environment, host, compiled, output)
    _show(steps, output)
    changes = [step for step in steps if step.kind != "keep"]
    if changes:
        output.next_step(f"jackpot schedule apply --environment {environment}")
    return 1 if changes else 0


@command.command("apply")
@options.environment
@host_option
@folder_option
@options.as_json
def apply_command(environment: str, host: str | None, compiled: Path | None, as_json: bool) -> int:
    """Create what is missing, then remove what is left over; a second apply does nothing."""
    output = Output(as_json)
    steps, places = _planned(environment, host, compiled, output)
    kubeflow = places.kubeflow(host)
    changes = [step for step in steps if step.kind != "keep"]
    with output.working(f"{len(changes)} changes on {kubeflow.host}"):
        for step in changes:
            if step.kind == "create" and step.wanted is not None:
                pipeline = step.wanted.pipeline
                account = places.environment.kfp_service_accounts.get(pipeline)
                kubeflow.create_recurring_run(step.wanted, _package(pipeline, compiled), account)
            elif step.kind == "remove":
                kubeflow.remove_recurring_run(str(step.id))
            else:
                kubeflow.enable_recurring_run(str(step.id), step.kind == "enable")
    _show(steps, output)
    output.next_step(f"jackpot schedule list --environment {environment}")
    return 0


@command.command("list")
@options.environment
@host_option
@options.as_json
def list_command(environment: str, host: str | None, as_json: bool) -> int:
    """List the recurring runs of this product, with their crons and whether they are enabled."""
    import json

    from ..adapters.places import open_places
    from ..scheduling.plan import PREFIX

    output = Output(as_json)
    kubeflow = open_places(environment).kubeflow(host)
    with output.working(f"recurring runs on {kubeflow.host}"):
        runs = [run for run in kubeflow.recurring_runs() if run.name.startswith(f"{PREFIX}-")]
    found = []
    for run in sorted(runs, key=lambda run: run.name):
        try:
            cron = json.loads(run.description)["cron"]
        except (json.JSONDecodeError, KeyError, TypeError):
            cron = None
        found.append({"name": run.name, "id": run.id, "enabled": run.enabled, "cron": cron})
    if as_json:
        output.json({"host": kubeflow.host, "recurring_runs": found})
        return 0
    rows = table("recurring run", "cron", "", numbers_from=9)
    for item in found:
        rows.add_row(str(item["name"]), str(item["cron"] or "?"), "enabled" if item["enabled"] else "paused")
    output.results.print(rows)
    output.next_step(f"jackpot schedule plan --environment {environment}")
    return 0


def _planned(environment: str, host: str | None, compiled: Path | None, output: Output) -> tuple[list[Action], Places]:
    from ..adapters.places import open_places
    from ..scheduling import plan

    places = open_places(environment)
    asked = wanted_runs(places, compiled, dt.datetime.now(dt.UTC))
    kubeflow = places.kubeflow(host)
    with output.working(f"recurring runs on {kubeflow.host}"):
        existing: list[RecurringRun] = kubeflow.recurring_runs()
    return plan(asked, existing), places


def wanted_runs(places: Places, compiled: Path | None, now: dt.datetime) -> list[Wanted]:
    """Return the recurring runs that an environment should have at `now`."""
    from ..canonical import sha256
    from ..market.loading import known_markets, load_market
    from ..scheduling import wanted_run

    settings = places.environment
    asked = []
    for pipeline in SCHEDULED:
        package = sha256(_package(pipeline, compiled).read_bytes())
        for name in settings.markets or known_markets():
            market = load_market(name).market
            parameters = {"market": market.market, "environment": settings.environment}
            asked.append(wanted_run(market, pipeline, package, parameters, now, settings.kfp_time_zone))
    return asked


def _package(pipeline: str, compiled: Path | None) -> Path:
    from pipelines.compiling import COMPILED

    return options.existing_package((compiled or COMPILED) / f"{pipeline}.yaml")


def _show(steps: list[Action], output: Output) -> None:
    changes = [step for step in steps if step.kind != "keep"]
    if output.as_json:
        listed: list[dict[str, Any]] = [
            {"action": step.kind, "name": step.name, "changes": list(step.changes)} for step in steps
        ]
        output.json({"changes": len(changes), "recurring_runs": listed})
        return
    rows = table("", "recurring run", "cron", "what differs", numbers_from=9)
    for step in steps:
        cron = str(step.wanted.spec["cron"]) if step.wanted else ""
        rows.add_row(MARKS[step.kind], step.name, cron, "\n".join(step.changes) or step.kind)
    output.results.print(rows)
    output.say(f"{len(changes)} changes, {len(steps) - len(changes)} as they should be")

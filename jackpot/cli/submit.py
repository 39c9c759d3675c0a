"""jackpot submit: run a pipeline on a Kubeflow cluster and wait for it."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .output import Output


@click.command("submit")
@options.market
@click.option("--pipeline", default="weekly", show_default=True, help="Which compiled pipeline.")
@click.option("--file", "package", type=click.Path(dir_okay=False, path_type=Path), help="A compiled file of your own.")
@options.history
@options.as_of
@options.cash
@click.option("--environment", default="production", show_default=True, help="Name under configs/environments/.")
@click.option("--host", help="Address of the KFP API [the environment's kfp_host].")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the run's end.")
@click.option("--timeout", type=click.IntRange(1), default=3600, show_default=True, help="Seconds to wait at most.")
@options.as_json
def command(
    market: str,
    pipeline: str,
    package: Path | None,
    history: str,
    as_of: str,
    cash: str,
    environment: str,
    host: str | None,
    wait: bool,
    timeout: int,
    as_json: bool,
) -> int:
    """Run a pipeline for MARKET on a cluster, wait for it, and exit by its state."""
    from pipelines.compiling import COMPILED

    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of

    output = Output(as_json)
    resolve_as_of(as_of)
    file = options.existing_package(package or COMPILED / f"{pipeline}.yaml")
    places = open_places(environment)
    settings, kubeflow = places.environment, places.kubeflow(host)
    asked = {"history_uri": history, "as_of": as_of, "cash_uri": cash}
    # Not every pipeline has each of these, and the server refuses what a pipeline has not.
    given = {name: value for name, value in asked.items() if value}
    arguments = {"market": market, "environment": settings.environment, **given}
    account = settings.kfp_service_accounts.get(pipeline)
    with output.working(f"{pipeline} for {market} on {kubeflow.host}"):
        run = kubeflow.submit(file, pipeline, f"{pipeline} {market}", arguments, timeout if wait else None, account)
    link = settings.run_link.format(run_id=run.run_id) if settings.run_link else run.link
    if as_json:
        output.json({"run_id": run.run_id, "state": run.state, "link": link})
    output.say(f"run {run.run_id}: {run.state or 'started'}\n{link}")
    return 0 if run.state in (None, "SUCCEEDED") else 1

"""jackpot fleet: the weekly pipeline for every market, so many at a time; one's failure harms no other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..canonical import write_atomically
from ..report import FleetRow, fleet_html
from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..adapters.places import Places


@click.command("fleet")
@click.argument("markets", nargs=-1)
@options.as_of
@options.environment
@click.option("--parallel", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/fleet"),
    show_default=True,
    help="Folder for the summary page, and for each market's results.",
)
@options.as_json
def command(markets: tuple[str, ...], as_of: str, environment: str, parallel: int, out: Path, as_json: bool) -> int:
    """Run the weekly pipeline for MARKETS (all of the environment's where none is named), each as a run of its own.

    Here, or on the cluster where the environment's `runner` is kubeflow. Exits 1 where any run failed.
    """
    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of
    from ..market.loading import known_markets, load_market

    output = Output(as_json)
    resolve_as_of(as_of)
    places = open_places(environment)
    names = list(dict.fromkeys(markets or places.environment.markets or known_markets()))
    for name in names:
        load_market(name)
    run_one = _on_cluster(places, as_of) if places.environment.runner == "kubeflow" else _here(environment, as_of, out)
    began = time.monotonic()
    done: list[FleetRow] = []
    with ThreadPoolExecutor(parallel) as pool:
        for finished in as_completed([pool.submit(run_one, name) for name in names]):
            run = finished.result()
            done.append(run)
            output.messages.print(
                f"{len(done)}/{len(names)} {run.market}: {run.status} in {run.seconds:.1f} s", markup=False
            )
    done.sort(key=lambda run: names.index(run.market))
    page = write_atomically(out / "index.html", fleet_html(done))
    failed = [run for run in done if not run.succeeded]
    if as_json:
        output.json({"seconds": time.monotonic() - began, "runs": [asdict(run) for run in done], "page": str(page)})
    else:
        rows = table("market", "draw", "status", "jackpot", "seconds", numbers_from=3)
        for run in done:
            rows.add_row(run.market, run.draw_date, run.status, run.amount, f"{run.seconds:.1f}")
        output.results.print(rows)
        for run in failed:
            output.say(f"{run.market}: {run.message}")
    output.say(f"{len(done) - len(failed)} of {len(done)} succeeded in {time.monotonic() - began:.1f} s")
    output.next_step(f"open {page}")
    return 1 if failed else 0


def _here(environment: str, as_of: str, out: Path) -> Callable[[str], FleetRow]:
    def run_one(market: str) -> FleetRow:
        began = time.monotonic()
        words = [sys.executable, "-m", "jackpot", "run", market, "--environment", environment, "--json"]
        done = subprocess.run(  # noqa: S603
            [*words, "--out", str(out / Path(market).stem), *(["--as-of", as_of] if as_of else [])],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        try:
            found = json.loads(done.stdout)
        except json.JSONDecodeError:
            found = {"message": (done.stderr.strip().splitlines() or ["it said nothing"])[-1]}
        if "status" not in found:
            message = str(found.get("message") or "; ".join(p["message"] for p in found.get("problems", ())))
            return FleetRow(market, False, "failed", seconds=seconds, message=message)
        link = f"{Path(market).stem}/report.html"
        amount, currency, date = found["jackpot"], found["currency"], found["draw_date"]
        # Infeasible is an answer: the run did what it should.
        return FleetRow(market, True, found["status"], amount, currency, date, seconds, link)

    return run_one


def _on_cluster(places: Places, as_of: str) -> Callable[[str], FleetRow]:
    from pipelines.compiling import COMPILED

    from ..errors import JackpotError

    settings = places.environment
    kubeflow = places.kubeflow()

    def run_one(market: str) -> FleetRow:
        began = time.monotonic()
        arguments = {"market": market, "as_of": as_of, "environment": settings.environment}
        try:
            account = settings.kfp_service_accounts.get("weekly")
            run = kubeflow.submit(COMPILED / "weekly.yaml", "weekly", f"weekly {market}", arguments, 3600, account)
        except JackpotError as error:
            return FleetRow(market, False, "failed", seconds=time.monotonic() - began, message=str(error))
        link = settings.run_link.format(run_id=run.run_id) if settings.run_link else run.link
        state = (run.state or "").lower()
        return FleetRow(market, state == "succeeded", state, seconds=time.monotonic() - began, link=link)

    return run_one

"""jackpot monitor: does the model in use still hold?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..canonical import write_atomically
from . import options
from .output import Output, table


@click.command("monitor")
@options.market
@options.history
@options.as_of
@options.cash
@options.environment
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the record [out/MARKET].")
@options.as_json
def command(market: str, history: str, as_of: str, cash: str, environment: str, out: Path | None, as_json: bool) -> int:
    """Run the monitor's pipeline for MARKET: nothing, watch, retrain or stop, with the evidence.

    Exits with 0 whatever the verdict. A retraining that it calls for is started by `jackpot watch`.
    """
    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..records import Monitor
    from ..report import monitor_html
    from ..report.monitor import HEADLINES, NAMES
    from .local_pipeline import run_here

    output = Output(as_json)
    resolve_as_of(as_of)
    options.readable(history, cash)
    loaded = load_market(market)
    places = open_places(environment)
    arguments = {"market": market, "history_uri": history, "as_of": as_of, "cash_uri": cash, "environment": environment}
    run = run_here(output, places, "monitor", loaded.market, arguments)
    result = json.loads(places.store.read(f"runs/{run.run_id}/result.json"))
    data = places.store.read(result["monitor"])
    found = Monitor.model_validate_json(data)
    target = out or Path("out") / found.market
    for name, content in {"monitor.json": data, "monitor.html": monitor_html(found)}.items():
        write_atomically(target / name, content)
    if as_json:
        output.json(found.model_dump(mode="json"))
        return 0
    colours = {"quiet": "green", "watch": "yellow", "retrain": "red", "not_checked": "dim"}
    output.say(f"\n{HEADLINES[found.verdict]} ({found.verdict}): {found.reason}")
    rows = table("", "", "what was found", numbers_from=3)
    for one in (*found.detectors, *found.data, *found.fans):
        rows.add_row(NAMES[one.name], f"[{colours[one.state]}]{one.state.replace('_', ' ')}", one.evidence)
    output.results.print(rows)
    output.say(f"{found.watched_draws} draws since {found.model_as_of}; {target / 'monitor.html'}")
    output.next_step(
        f"jackpot run {market} --tuning-trials {loaded.market.monitoring.tuning_trials}"
        if found.verdict in {"retrain", "stop"}
        else f"jackpot run {market}"
    )
    return 0

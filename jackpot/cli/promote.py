"""jackpot promote: make an approved version the champion."""

from __future__ import annotations

from dataclasses import asdict

import click

from . import options
from .output import Output


@click.command("promote")
@options.market
@click.argument("version")
@options.environment
@click.option("--host", default="", help="Address of the KFP API [the environment's kfp_host].")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the end of a run on a cluster.")
@options.as_json
def command(market: str, version: str, environment: str, host: str, wait: bool, as_json: bool) -> int:
    """Make VERSION (v3) of MARKET's model the champion: gates and approval are checked, traffic moves, then the name.

    Running it again is harmless: what was interrupted is finished, or undone.
    """
    from .promotion import start_promotion

    output = Output(as_json)
    done = start_promotion(market, version, environment, output, host, wait)
    if as_json:
        output.json(asdict(done))
    output.say(f"{done.champion} is champion" if done.champion else f"run {done.run_id} started")
    output.say(done.link)
    output.next_step(f"jackpot run {market}{options.there(environment)}" if done.champion else f"open {done.link}")
    return 0

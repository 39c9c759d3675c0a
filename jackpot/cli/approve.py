"""jackpot approve: say yes to a model that waits, and start its promotion."""

from __future__ import annotations

from dataclasses import asdict

import click

from . import options
from .answering import give, reason, told, which
from .output import Output


@click.command("approve")
@options.market
@which
@reason
@click.option("--promote/--no-promote", default=True, show_default=True, help="Start its promotion at once.")
@options.environment
@options.as_json
def command(market: str, request: str, reason: str, promote: bool, environment: str, as_json: bool) -> int:
    """Approve MARKET's model of REQUEST, or of the only request that waits, and start its promotion.

    You are who the environment says you are: the user of this machine, or the caller that AWS or Kubernetes knows.
    """
    from .promotion import start_promotion

    output = Output(as_json)
    entry = give("approved", market, request, reason, environment, output)
    version = f"{entry.body['model_name']}/{entry.body['version']}"
    done = start_promotion(market, version, environment, output) if promote else None
    if as_json:
        output.json({**told(entry), "promotion": asdict(done) if done else None})
    if done is not None:
        output.say(f"{done.champion} is champion" if done.champion else f"promotion {done.run_id}: {done.link}")
    following = f"jackpot run {market}" if done is not None else f"jackpot promote {market} {version}"
    output.next_step(following + options.there(environment))
    return 0

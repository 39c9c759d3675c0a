"""jackpot reject: say no to a model that waits; the champion stays."""

from __future__ import annotations

import click

from . import options
from .answering import give, reason, told, which
from .output import Output


@click.command("reject")
@options.market
@which
@reason
@options.environment
@options.as_json
def command(market: str, request: str, reason: str, environment: str, as_json: bool) -> int:
    """Reject MARKET's model of REQUEST, or of the only request that waits."""
    output = Output(as_json)
    entry = give("rejected", market, request, reason, environment, output)
    if as_json:
        output.json(told(entry))
    output.next_step("the champion stays; the next weekly run trains another challenger")
    return 0

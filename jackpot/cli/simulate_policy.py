"""jackpot simulate-policy: policies compared on a market whose truth is known."""

from __future__ import annotations

import click

from . import options
from .output import Output


@click.command("simulate-policy")
@options.market
@click.option("--runs", type=click.IntRange(1, 20_000), default=1000, show_default=True, help="Runs of the market.")
@click.option(
    "--draws",
    type=click.IntRange(0, 1040),
    default=0,
    help="Draws of a run [all that there is a plan for: the named period and a horizon after it].",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True, help="Of the luck.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="At once; changes no figure."
)
@options.as_of
@options.environment
@options.as_json
def command(
    market: str, runs: int, draws: int, seed: int, processes: int, as_of: str, environment: str, as_json: bool
) -> int:
    """Play MARKET's known truth many times under the recommendation's plan and under other policies.

    Beside it: the seed's rule, the best constant jackpot, the last jackpot, the history's own and a clairvoyant.
    """
    from .policies import compare

    return compare(
        Output(as_json), "simulated", market, "", as_of, environment, runs, draws, seed, processes, happened=False
    )

"""jackpot backtest-policy: policies compared on a market's past draws, each decided as of its day."""

from __future__ import annotations

import click

from . import options
from .output import Output


@click.command("backtest-policy")
@options.market
@click.option("--draws", type=click.IntRange(0, 1040), default=0, help="The last so many draws [52].")
@click.option("--runs", type=click.IntRange(1, 1000), default=1, show_default=True, help="A minute each at 52 draws.")
@click.option("--happened", is_flag=True, help="Winners are those that won, in one run; otherwise the game draws them.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True, help="Of the luck.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="At once; changes no figure."
)
@options.history
@options.as_of
@options.environment
@options.as_json
def command(
    market: str,
    draws: int,
    runs: int,
    happened: bool,
    seed: int,
    processes: int,
    history: str,
    as_of: str,
    environment: str,
    as_json: bool,
) -> int:
    """Decide MARKET's past draws anew, each as of its day, with a ledger that each policy rolls forward itself.

    Sales at another jackpot than the announced one are what was sold, times the forecasts' ratio.
    """
    from .policies import compare

    return compare(
        Output(as_json),
        "backtest",
        market,
        history,
        as_of,
        environment,
        runs,
        draws,
        seed,
        processes,
        happened=happened,
    )

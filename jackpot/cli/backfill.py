"""jackpot backfill: what would have been recommended for past draws."""

from __future__ import annotations

import click

from . import options
from .output import Output, table


@click.command("backfill")
@options.market
@click.option("--from", "first", default="", metavar="DATE", help="First draw date [51 draws before the last].")
@click.option("--to", "last", default="", metavar="DATE", help="Last draw date [the history's last].")
@options.history
@click.option("--cash", default="", metavar="URI", help="Cash as it was; {as_of} in it stands for each day.")
@options.environment
@options.as_json
def command(market: str, first: str, last: str, history: str, cash: str, environment: str, as_json: bool) -> int:
    """Recommend for MARKET's past draws, each as of its own day and with the champion of that day.

    Where the audit log names none, the model is one trained on what was known then. Nothing is registered, approved or
    served, and no recommendation that was made is touched. What was done is not done again.
    """
    from ..adapters.places import open_places
    from ..market.loading import load_market
    from ..report.money import Money
    from ..steps.backfill import result_of
    from .local_pipeline import run_here

    output = Output(as_json)
    options.period(first, last)
    options.readable(history)
    loaded = load_market(market)
    places = open_places(environment)
    arguments = {
        "market": market,
        "first": first,
        "last": last,
        "history_uri": history,
        "cash_uri": cash,
        "environment": environment,
    }
    run = run_here(output, places, "backfill", loaded.market, arguments)
    done = result_of(run.run_id or "", places.store)
    if as_json:
        output.json([one.model_dump(mode="json") for one in done])
        return 0
    money = Money(loaded.market.currency, loaded.market.currency_decimals)
    rows = table("draw", "as of", "jackpot", "status", "model", numbers_from=2)
    for one in done:
        jackpot = "-" if one.jackpot is None else money.exact(one.jackpot)
        rows.add_row(one.draw_date, one.as_of, jackpot, one.status, f"{one.model_standing} {one.model_version or ''}")
    output.results.print(rows)
    output.next_step(f"see {places.store.uri(done[-1].prefix)}")
    return 0

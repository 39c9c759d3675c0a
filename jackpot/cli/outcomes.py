"""jackpot outcomes: recommended, decided, happened."""

from __future__ import annotations

import click

from . import options
from .output import Output, table


@click.command("outcomes")
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@options.history
@click.option("--draws", is_flag=True, help="Draw by draw.")
@options.environment
@options.as_json
def command(markets: tuple[str, ...], history: str, draws: bool, environment: str, as_json: bool) -> int:
    """Show what became of the recommendations of MARKET, or of every market: adoption, forecast error, value.

    Values are each draw's own, as forecast when it was recommended; realised ones come from the history.
    """
    from ..adapters.places import open_places
    from ..market.loading import known_markets, load_market
    from ..outcomes import Outcomes, outcomes
    from ..steps.preprocess import read_source
    from ..steps.weekly import week_in_memory

    output = Output(as_json)
    if history and len(markets) != 1:
        raise click.UsageError("--history goes with one MARKET")
    places = open_places(environment)
    found: list[Outcomes] = []
    for name in markets or known_markets():
        loaded = load_market(name)
        log = places.audit(loaded.market.market)
        if not markets and not list(log.entries("recommendation", "decision")):
            continue
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, None)
        found.append(outcomes(log, places.store, loaded.market, week.history.draws))
    if as_json:
        output.json([each.model_dump(mode="json") for each in found])
        return 0
    for each in found:
        columns = ("draws", "decided", "adopted", "wMAPE", "advised", "decided", "last", "seed's", "real")
        rows = table("month", *columns, title=f"{each.market}: value in million {each.currency}")
        for month in each.months:
            values = (
                month.value_recommended,
                month.value_decided,
                month.value_keep_last,
                month.value_seed_rule,
                month.value_realised,
            )
            rows.add_row(
                month.month,
                str(month.draws),
                str(month.decided),
                _percent(month.adoption_pct, 0),
                _percent(month.wmape_pct, 1),
                *("-" if value is None else f"{value / 1e6:,.2f}" for value in values),
            )
        output.results.print(rows)
        if draws:
            rows = table("draw", "recommended", "decided", "announced", "error", "sales", title="draw by draw")
            for row in each.draws:
                figures = (row.recommended, row.decided, row.announced)
                rows.add_row(
                    ", ".join((row.draw_date, *row.remarks)),
                    *("-" if figure is None else f"{figure:,.0f}" for figure in figures),
                    _percent(row.error_pct, 1),
                    "-" if row.sales is None else f"{row.sales:,.0f}",
                )
            output.results.print(rows)
    if not any(each.draws for each in found):
        output.say("nothing was recommended or decided yet")
    output.next_step("jackpot outcomes MARKET --draws, or --json for every figure")
    return 0


def _percent(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}%"

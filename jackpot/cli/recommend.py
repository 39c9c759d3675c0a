"""jackpot recommend: the recommendation in this process."""

from __future__ import annotations

import click

from . import options
from .output import Output


@click.command("recommend")
@options.market
@options.history
@options.as_of
@options.cash
@options.environment
@options.as_json
def command(market: str, history: str, as_of: str, cash: str, environment: str, as_json: bool) -> int:
    """Recommend a jackpot for MARKET's next draw, with a model fitted here and now.

    The same figures as `jackpot run` gives where the registry has no champion; where it has one, the model fitted here
    has the champion's settings. Nothing is stored.
    """
    from ..adapters.places import open_places
    from ..adapters.settings import champions_tuning
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..steps.preprocess import read_source
    from ..steps.weekly import recommend_in_memory, week_in_memory
    from .recommendation import show
    from .settings import settings_words

    output = Output(as_json)
    day = resolve_as_of(as_of)
    loaded = load_market(market)
    places = open_places(environment)
    with output.working(f"{loaded.market.title}: reading, fitting, back-testing, deciding"):
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, day)
        tuning = champions_tuning(week, places)
        decision, _ = recommend_in_memory(week, places.cash(loaded.market, cash, week.synthetic), tuning)
    record = decision.recommendation
    if as_json:
        output.json(record.model_dump(mode="json"))
    else:
        output.say(settings_words(tuning))
        show(output, record, loaded.market.currency_decimals)
    output.next_step(f"jackpot run {market}  (with registry, report and records)")
    return 0 if record.status != "infeasible" else 1

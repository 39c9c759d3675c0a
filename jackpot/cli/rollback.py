"""jackpot rollback: return to the champion before the current one."""

from __future__ import annotations

import click

from . import options
from .output import Output


@click.command("rollback")
@options.market
@click.option("--reason", required=True, help="Why; it is kept in the audit log.")
@click.option("--name", default="", help="The model's name in the registry [the one last promoted].")
@options.environment
@options.as_json
def command(market: str, reason: str, name: str, environment: str, as_json: bool) -> int:
    """Return MARKET to the champion before the current one, at once, traffic and name.

    Whoever may approve may do so. It was approved when it became champion, so nobody is asked again. A promotion under
    way is over.
    """
    from ..adapters.clock import now
    from ..adapters.identity import caller
    from ..adapters.places import open_places
    from ..approval import Caller, Rules
    from ..market.loading import load_market
    from ..promotion import model_name_of

    output = Output(as_json)
    places = open_places(environment)
    loaded = load_market(market).market
    model_name = name or model_name_of(loaded.market, places.audit(loaded.market))
    settings = places.environment.approval
    by = caller(settings)
    Rules.of(loaded.market, settings.approvers, four_eyes=False).check(by, Caller(""))
    champion = places.promoter(loaded.market, model_name, by.person, now()).rollback(reason)
    if as_json:
        output.json({"market": loaded.market, "model_name": model_name, **champion.body})
    output.say(f"{champion.version} of {model_name} is champion again")
    output.next_step(f"jackpot run {market}{options.there(environment)}")
    return 0

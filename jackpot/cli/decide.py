"""jackpot decide: record which jackpot was decided for a draw."""

from __future__ import annotations

import click

from . import options
from .output import Output


@click.command("decide")
@options.market
@click.argument("date")
@click.option("--jackpot", "amount", required=True, help="Such as 17500000, 17,500,000 or 17.5m.")
@click.option("--reason", default="", help="Why; needed where it is not the recommended jackpot.")
@click.option("--supersede", is_flag=True, help="Put it in the place of an earlier decision for this draw.")
@options.environment
@options.as_json
def command(market: str, date: str, amount: str, reason: str, supersede: bool, environment: str, as_json: bool) -> int:
    """Record the jackpot decided for MARKET's draw of DATE (YYYY-MM-DD)."""
    import datetime as dt
    from fnmatch import fnmatchcase

    from ..adapters.clock import now
    from ..adapters.identity import caller
    from ..adapters.places import open_places
    from ..approval import Rules
    from ..errors import InputError, Problem
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..outcomes import decide, in_words, waits_for_second
    from ..report.money import Money

    output = Output(as_json)
    day = resolve_as_of(date, field="draw date") if date.strip() else None
    if not isinstance(day, dt.date):
        raise InputError(Problem("which draw?", field="draw date", allowed="YYYY-MM-DD"))
    loaded = load_market(market).market
    try:
        jackpot = Money(loaded.currency).read(amount)
    except ValueError:
        raise InputError(
            Problem(
                f"no amount of {loaded.currency}",
                field="--jackpot",
                found=amount,
                allowed="such as 17500000, 17,500,000 or 17.5m",
            )
        ) from None
    places = open_places(environment)
    log, by = places.audit(loaded.market), caller(places.environment.approval)
    # Where the console names nobody, there is none: whoever can write the log decides.
    if deciders := places.environment.console.decide:
        may = Rules.of(loaded.market, deciders, four_eyes=False).approvers
        if not any(fnmatchcase(by.person, pattern) for pattern in may):
            raise InputError(
                Problem(
                    f"this identity may not decide for {loaded.market}",
                    field="console.decide",
                    found=by.person,
                    allowed=", ".join(may) or "nobody yet",
                    hint="the environment file says who may",
                )
            )
    entry = decide(
        log,
        loaded,
        draw_date=day,
        jackpot=jackpot,
        reason=reason,
        by=by,
        at=now(),
        supersede=supersede,
    )
    if as_json:
        output.json({"number": entry.number, "at": entry.at, "by": entry.by, **entry.body})
    kind = in_words(loaded, entry)
    output.say(f"{jackpot:,.15g} for {day}, {kind}: decided by {entry.by} at {entry.at} (record {entry.number})")
    if waits_for_second(log, loaded, entry):
        output.say(f"{loaded.market} asks for four eyes: it waits until somebody else records the same")
    output.next_step(f"jackpot outcomes {market} once the draw is in the history")
    return 0

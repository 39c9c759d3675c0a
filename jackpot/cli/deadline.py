"""jackpot deadline: the dead man's switch."""

from __future__ import annotations

import datetime as dt
import sys
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING

import click

from ..canonical import json_bytes
from ..errors import JackpotError
from ..ports import Notice
from . import options
from .output import Output

if TYPE_CHECKING:
    from ..adapters.places import Places


@click.command("deadline")
@click.argument("names", metavar="[MARKET]...", nargs=-1)
@options.environment
@click.option("--at", metavar="TIME", help="Judge as of this time (ISO 8601 with its offset) instead of now.")
@options.as_json
def command(names: tuple[str, ...], environment: str, at: str | None, as_json: bool) -> int:
    """Tell, and exit with 1, where the next draw of a MARKET has no recommendation by its deadline.

    Needs no pipeline to have started: run it by cron, or as a CronJob. The deadline is the market file's
    `schedule.deadline_hours_before_draw`, counted from the end of the draw's day.
    """
    from ..adapters.places import open_places
    from ..market.loading import known_markets, load_market
    from ..store import MissingObjectError
    from ..triggers.deadline import due

    output = Output(as_json)
    now = _time(at)
    places = open_places(environment)
    found = []
    for market in (load_market(name).market for name in names or places.environment.markets or known_markets()):
        if not market.schedule.enabled:
            continue
        draw, deadline = due(market, now)
        state, why = "waiting", ""
        try:
            places.store.read(f"recommendations/{market.market}/{draw}/latest.json")
            state = "there"
        except MissingObjectError:
            if deadline <= now:
                state, why = "overdue", f"no recommendation for the draw on {draw}: it was due at {deadline:%H:%M} UTC"
                why += f" on {deadline:%Y-%m-%d}"
        except JackpotError as error:
            state, why = "unknown", f"whether there is a recommendation for {draw} cannot be seen: {error}"
        if why:
            with redirect_stdout(sys.stderr):
                _tell(places, Notice(market.market, f"deadline-{market.market}-{draw}", "overdue", why, None))
        found.append({"market": market.market, "draw_date": f"{draw}", "due": deadline.isoformat(), "state": state})
        output.say(f"{market.market}: {why or f'{draw}: {state}, due {deadline:%Y-%m-%d %H:%M} UTC'}")
    if as_json:
        output.json(found)
    late = [one["market"] for one in found if one["state"] in {"overdue", "unknown"}]
    if late:
        output.next_step(f"jackpot run {late[0]}")
    return 1 if late else 0


def _tell(places: Places, notice: Notice) -> None:
    """Send a message once for each draw, and again as long as it is not known to have been sent."""
    key = f"runs/{notice.run_id}/told.json"
    try:
        places.store.read(key)
    except JackpotError:
        if not places.tell(notice):
            with suppress(JackpotError):
                places.store.put_new(key, json_bytes({"text": notice.text}))


def _time(text: str | None) -> dt.datetime:
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise click.UsageError(f"--at {text}: write a time with its offset, e.g. 2026-01-31T18:00:00+00:00")
    return time

"""What `jackpot approve` and `jackpot reject` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError, Problem
from .output import Output

if TYPE_CHECKING:
    from ..approval.requests import Verdict
    from ..audit import AuditLog, Entry

reason = click.option("--reason", required=True, help="Why; it is kept with the answer.")
which = click.argument("request", required=False, default="")


def waiting(log: AuditLog, request: str, at: str) -> str:
    """Return the id of the request that is meant: the named one, else the only one that waits."""
    from ..approval import answer_of, pending, stale

    if request:
        return request
    open_requests = [entry.subject for entry in pending(log, at)]
    last = next(reversed(list(log.entries("approval_request"))), None)
    if not open_requests and last is not None:
        if given := answer_of(log, last.subject):
            what = "has its answer, and nothing else waits"
            found, hint = f"{given.body['verdict']} by {given.by} at {given.at}", ""
        elif overtaken := stale(log, last):
            what, found = "waits no more, and nothing else does", overtaken
            hint = f"the next weekly run compares anew: jackpot run {log.market}"
        else:
            what = "expired without an answer, and nothing else waits"
            found = f"it was open until {last.body['expires_at']}"
            hint = f"jackpot run {log.market} asks anew where the challenger still passes its gates"
        raise InputError(Problem(f"{last.subject} {what}", found=found, hint=hint))
    if len(open_requests) != 1:
        raise InputError(
            Problem(
                f"{log.market} has {len(open_requests) or 'no'} requests that wait",
                allowed=", ".join(open_requests) or "nothing to answer",
                hint="say which" if open_requests else "a weekly run asks when a challenger passes its gates",
            )
        )
    return open_requests[0]


def give(verdict: Verdict, market: str, request: str, reason: str, environment: str, output: Output) -> Entry:
    """Record an answer as the person who runs this process; their own earlier one of the same verdict stands."""
    from ..adapters.clock import now
    from ..adapters.identity import caller
    from ..adapters.places import open_places
    from ..approval import AnsweredError, Rules, answer
    from ..market.loading import load_market

    loaded = load_market(market).market
    places = open_places(environment)
    settings, log, at = places.environment.approval, places.audit(loaded.market), now()
    request_id = waiting(log, request, at)
    by = caller(settings)
    rules = Rules.of(loaded.market, settings.approvers, loaded.governance.four_eyes)
    try:
        entry = answer(log, request_id, verdict, reason, by, at, rules)
    except AnsweredError as error:
        entry = error.entry
        if (entry.by, entry.body["verdict"]) != (by.person, verdict):
            raise
    output.say(f"{request_id}: {verdict} by {entry.by} at {entry.at} (record {entry.number} of the audit log)")
    return entry


def told(entry: Entry) -> dict[str, Any]:
    """Return an entry as --json prints it."""
    return {"number": entry.number, "subject": entry.subject, "at": entry.at, "by": entry.by, **entry.body}

"""The jackpot that was decided for a draw, with its reason: a record that only another one can supersede."""

from __future__ import annotations

import datetime as dt
import math
from typing import Final
from zoneinfo import ZoneInfo

from ..approval import Caller, giver_of, two_people
from ..audit import AuditLog, Entry
from ..errors import InputError, JackpotError, Problem
from ..market.calendar import next_draw_date
from ..market.schema import Market

LONGEST_REASON: Final = 2000
SMALLEST_MONEY: Final = 0.005
"""Half a hundredth of the currency: sums nearer to each other are the same."""


def decide(
    log: AuditLog,
    market: Market,
    *,
    draw_date: dt.date,
    jackpot: float,
    reason: str,
    by: Caller,
    at: str,
    supersede: bool = False,
) -> Entry:
    """Record the jackpot decided for a draw; return the record, or the one in force that says the same.

    Another reason for the same jackpot is another decision where `supersede` is asked for.
    A jackpot other than the latest recommended is an override; it needs a reason, and so does one without a
    recommendation. Raises InputError where the day has no draw, the jackpot cannot be announced or the reason is
    missing, and JackpotError where another decision is in force and `supersede` is not asked for.

    Where the market asks for four eyes, a decision waits until another person, by another identity, records the same:
    that confirms it.
    """
    day = draw_date.isoformat()
    recommended = recommended_for(log, day)
    figure = recommended.body["jackpot"] if recommended is not None else None
    _check(market, draw_date, jackpot, reason, on_step=figure != jackpot)
    if figure != jackpot and not any(one.isalnum() for one in reason):
        raise InputError(
            Problem(
                "a jackpot other than the recommended needs a reason"
                if recommended is not None
                else "there was no recommendation for this draw, so the jackpot needs a reason",
                field="reason",
                found=f"{jackpot:,.12g}",
                allowed=f"{figure:,.12g} without one" if isinstance(figure, int | float) else "a reason",
            )
        )
    while True:
        earlier = [entry for entry in log.entries("decision") if entry.body["draw_date"] == day]
        restated = supersede and reason.strip() not in ("", earlier[-1].body["reason"]) if earlier else False
        if earlier and earlier[-1].body["jackpot"] == jackpot and not restated:
            if two_people(by, giver_of(earlier[-1])) and waits_for_second(log, market, earlier[-1]):
                confirmed = {
                    "draw_date": day,
                    "jackpot": jackpot,
                    "decision": earlier[-1].number,
                    "identity": by.identity,
                }
                log.append("decision_confirmation", earlier[-1].subject, at=at, by=by.person, body=confirmed, once=True)
            return earlier[-1]
        if earlier and not supersede:
            raise JackpotError(
                f"{earlier[-1].body['jackpot']:,.12g} was decided for {day} by {earlier[-1].by} at {earlier[-1].at}; "
                "--supersede puts this decision in its place, on record"
            )
        body = {
            "draw_date": day,
            "jackpot": jackpot,
            "reason": reason.strip(),
            "identity": by.identity,
            "recommended": figure,
            "recommendation": recommended.subject.rpartition("/")[2] if recommended is not None else None,
            "override": recommended is not None and figure != jackpot,
            "supersedes": earlier[-1].number if earlier else None,
        }
        # The subject counts the decisions: of two that supersede the same one, one wins and the other looks anew.
        subject = f"{day}/{len(earlier) + 1}"
        entry, new = log.append("decision", subject, at=at, by=by.person, body=body, once=True)
        if new:
            return entry


def decision_for(log: AuditLog, draw_date: str) -> Entry | None:
    """Return the decision in force for a draw, or None."""
    return next(reversed([entry for entry in log.entries("decision") if entry.body["draw_date"] == draw_date]), None)


def is_late(market: Market, decision: Entry) -> bool:
    """Return whether a decision was recorded after the draw's day, in the market's time zone."""
    told = dt.datetime.fromisoformat(decision.at).astimezone(ZoneInfo(market.calendar.time_zone))
    return told.date() > dt.date.fromisoformat(str(decision.body["draw_date"]))


def in_words(market: Market, decision: Entry) -> str:
    """Return how a decision stands to the recommendation, and whether it came late."""
    if decision.body["recommendation"] is None:
        said = "there was no recommendation"
    else:
        said = "overrides the recommendation" if decision.body["override"] else "as recommended"
    return f"{said}; late: recorded after the draw's day, it does not count" if is_late(market, decision) else said


def waits_for_second(log: AuditLog, market: Market, decision: Entry) -> bool:
    """Return whether the market asks for four eyes and nobody else has recorded the same decision yet."""
    return market.governance.four_eyes and log.find("decision_confirmation", decision.subject) is None


def recommended_for(log: AuditLog, draw_date: str) -> Entry | None:
    """Return the latest recommendation for a draw, or None."""
    found = [entry for entry in log.entries("recommendation") if entry.body["draw_date"] == draw_date]
    return next(reversed(found), None)


def _check(market: Market, draw_date: dt.date, jackpot: float, reason: str, *, on_step: bool) -> None:
    problems = []
    following = next_draw_date(market, draw_date)
    if following != draw_date:
        problems.append(
            Problem(f"{market.market} has no draw on this day", found=draw_date.isoformat(), allowed=f"{following}, …")
        )
    low, high = market.jackpot.start, market.jackpot.cap or math.inf
    if not low <= jackpot <= high or not math.isfinite(jackpot):
        problems.append(
            Problem(
                "this jackpot cannot be announced",
                field="jackpot",
                found=f"{jackpot:,.12g}",
                allowed=f"{low:,.12g} to {high:,.12g}" if math.isfinite(high) else f"{low:,.12g} or more",
                hint="money is in units of the currency, not in millions" if jackpot < low else "",
            )
        )
    elif on_step and jackpot != market.jackpot.cap:
        steps = (jackpot - low) / market.jackpot.step
        if abs(steps - round(steps)) * market.jackpot.step > SMALLEST_MONEY:
            below = low + math.floor(steps) * market.jackpot.step
            problems.append(
                Problem(
                    f"{market.market} announces jackpots in steps of {market.jackpot.step:,.12g}",
                    field="jackpot",
                    found=f"{jackpot:,.12g}",
                    allowed=f"{below:,.12g} or {min(below + market.jackpot.step, high):,.12g}",
                    hint="another step is jackpot.step of the market file",
                )
            )
    if len(reason) > LONGEST_REASON:
        problems.append(Problem(f"the reason is longer than {LONGEST_REASON} characters", field="reason"))
    if problems:
        raise InputError(problems)

"""The forms: decide, answer, replay, verify. Each is written once, by a person who may, on a page of their own."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final, Literal, cast

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from jackpot.approval import AnsweredError, Rules, answer
from jackpot.audit import AuditLog
from jackpot.decision.changes import parse_changes
from jackpot.outcomes import decide, decision_for
from jackpot.report.money import Money

from .desk import beside_of
from .pages import Pages
from .site import Site, caller_of, person_of

LONGEST_QUESTION: Final = 500


class Forms:
    """Each method is a route that writes."""

    def __init__(self, site: Site, pages: Pages) -> None:
        self.site = site
        self.pages = pages

    async def decide(self, request: Request, market: str) -> Response:
        """Record what is announced, and why."""
        site = self.site
        site.allowed(request, "decide", market)
        form = await site.form(request, "day", "jackpot", "reason", "supersede", "question")
        currency = site.desk.market(market).currency
        try:
            jackpot = Money(currency).read(form["jackpot"])
        except ValueError:
            found = form["jackpot"].strip()[:40] or "nothing"
            words = f"“{found}” is no amount of {currency}: write it such as 20,000,000, 17.5m or 17.5 million."
            raise HTTPException(422, words) from None
        try:
            day = dt.date.fromisoformat(form["day"])
        except ValueError:
            raise HTTPException(422, "A decision needs a draw's date, YYYY-MM-DD.") from None
        reason = " ".join([form["reason"].strip(), *_question(form["question"])]).strip()
        person, at = caller_of(request), site.desk.now().isoformat(timespec="seconds")

        def record(log: AuditLog) -> None:
            earlier = decision_for(log, day.isoformat())
            if earlier is not None and earlier.body["jackpot"] != jackpot and form["supersede"] != "yes":
                raise HTTPException(
                    409,
                    f"{earlier.by} decided {earlier.body['jackpot']:,.15g} for this draw at {earlier.at}. To put yours "
                    "in its place, reload the page, tick the box and send it again.",
                )
            decide(
                log,
                site.desk.market(market),
                draw_date=day,
                jackpot=jackpot,
                reason=reason,
                by=person,
                at=at,
                supersede=form["supersede"] == "yes",
            )

        await asyncio.to_thread(site.desk.write, market, record)
        return RedirectResponse(f"/markets/{market}/draws/{day}#decision", 303)

    async def answer(self, request: Request, market: str, number: int) -> Response:
        """Approve or reject a model; an approval starts its promotion."""
        site = self.site
        site.allowed(request, "approve", market)
        form = await site.form(request, "verdict", "reason", "evidence")
        entry = await self.pages.request_for(market, number)
        if form["verdict"] not in ("approved", "rejected"):
            raise HTTPException(422, "An answer is approved or rejected.")
        verdict = cast(Literal["approved", "rejected"], form["verdict"])
        governance = site.desk.market(market).governance
        rules = Rules.of(market, site.places.environment.approval.approvers, governance.four_eyes)
        person, at = person_of(request), site.desk.now().isoformat(timespec="seconds")

        def record(log: AuditLog) -> None:
            try:
                answer(log, entry.subject, verdict, form["reason"], caller_of(request), at, rules, form["evidence"])
            except AnsweredError as error:
                # The same answer sent twice is one answer, and its promotion may still have to be started.
                if (error.entry.by, error.entry.body["verdict"]) != (person, verdict):
                    raise

        await asyncio.to_thread(site.desk.write, market, record)
        if verdict == "rejected":
            return RedirectResponse(f"/markets/{market}/approvals/{number}", 303)
        version = f"{entry.body['model_name']}/{entry.body['version']}"
        started = site.actions.start(market, f"promote {version}", ["promote", market, version, "--no-wait"], person)
        return RedirectResponse(f"/actions/{started.id}", 303)

    async def year(self, request: Request, market: str, number: int) -> Response:
        """Decide the last year anew, with the challenger of a request and with the champion it was compared with."""
        site = self.site
        site.allowed(request, "approve", market)
        await site.form(request)
        entry = await self.pages.request_for(market, number)
        pair = beside_of(entry)
        if pair is None:
            raise HTTPException(409, "There was no champion to set it beside.")
        name = str(entry.body["model_name"])
        words = ["models", "compare", market, *(version.version for version in pair), "--year", "--name", name]
        page = f"/markets/{market}/approvals/{number}#year"
        started = site.actions.start(market, f"year of request {number}", words, person_of(request), page)
        return RedirectResponse(f"/actions/{started.id}", 303)

    async def replay(self, request: Request, market: str, day: str) -> Response:
        """Compute a past recommendation anew."""
        site = self.site
        site.allowed(request, "administer", market)
        await site.form(request)
        entry = await self.pages.recommended(market, day)
        words = ["replay", str(entry.body["prefix"])]
        started = site.actions.start(market, f"replay {day}", words, person_of(request))
        return RedirectResponse(f"/actions/{started.id}", 303)

    async def verify(self, request: Request, market: str) -> Response:
        """Check the whole audit log."""
        site = self.site
        site.allowed(request, "administer", market)
        await site.form(request)
        faults = await asyncio.to_thread(site.places.audit(market).verify)
        return await self.pages.audit_page(request, market, "", faults)


def _question(words: str) -> list[str]:
    """Return a what-if as it stands in a decision's reason, which every reader sees: checked, and without cash."""
    if not words:
        return []
    asked = words[:LONGEST_QUESTION].split("&")
    parse_changes(asked)
    told = ["cash=…" if word.startswith("cash=") else word for word in asked]
    return [f"[what-if: {' '.join(told)}]"]

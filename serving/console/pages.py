"""The pages for reading: today, approvals, and a market's decision, draws, runs, models, monitoring and audit log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from fastapi import Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from jackpot.approval import answer_of, stale
from jackpot.audit import Entry, Fault
from jackpot.errors import InputError, JackpotError
from jackpot.outcomes import is_late
from jackpot.promotion import model_name_of, standings
from jackpot.report.money import Money
from jackpot.report.monitor import HEADLINES, NAMES, STATES
from jackpot.steps.beside import Side, YearDraw

from .actions import Action
from .desk import Today
from .plots import monitor_plots, version_plot, year_plot
from .questions import Week
from .site import Site, csv_response

CALM: Final = frozenset({"recommended", "waiting"})
AUDIT_SHOWN: Final = 500
REGISTRY_SECONDS: Final = 5.0
TODAY_COLUMNS: Final = (
    "market",
    "title",
    "draw_date",
    "deadline",
    "status",
    "currency",
    "jackpot",
    "near_low",
    "near_high",
    "previous",
    "decided",
    "waits",
)
DRAW_COLUMNS: Final = (
    "draw_date",
    "status",
    "recommended",
    "decided",
    "override",
    "announced",
    "forecast",
    "sales",
    "error_pct",
    "value_recommended",
    "value_decided",
    "value_realised",
)
RUN_COLUMNS: Final = ("run_id", "what", "started_at", "finished_at", "result", "model")
YEAR_COLUMNS: Final = (
    "draw_date",
    "announced",
    "sales",
    "jackpot_winners",
    *(f"{who}_{what}" for who in ("champion", "challenger") for what in Side.model_fields),
    "challenger_value_by_champions_forecast",
)
MODEL_KINDS: Final = ("claim", "promotion", "rollback", "approval_request", "approval_answer")


class Pages:
    """Each method is a route that reads."""

    def __init__(self, site: Site) -> None:
        self.site = site

    async def today(self, request: Request, format: str = "html") -> Response:
        """Every market at a glance."""
        known = await asyncio.to_thread(self.site.desk.today)
        mine = set(self.site.readable(request))
        rows = [row for row in known.rows if row.market in mine]
        rows.sort(key=lambda row: (not row.waits and row.status in CALM, row.deadline, row.market))
        if format == "csv":
            return csv_response(TODAY_COLUMNS, [_today_cells(row) for row in rows], "today")
        return self.site.page(request, "today.html.jinja", rows=rows, at=known.at, reading=known.reading)

    async def approvals(self, request: Request) -> Response:
        """Everything that waits for an answer."""
        desk, names = self.site.desk, self.site.readable(request)

        def waiting() -> list[tuple[str, Entry]]:
            return [(name, entry) for name in names for entry in desk.waiting(name)]

        found = await asyncio.to_thread(waiting)
        return self.site.page(request, "approvals.html.jinja", waiting=found, titles=desk.market)

    async def market(self, request: Request, market: str) -> Response:
        """One market's decision."""
        self.site.allowed(request, "read", market)
        known = await asyncio.to_thread(self.site.desk.recommendations, market)
        if not known:
            loaded = self.site.desk.market(market)
            return self.site.page(request, "market.html.jinja", market=loaded, tab="market", shown=None)
        return await self._recommendation(request, market, known[-1], "market")

    async def draw(self, request: Request, market: str, day: str) -> Response:
        """A past draw: recommended, decided, happened."""
        self.site.allowed(request, "read", market)
        return await self._recommendation(request, market, await self.recommended(market, day), "draws")

    async def _recommendation(self, request: Request, market: str, entry: Entry, tab: str) -> Response:
        site, desk = self.site, self.site.desk
        with_cash = site.may(request, "decide", market)
        values = await site.drawn(market, entry, with_cash)
        record = values["record"]

        def stands() -> tuple[bool, Entry | None, bool, list[Entry], Week]:
            newest = desk.recommendations(market)[-1].number == entry.number
            decision = desk.decided(market, record.draw_date)
            replays = [one for one in desk.entries(market, "replay") if one.subject == entry.subject]
            return newest, decision, desk.second_waits(market, decision), replays, site.week_of(market, entry)

        newest, decision, second_waits, replays, week = await asyncio.to_thread(stands)
        if newest and record.jackpot is not None:
            site.questions.prepare(week)
        happened, trouble = None, ""
        if not newest:
            found, trouble = await self._outcomes(market)
            happened = next((row for row in found.draws if row.draw_date == record.draw_date), None) if found else None
        return site.page(
            request,
            "market.html.jinja",
            tab=tab,
            entry=entry,
            latest=newest,
            decision=decision,
            second_waits=second_waits,
            late=decision is not None and is_late(desk.market(market), decision),
            happened=happened,
            trouble=trouble,
            replay=replays[-1] if replays else None,
            may_decide=with_cash,
            may_administer=site.may(request, "administer", market),
            run_link=site.run_link(values["metadata"].run_id),
            **values,
        )

    async def draws(self, request: Request, market: str, format: str = "html") -> Response:
        """Every draw: recommended, decided, happened."""
        self.site.allowed(request, "read", market)
        known = (await asyncio.to_thread(self.site.desk.recommendations, market))[::-1]
        found, trouble = await self._outcomes(market)
        rows = (
            [{**row.model_dump(mode="json"), "remarks": row.remarks} for row in reversed(found.draws)] if found else []
        )
        if format == "csv":
            return csv_response(DRAW_COLUMNS, [[row[name] for name in DRAW_COLUMNS] for row in rows], f"{market}-draws")
        return self.site.page(
            request,
            "draws.html.jinja",
            market=self.site.desk.market(market),
            tab="draws",
            rows=rows,
            months=found.months[::-1] if found else (),
            known=known,
            trouble=trouble,
        )

    async def runs(self, request: Request, market: str, format: str = "html") -> Response:
        """The market's runs, newest first."""
        self.site.allowed(request, "read", market)
        rows = await asyncio.to_thread(self._runs, market)
        if format == "csv":
            return csv_response(RUN_COLUMNS, [[row[name] for name in RUN_COLUMNS] for row in rows], f"{market}-runs")
        told = await asyncio.to_thread(self.site.desk.last_run, market)
        return self.site.page(
            request,
            "runs.html.jinja",
            market=self.site.desk.market(market),
            tab="runs",
            rows=rows[:AUDIT_SHOWN],
            told=told,
            link=self.site.run_link,
        )

    async def models(self, request: Request, market: str) -> Response:
        """Which versions there are, which is in use, and what waits."""
        self.site.allowed(request, "read", market)
        desk = self.site.desk
        known = await asyncio.to_thread(desk.known, market)
        log = known.as_log
        waiting = await asyncio.to_thread(desk.waiting, market)
        name = model_name_of(market, log)
        # MLflow's client tries for minutes; a page does not.
        asked = asyncio.to_thread(desk.versions, name)
        try:
            notes, at, trouble = await asyncio.wait_for(asked, REGISTRY_SECONDS)
        except TimeoutError:
            notes, at = desk.known_versions(name)
            trouble = f"It did not answer within {REGISTRY_SECONDS:.0f} s: reload the page in a while"
        environment = self.site.places.environment
        return self.site.page(
            request,
            "models.html.jinja",
            market=desk.market(market),
            tab="models",
            entries=list(known.entries(*MODEL_KINDS))[::-1],
            waiting=waiting,
            name=name,
            stand=standings(log, name),
            notes=notes[::-1],
            at=at,
            trouble=trouble,
            tracking=environment.registry.tracking_uri,
            model_link=environment.console.model_link,
        )

    async def monitoring(self, request: Request, market: str) -> Response:
        """Whether the model still holds."""
        self.site.allowed(request, "read", market)
        verdicts = await asyncio.to_thread(self.site.desk.verdicts, market)
        return self.site.page(
            request,
            "monitoring.html.jinja",
            market=self.site.desk.market(market),
            tab="monitoring",
            verdicts=verdicts,
            plots=monitor_plots([record for _, record in verdicts[::-1] if record is not None]),
            headlines=HEADLINES,
            names=NAMES,
            states=STATES,
        )

    async def audit(self, request: Request, market: str, format: str = "html", kind: str = "") -> Response:
        """The audit log, newest first."""
        self.site.allowed(request, "read", market)
        if format == "csv":
            entries = await asyncio.to_thread(self.site.desk.entries, market, *([kind] if kind else []))
            columns = ("number", "at", "by", "kind", "subject", "body")
            rows = [[e.number, e.at, e.by, e.kind, e.subject, json.dumps(e.body, sort_keys=True)] for e in entries]
            return csv_response(columns, rows, f"{market}-audit")
        return await self.audit_page(request, market, kind, None)

    async def audit_page(self, request: Request, market: str, kind: str, faults: Sequence[Fault] | None) -> Response:
        """Return the page of an audit log; `faults` are what a verification found, None where none was asked for."""
        try:
            entries = (await asyncio.to_thread(self.site.desk.entries, market))[::-1]
        except JackpotError:
            if faults is None:
                raise
            entries = []
        chosen = [entry for entry in entries if not kind or entry.kind == kind]
        return self.site.page(
            request,
            "audit.html.jinja",
            market=self.site.desk.market(market),
            tab="audit",
            entries=chosen[:AUDIT_SHOWN],
            left_out=max(len(chosen) - AUDIT_SHOWN, 0),
            kinds=sorted({entry.kind for entry in entries}),
            kind=kind,
            faults=faults,
            may_administer=self.site.may(request, "administer", market),
        )

    async def approval(self, request: Request, market: str, number: int, format: str = "html") -> Response:
        """The evidence for one request, and the form to answer it; as CSV, the year decided anew."""
        self.site.allowed(request, "read", market)
        entry = await self.request_for(market, number)
        year = await asyncio.to_thread(self.site.desk.year, entry)
        if format == "csv":
            if year is None:
                raise HTTPException(404, "The year was not computed yet: the page of the request begins it.")
            return csv_response(YEAR_COLUMNS, [_year_cells(draw) for draw in year.draws], f"{market}-{number}-year")
        loaded = self.site.desk.market(market)
        plot, trouble = await asyncio.to_thread(version_plot, self.site.places, loaded, entry)
        known = await asyncio.to_thread(self.site.desk.known, market)
        waiting = await asyncio.to_thread(self.site.desk.waiting, market)
        given = answer_of(known.as_log, entry.subject)
        return self.site.page(
            request,
            "approval.html.jinja",
            market=loaded,
            tab="models",
            entry=entry,
            given=given,
            overtaken=stale(known.as_log, entry) if given is None else "",
            expired=entry not in waiting and given is None,
            plot=plot,
            trouble=trouble,
            year=year,
            write=Money(loaded.currency, loaded.currency_decimals).short,
            year_plot=year_plot(year) if year is not None else None,
            year_running=self.site.actions.running(market, f"year of request {number}"),
            may_approve=self.site.may(request, "approve", market),
        )

    async def action(self, request: Request, action: str) -> Response:
        """A long action: live while it runs, and afterwards its result."""
        found = await self._action(request, action)
        market = self.site.desk.market(found.market)
        return self.site.page(request, "action.html.jinja", action=found, market=market, tab="")

    async def events(self, request: Request, action: str) -> Response:
        """A long action's states as they come."""
        await self._action(request, action)
        return StreamingResponse(self.site.actions.events(action), media_type="text/event-stream")

    async def what_if(self, request: Request, market: str) -> Response:
        """Answer a question about a market's latest recommendation, as JSON."""
        from jackpot.decision.changes import parse_changes

        self.site.allowed(request, "read", market)
        await request.body()  # there is none; only after it is it known whether whoever asks is still there
        with_cash = self.site.may(request, "decide", market)
        asked = [f"{name}={value}" for name, value in request.query_params.multi_items() if name != "draw" and value]
        changes = parse_changes(asked)
        known = await asyncio.to_thread(self.site.desk.recommendations, market)
        if not known:
            raise HTTPException(404, "Nothing was recommended yet.")
        if request.query_params.get("draw", known[-1].body["draw_date"]) != known[-1].body["draw_date"]:
            raise HTTPException(409, "There is a newer recommendation: reload the page.")
        week = await asyncio.to_thread(self.site.week_of, market, known[-1])
        try:
            found = await self.site.questions.answer(week, changes, with_cash, request.is_disconnected)
        except ValidationError as error:
            raise HTTPException(422, str(error.errors(include_url=False)[0]["msg"])) from None
        return Response(found or b"{}", media_type="application/json")

    async def style(self) -> Response:
        """The report's style sheet, which these pages share, and their own after it."""
        return Response(self.site.style, media_type="text/css")

    async def healthz(self) -> Response:
        """Whether the process lives."""
        return PlainTextResponse("ok")

    async def readyz(self) -> Response:
        """Whether pages can be shown: records that are out of reach are shown with their age, on pages that say so."""
        await asyncio.to_thread(self.site.desk.today)
        return PlainTextResponse("ok")

    # What these and the forms look up

    async def recommended(self, market: str, day: str) -> Entry:
        """Return the recommendation for a draw; raise 404 where there is none."""
        known = await asyncio.to_thread(self.site.desk.recommendations, market)
        entry = next((entry for entry in known if entry.body["draw_date"] == day), None)
        if entry is None:
            raise HTTPException(404, f"Nothing was recommended for {day[:40]}.")
        return entry

    async def request_for(self, market: str, number: int) -> Entry:
        """Return a request for approval; raise 404 where there is none of that number."""
        entries = await asyncio.to_thread(self.site.desk.entries, market, "approval_request")
        found = next((entry for entry in entries if entry.number == number), None)
        if found is None:
            raise HTTPException(404, "There is no such request.")
        return found

    async def _action(self, request: Request, action: str) -> Action:
        found = await asyncio.to_thread(self.site.actions.get, action)
        if found is None or not self.site.may(request, "read", found.market):
            raise HTTPException(404, "There is no such action.")
        return found

    async def _outcomes(self, market: str) -> tuple[Any, str]:
        try:
            return await asyncio.to_thread(self.site.desk.outcomes, market), ""
        except InputError as error:
            return None, str(error.problems[0])
        except (JackpotError, OSError) as error:
            return None, str(error).partition("\n")[0]

    def _runs(self, market: str) -> list[dict[str, Any]]:
        rows = []
        for entry in self.site.desk.entries(market, "recommendation", "monitor_verdict", "promotion"):
            made = entry.body.get("metadata")
            made = made if isinstance(made, dict) else {}
            rows.append(
                {
                    "run_id": str(made.get("run_id") or entry.by.removeprefix("run:")),
                    "what": entry.kind.replace("_", " "),
                    "started_at": made.get("started_at"),
                    "finished_at": made.get("finished_at") or entry.at,
                    "result": str(
                        entry.body.get("status") or entry.body.get("verdict") or entry.body.get("result") or ""
                    ),
                    "model": str(made.get("model_version") or entry.body.get("version") or ""),
                    "draw_date": entry.body.get("draw_date"),
                    "is_run": bool(made.get("run_id")) or entry.by.startswith("run:"),
                    "number": entry.number,
                }
            )
        return rows[::-1]


def _year_cells(draw: YearDraw) -> list[object]:
    sides = [getattr(side, name) for side in (draw.one, draw.other) for name in Side.model_fields]
    return [draw.draw_date, draw.announced, draw.sales, draw.jackpot_winners, *sides, draw.other_seen_by_one]


def _today_cells(row: Today) -> list[object]:
    cells = asdict(row) | {"waits": "; ".join(row.waits), "deadline": row.deadline.isoformat()}
    return [cells[name] for name in TODAY_COLUMNS]

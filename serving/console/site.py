"""What all routes share: places, people's roles, records, templates; and how a page is made or refused."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

import jackpot.report
from jackpot.adapters.places import Places
from jackpot.approval import Caller
from jackpot.audit import Entry
from jackpot.canonical import sha256
from jackpot.errors import InputError
from jackpot.report.money import Money

from .actions import Actions
from .desk import Desk, Kept
from .guard import Tokens
from .questions import Questions, Week
from .roles import Role, Roles

HERE: Final = Path(__file__).parent
REPORT: Final = Path(jackpot.report.__file__).parent
LONGEST_WORD: Final = 2000
DRAWN_KEPT: Final = 64


class Site:
    """The console of an environment."""

    def __init__(self, places: Places, environment: str, tokens: Tokens) -> None:
        self.places = places
        self.desk = Desk(places, lambda: dt.datetime.now(dt.UTC))
        self.roles = Roles(places.environment)
        self.tokens = tokens
        self.questions = Questions(places)
        self.actions = Actions(places.store, environment, lambda: self.desk.now().isoformat(timespec="seconds"))
        style = (REPORT / "head.html.jinja").read_text("utf-8").partition("<style>")[2].partition("</style>")[0]
        own = [(HERE / "static" / name).read_text("utf-8") for name in ("uplot.css", "console.css")]
        self.style = "\n".join([style, *own])
        """The report's style, the plots' and the console's own, in one file: a page waits for it to show anything."""
        static = (self.style.encode(), *(path.read_bytes() for path in sorted((HERE / "static").iterdir())))
        self._edition = sha256(b"".join(static))[:12]
        self._drawn: Kept[tuple[str, bool], Future[dict[str, Any]]] = Kept(DRAWN_KEPT)
        # matplotlib's settings are the process's: one picture at a time.
        self._pencil = ThreadPoolExecutor(1, "draw")
        self._templates = Templates(
            loader=FileSystemLoader([HERE / "templates", REPORT]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters["exact"] = lambda amount, currency: Money(currency).exact(amount)

    def may(self, request: Request, role: Role, market: str) -> bool:
        """Return whether the person of a request has a role on a market."""
        return self.roles.may(person_of(request), role, market)

    def allowed(self, request: Request, role: Role, market: str) -> None:
        """Raise 404 for a market that this person may not even read, 403 for what else they may not."""
        if market not in self.desk.names() or not self.may(request, "read", market):
            raise HTTPException(404, "There is no such market here, or it is not yours to see.")
        if not self.may(request, role, market):
            raise HTTPException(
                403, f"{person_of(request)} may not {role} for {market}: the environment file says who may."
            )

    def readable(self, request: Request) -> list[str]:
        """Return the markets that the person of a request may read."""
        return [name for name in self.desk.names() if self.may(request, "read", name)]

    async def form(self, request: Request, *fields: str) -> Mapping[str, str]:
        """Return a form's fields; refuse one that this console did not make for this person."""
        form = await request.form(max_files=0, max_fields=20)
        token = form.get("token")
        if not isinstance(token, str) or not self.tokens.hold(person_of(request), token):
            raise HTTPException(403, "This form has expired: go back, reload the page and send it again.")
        values = {name: form.get(name, "") for name in fields}
        if not all(isinstance(value, str) and len(value) <= LONGEST_WORD for value in values.values()):
            raise HTTPException(422, f"A field holds text of at most {LONGEST_WORD} characters.")
        return {name: str(value) for name, value in values.items()}

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page; one about a market says so where its records cannot be read at present."""
        person = getattr(request.state, "person", "")
        market = values.get("market")
        shared = {
            "person": person,
            "token": self.tokens.of(person),
            "now": self.desk.now(),
            "edition": self._edition,
            "place": self.places.environment.environment,
            "path": request.url.path,
            "stale": self.desk.last_known(market.market) if market is not None and "code" not in values else None,
        }
        return HTMLResponse(self._templates.get_template(template).render({**shared, **values}), status)

    def problem(self, request: Request, status: int, lines: Sequence[str]) -> Response:
        """Return why a request is not answered, as a page or, for a question, as JSON."""
        if request.url.path.endswith("/what-if"):
            return JSONResponse({"error": " ".join(lines)}, status)
        return self.page(request, "problem.html.jinja", status, code=status, lines=lines)

    def bad_input(self, request: Request, error: InputError) -> Response:
        """Return what is wrong with what was asked."""
        # `--set` is where the command line was told a question.
        lines = [str(replace(one, where=one.where.removeprefix("--set"))) for one in error.problems]
        return self.problem(request, 422, lines)

    async def drawn(self, market: str, entry: Entry, with_cash: bool) -> dict[str, Any]:
        """Return what a page shows of a recommendation; the ones shown last are kept, for a record never changes."""

        def draw() -> dict[str, Any]:
            from jackpot.report import charts
            from jackpot.report.money import Money
            from jackpot.report.plan_charts import plan_charts
            from jackpot.report.summary import summarise

            inputs = self.desk.report(market, entry, with_cash)
            record, money = inputs.recommendation, Money(inputs.market.currency, inputs.market.currency_decimals)
            curve = charts.worth_showing(inputs.curve, record)
            return {
                "market": inputs.market,
                "record": record,
                "metadata": inputs.metadata,
                "ends": (float(curve["jackpot"].iloc[0]), float(curve["jackpot"].iloc[-1])),
                "shown": summarise(inputs),
                "drawn": {
                    "value": charts.value_curve(curve, record, money),
                    "demand": charts.demand_curve(curve, inputs.history, record, money),
                    "history": charts.history_chart(inputs.history, money),
                    "plan": plan_charts(record, money),
                    "fan": charts.cash_fan(inputs.cash, money) if inputs.cash is not None else None,
                },
            }

        key = (str(entry.body["prefix"]), with_cash)
        future = self._drawn.get_or(key, lambda: self._pencil.submit(draw))
        try:
            # Shielded: whoever else opens the page waits for the same pictures.
            return await asyncio.shield(asyncio.wrap_future(future))
        except Exception:
            self._drawn.forget(key)
            raise

    def week_of(self, market: str, entry: Entry) -> Week:
        """Return the week that a recommendation was made for."""
        return Week(market, self.desk.recommendation(entry).as_of, str(entry.body["prefix"]))

    def run_link(self, run_id: str) -> str | None:
        """Return a run's page in the Kubeflow dashboard, or None where there is none."""
        link = self.places.environment.run_link
        return link.format(run_id=run_id) if link else None


def person_of(request: Request) -> str:
    """Return the person of a request, whom the guard found."""
    person: str = request.state.person
    return person


def caller_of(request: Request) -> Caller:
    """Return the same with the identity by which the place knows them."""
    caller: Caller = request.state.caller
    return caller


def csv_response(columns: Sequence[str], rows: Sequence[Sequence[object]], name: str) -> Response:
    """Return a table as a CSV file; a cell that a spreadsheet would take for a formula is quoted as text."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(columns)
    for row in rows:
        table.writerow(["" if cell is None else _harmless(cell) for cell in row])
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell

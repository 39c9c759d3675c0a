"""The console's routes: pages for reading, forms for deciding and approving, and the questions a page asks."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from jackpot.adapters.places import Places
from jackpot.errors import InputError, JackpotError

from .desk import OutOfReachError
from .forms import Forms
from .guard import Guard, Tokens
from .identity import Identify, identify_by
from .metrics import Counted, Metrics
from .pages import Pages
from .site import HERE, Site

MARKET: Final = "/markets/{market}"
THREADS: Final = 32
log = logging.getLogger("console")


def create_app(
    places: Places, environment: str, identify: Identify | None = None, tokens: Tokens | None = None
) -> FastAPI:
    """Return the application for an environment; `environment` is its name or path, for the commands it starts."""
    site = Site(places, environment, tokens or Tokens())
    pages = Pages(site)
    forms = Forms(site, pages)
    app = FastAPI(title="Jackpot Optimiser", openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.metrics = Metrics(site)
    reading: dict[str, Callable[..., Any]] = {
        "/": pages.today,
        "/approvals": pages.approvals,
        MARKET: pages.market,
        f"{MARKET}/draws": pages.draws,
        f"{MARKET}/draws/{{day}}": pages.draw,
        f"{MARKET}/runs": pages.runs,
        f"{MARKET}/models": pages.models,
        f"{MARKET}/monitoring": pages.monitoring,
        f"{MARKET}/audit": pages.audit,
        f"{MARKET}/approvals/{{number}}": pages.approval,
        f"{MARKET}/what-if": pages.what_if,
        "/actions/{action}": pages.action,
        "/actions/{action}/events": pages.events,
        "/static/pages.css": pages.style,
        "/healthz": pages.healthz,
        "/readyz": pages.readyz,
    }
    writing: dict[str, Callable[..., Any]] = {
        f"{MARKET}/decide": forms.decide,
        f"{MARKET}/approvals/{{number}}": forms.answer,
        f"{MARKET}/approvals/{{number}}/year": forms.year,
        f"{MARKET}/draws/{{day}}/replay": forms.replay,
        f"{MARKET}/audit/verify": forms.verify,
    }
    for path, page in reading.items():
        app.add_api_route(path, page, methods=["GET"], response_model=None)
    for path, form in writing.items():
        app.add_api_route(path, form, methods=["POST"], response_model=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.add_exception_handler(HTTPException, _with(site, _refused))
    app.add_exception_handler(RequestValidationError, _with(site, _no_address))
    app.add_exception_handler(InputError, _with(site, _bad_input))
    app.add_exception_handler(JackpotError, _with(site, _conflict))
    for error in (OutOfReachError, OSError):
        app.add_exception_handler(error, _with(site, _out_of_reach))
    app.add_exception_handler(ClientDisconnect, _with(site, _too_much))
    app.add_middleware(Guard, identify=identify or identify_by(places.environment, places.root))
    app.add_middleware(Counted, metrics=app.state.metrics)
    return app


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Have threads enough that a store which does not answer holds up nobody else, and load what pages will need."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "page"))
    threading.Thread(target=_load, name="load", daemon=True).start()
    yield


def _load() -> None:
    """Import what the first market's page and its first question would have to wait for."""
    for name in ("report.charts", "report.summary", "steps.solving", "decision.what_if"):
        import_module(f"jackpot.{name}")


def _with(site: Site, answer: Callable[[Site, Request, Any], Response]) -> Callable[[Request, Exception], Any]:
    async def handler(request: Request, error: Exception) -> Response:
        return answer(site, request, error)

    return handler


def _refused(site: Site, request: Request, error: HTTPException) -> Response:
    return site.problem(request, error.status_code, [str(error.detail)])


def _no_address(site: Site, request: Request, error: RequestValidationError) -> Response:
    return site.problem(request, 404, ["There is nothing at this address."])


def _bad_input(site: Site, request: Request, error: InputError) -> Response:
    return site.bad_input(request, error)


def _conflict(site: Site, request: Request, error: JackpotError) -> Response:
    return site.problem(request, 409, str(error).splitlines())


def _out_of_reach(site: Site, request: Request, error: Exception) -> Response:
    log.error("%s: %s", request.url.path, error)
    return site.problem(request, 503, ["The records are out of reach now. Try again in a minute."])


def _too_much(site: Site, request: Request, error: ClientDisconnect) -> Response:
    return site.problem(request, 413, ["More was sent than a form here can hold."])

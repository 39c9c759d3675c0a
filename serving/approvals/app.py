"""HTTP of the approval service: one address that Slack posts to, three that say how the service is.

A message counts once, within five minutes of its time stamp, and with Slack's signature over its very bytes. No GET has
a side effect: what an address in a chat message does is nothing at all.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from slack_sdk.signature import Clock, SignatureVerifier

from jackpot.approval.buttons import Pressed, pressed
from jackpot.audit import Entry
from jackpot.errors import InputError, JackpotError

from .desk import Desk, Outcome

LARGEST_BODY: Final = 100_000
ANSWER_SECONDS: Final = 2.5
"""Slack waits three; what takes longer is told afterwards."""
STOP_SECONDS: Final = 20.0

log = logging.getLogger("approvals")


class _Now(Clock):
    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now  # type: ignore[method-assign]


def create_app(
    desk: Desk, secret: str, promote: Callable[[Entry], str], tell: Callable[[str, str, bool], None]
) -> FastAPI:
    """Return the service; `tell` takes Slack's address for an outcome, its text, and if it replaces the buttons."""
    verifier = SignatureVerifier(secret, _Now(desk.clock))
    after: set[asyncio.Task[None]] = set()

    def later(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        after.add(task)
        task.add_done_callback(after.discard)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if after:
            await asyncio.wait(after, timeout=STOP_SECONDS)

    app = FastAPI(title="Approvals", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    registry = CollectorRegistry()
    answered = Counter(
        "jackpot_approvals_interactions", "What Slack posted, by status of the answer.", ["status"], registry=registry
    )

    @app.get("/metrics")
    def metrics() -> Response:
        """Say how many messages were taken and refused, for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that the process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    def readyz() -> JSONResponse:
        """Say whether answers can be recorded."""
        try:
            desk.ready()
        except JackpotError as error:
            log.warning("not ready: %s", error)
            return _said(503, "key or store cannot be read")
        return JSONResponse({"status": "ok"})

    @app.post("/slack/interactions")
    async def interactions(request: Request) -> JSONResponse:
        """Take a pressed button."""
        answer = await _interaction(request)
        answered.labels(str(answer.status_code)).inc()
        return answer

    async def _interaction(request: Request) -> JSONResponse:
        body = await _body(request)
        if body is None:
            return _said(413, f"at most {LARGEST_BODY} bytes")
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not _signed(verifier, body, timestamp, signature):
            return _said(401, "not signed by Slack, or not now")
        try:
            if not await asyncio.to_thread(desk.first_seen, signature, timestamp):
                return _said(409, "seen before")
            press = pressed(_payload(body))
        except InputError as error:
            return _said(400, str(error.problems[0]))
        except JackpotError as error:
            log.error("%s", error)
            return _said(503, "the answer cannot be recorded now: press again later")
        work = asyncio.create_task(asyncio.to_thread(desk.answer, press))
        try:
            outcome = await asyncio.wait_for(asyncio.shield(work), ANSWER_SECONDS)
        except TimeoutError:
            later(_follow(press, work))
            return JSONResponse({"recorded": None, "text": "still at it"})
        except JackpotError as error:
            log.error("%s", error)
            return _said(503, "the answer cannot be recorded now: press again later")
        later(_follow(press, work))
        return JSONResponse({"recorded": outcome.entry is not None, "text": outcome.text})

    async def _follow(press: Pressed, work: asyncio.Task[Outcome]) -> None:
        """Tell Slack the outcome; start the promotion of what was approved, and tell of that."""
        try:
            outcome = await work
            await asyncio.to_thread(_told, press, outcome.text, outcome.entry is not None)
            if outcome.entry is not None and outcome.entry.body["verdict"] == "approved":
                text = await asyncio.to_thread(promote, outcome.entry)
                await asyncio.to_thread(_told, press, text, False)
        except JackpotError as error:
            log.error("%s", error)
            await asyncio.to_thread(_told, press, "Nothing was recorded: press again later.", False)

    def _told(press: Pressed, text: str, in_place: bool) -> None:
        log.info("%s: %s", press.user, text)
        try:
            tell(press.response_url, text, in_place)
        except JackpotError as error:
            log.error("%s", error)

    return app


async def _body(request: Request) -> bytes | None:
    """Return the body, or None once it is larger than may be."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _signed(verifier: SignatureVerifier, body: bytes, timestamp: str, signature: str) -> bool:
    # A stamp of digits alone: the verifier would also take " +1_7 ", and end in an error on letters.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and signature.isascii()):
        return False
    try:
        return verifier.is_valid(body, timestamp, signature)
    except ValueError:  # a body that is no text
        return False


def _payload(body: bytes) -> str:
    """Return the one `payload` of a form; an empty text where there is none, or more."""
    try:
        found = parse_qs(body.decode(), strict_parsing=True, max_num_fields=4).get("payload", [])
    except ValueError:
        found = []
    return found[0] if len(found) == 1 else ""


def _said(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)

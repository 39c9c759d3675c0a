"""What stands before every page: size, rate, identity, origin; and what goes with every answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .identity import Identify, UnknownPersonError

LARGEST_BODY: Final = 64 * 1024
LONGEST_PATH: Final = 4096
REQUESTS_A_SECOND: Final = 20.0
BURST: Final = 200
PEOPLE_REMEMBERED: Final = 10_000
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

# The report's charts, drawn by matplotlib, carry style attributes; no style element and no script stands in a page.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; "
    "form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}


class Tokens:
    """CSRF tokens: bound to the person and to the hour, so that one of another person's page does not hold."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def of(self, person: str, hours_ago: int = 0) -> str:
        """Return the token for forms that a person is shown now."""
        hour = int(time.time() // 3600) - hours_ago
        return hmac.new(self._key, f"{person}\n{hour}".encode(), hashlib.sha256).hexdigest()

    def hold(self, person: str, token: str) -> bool:
        """Return whether a form's token was made for this person in the last 12 hours."""
        return any(hmac.compare_digest(self.of(person, ago), token) for ago in range(13))


class Guard:
    """ASGI middleware; who a request is from is in `scope["state"]`: `caller`, and `person` alone."""

    def __init__(self, app: ASGIApp, identify: Identify, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._identify = identify
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._porters = ThreadPoolExecutor(4, "guard")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith("/static/"):
                    # Pages name the edition of what they load, so that another edition is another address.
                    named = scope["query_string"] and message["status"] == 200
                    kept = "max-age=31536000, immutable" if named else "no-cache"
                    headers.setdefault("Cache-Control", kept)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        # An issuer's keys may have to be fetched; whoever stands at the door waits for nothing else.
        refusal = await asyncio.get_running_loop().run_in_executor(self._porters, self._refusal, scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        await self._app(scope, _bounded(receive), with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if len(scope["path"]) + len(scope["query_string"]) > LONGEST_PATH:
            return PlainTextResponse("This address is too long.", 414)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return PlainTextResponse(f"At most {LARGEST_BODY} bytes can be sent.", 413)
        if scope["path"] in OPEN_PATHS:
            return None
        try:
            caller = self._identify(headers, scope["client"][0] if scope["client"] else None)
        except UnknownPersonError as error:
            return PlainTextResponse(f"Who are you? {error}", 401)
        scope.setdefault("state", {}).update(person=caller.person, caller=caller)
        if not self._within_rate(caller.person):
            return PlainTextResponse("Too many requests: wait a few seconds.", 429, {"Retry-After": "5"})
        if scope["method"] not in SAFE_METHODS and not _same_origin(headers):
            return PlainTextResponse("This form was not sent from the console itself.", 403)
        return None

    def _within_rate(self, person: str) -> bool:
        with self._lock:
            now = self._clock()
            left, last = self._buckets.pop(person, (float(BURST), now))
            left = min(float(BURST), left + (now - last) * REQUESTS_A_SECOND)
            self._buckets[person] = (max(left - 1, 0.0), now)
            if len(self._buckets) > PEOPLE_REMEMBERED:
                self._buckets.popitem(last=False)
            return left >= 1


def _same_origin(headers: Headers) -> bool:
    """A browser says where a form comes from, by either header; nothing but the console's own pages may send one."""
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == headers.get("host")


def _bounded(receive: Receive) -> Receive:
    """Cut off a body that is longer than its length said, or said none."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return limited

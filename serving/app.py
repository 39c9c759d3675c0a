"""The HTTP server's application: the hot paths answered at ASGI level, all else KServe's own routes.

Between socket and forecast stand one look-up of the path, the limits, orjson and numpy; no route matching, middleware,
pydantic or object per instance.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from . import v1, v2
from .fleet import Fleet, Log, Served
from .openapi import described, page
from .payload_log import PayloadLog
from .refusal import Refusal, shown
from .version import Forecast, Question, TooMuchAtOnceError, Version

if TYPE_CHECKING:
    from .tracing import Tracing

JSON: Final = (b"content-type", b"application/json")
BINARY: Final = (b"content-type", b"application/octet-stream")
HTML: Final = (b"content-type", b"text/html; charset=utf-8")
NO_SCRIPT: Final = (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")
CLOSE: Final = (b"connection", b"close")
ADDRESS: Final = re.compile(r"https?://[\w.:\[\]-]{1,255}", re.ASCII)
"""Of a server as its client calls it, where that is fit to be shown."""
SHORT: Final = 16_384
"""Bodies up to so many bytes are answered in the event loop: their forecasts take under a millisecond."""
KSERVE: Final = re.compile(r"/|/metrics|/v1/models(/[\w.-]+)?|/v2(/health/(live|ready)|/models)?|/docs|/openapi\.json")
"""What is answered beside models, GET alone: all but `/docs` by KServe itself."""
MODEL: Final = re.compile(r"/(jackpot|v1)/models/([\w.-]+)|/v2/models/([\w.-]+)(?:/versions/([\w.-]+))?(/ready)?")
"""What is said of a model: `/jackpot/models/MODEL` is what KServe's own metadata has no room for."""
PROBES: Final = frozenset({"/", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Asked for every few seconds by machines, and of no interest to a trace."""
INFERENCE: Final = re.compile(
    r"/v1/models/([\w.-]+):(predict|explain)|/v2/models/([\w.-]+)(?:/versions/([\w.-]+))?/infer"
)
_REPOSITORY: Final = "/v2/repository/"
_REQUEST_ID: Final = re.compile(rb"[\w.:/=+-]{1,128}")


@dataclass(slots=True)
class Result:
    """An answer on its way, and what it was made of."""

    body: bytes
    question: Question
    forecast: Forecast | None
    json_length: int | None
    """Of the body's JSON, where binary tensors follow it."""


class ServingApp(FastAPI):
    """KServe's application with the hot paths taken out of it."""

    fleet: Fleet
    log: Log
    request_log: Callable[[bytes], None]
    payloads: PayloadLog | None = None
    tracing: Tracing | None = None

    def serve(
        self, fleet: Fleet, log: Log, request_log: Callable[[bytes], None], payloads: PayloadLog | None,
        tracing: Tracing | None = None,
    ) -> None:  # fmt: skip
        """Answer for a fleet."""
        self.fleet, self.log, self.request_log, self.payloads, self.tracing = fleet, log, request_log, payloads, tracing
        self._hot: dict[str, tuple[str, Served]] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="forecast")
        self._counter = 0
        self._prefix = f"{time.time_ns():x}-"

    def openapi(self) -> dict[str, Any]:
        """Return KServe's OpenAPI document with the signature and examples of the models served."""
        return described(super().openapi(), self.fleet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        hot = self._hot.get(path)
        if hot is None:
            hot = self._find(path)
        if hot is not None and method == "POST":
            await self._answer(scope, receive, send, *hot)
            return
        if self.tracing is not None and path not in PROBES:
            send = self.tracing.noting(scope, send)
        try:
            if method != "GET" or hot is not None:
                raise self._nothing_here(path, method, hot is not None)
            if (said := self._said(path)) is not None:
                await _send(send, 200, orjson.dumps(said), [JSON])
                return
            if path == "/docs":
                address = f"{scope['scheme']}://{dict(scope['headers']).get(b'host', b'').decode('latin-1')}"
                text = page(self.openapi(), address if ADDRESS.fullmatch(address) else "http://localhost:8080")
                await _send(send, 200, text.encode(), [HTML, NO_SCRIPT])
                return
            if not KSERVE.fullmatch(path):
                raise self._nothing_here(path, method, False)
        except Refusal as refusal:
            out, body = self.refused(refusal, dict(scope["headers"]))
            await _send(send, refusal.status, body, out)
            return
        # FastAPI takes what a route of KServe's leaves out of its path, such as a version, from the query: a 501.
        await super().__call__({**scope, "query_string": b""}, receive, send)

    def _find(self, path: str) -> tuple[str, Served] | None:
        """Return the protocol and model of a path that is not known yet; None where nothing is inferred there."""
        asked = INFERENCE.fullmatch(path)
        if asked is None:
            return None
        name, verb, other, number = asked.groups()
        served = self.fleet.served.get(name or other)
        if served is None:
            return None
        found = {"predict": "v1", "explain": "explain", None: "v2"}[verb], served
        if number is not None:  # which version that is changes: not kept
            return found if served.current and served.current.version == number else None
        self._hot[path] = found
        return found

    def _said(self, path: str) -> dict[str, Any] | None:
        """Return what is said of the server and its models beside forecasts; None where KServe says it itself.

        Raises Refusal where it is of what is not ready or not here, for which KServe would log a traceback.
        """
        fleet = self.fleet
        if path == "/v2/health/ready" and not fleet.ready:
            raise Refusal(503, "not_ready", "the server stops" if fleet.draining else "a model has no version yet")
        of_model = MODEL.fullmatch(path)
        if of_model is None:
            return None
        room, other, name, number, ready = of_model.groups()
        name = name or other
        served = fleet.served.get(name)
        if served is None:
            raise Refusal(404, "model", "no such model", found=name, allowed=", ".join(fleet.served) or "none")
        version = served.current
        if version is None or (fleet.draining and (ready or room == "v1")):
            raise Refusal(503, "not_ready", f"no version of {name} is ready")
        if number is not None and number != version.version:
            raise Refusal(404, "model", "not the version that answers", found=number, allowed=version.version)
        if room == "jackpot":
            return version.card()
        if ready:
            return {"name": name, "ready": True}
        return None if room == "v1" else v2.metadata(version)

    def _nothing_here(self, path: str, method: str, hot: bool) -> Refusal:
        if path.startswith(_REPOSITORY):
            return Refusal(403, "repository", "models are loaded and unloaded by the registry alone")
        if hot or KSERVE.fullmatch(path) or MODEL.fullmatch(path):
            allowed = "POST" if hot else "GET"
            return Refusal(405, "method", "not the method of this path", found=method, allowed=allowed)
        asked = INFERENCE.fullmatch(path)
        served = self.fleet.served.get(asked[3]) if asked and asked[4] else None
        if asked is not None and served is not None:
            answers = served.current.version if served.current else "none"
            return Refusal(404, "model", "not the version that answers", found=asked[4], allowed=answers)
        known = ", ".join(self.fleet.served) or "none"
        allowed = f"/v1/models/MODEL:predict, /v1/models/MODEL:explain, /v2/models/MODEL/infer; models: {known}"
        return Refusal(404, "path", "nothing is here", found=path, allowed=allowed)

    def refused(
        self, refusal: Refusal, headers: dict[bytes, bytes] | None = None
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Count what is turned away before it is a question to a model; return the headers and body of the answer."""
        self.fleet.metrics.refusals["", refusal.reason] += 1
        request_id = self.request_id(headers or {})
        # What follows the head was not read: the connection cannot serve another request.
        return [JSON, (b"x-request-id", request_id.encode()), CLOSE], orjson.dumps(
            {**refusal.body(), "request_id": request_id}
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send, protocol: str, served: Served) -> None:
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = self.request_id(headers)
        whole = False
        status, instances, version, found = 200, 0, None, None
        try:
            json_length = _json_length(headers, protocol)
            body = await self._body(receive, headers)
            whole = True
            current = served.current
            if current is None:
                raise Refusal(503, "not_ready", f"no version of {served.name} is ready yet")
            result = await self._result(current, protocol, body, json_length)
            version, instances = current.version, len(result.question.dates)
            answer, out = result.body, [JSON]
            if result.json_length is not None:
                out = [BINARY, (b"inference-header-content-length", b"%d" % result.json_length)]
            if result.forecast is not None:
                self.answered(current, request_id, result.question, result.forecast)
        except Refusal as refusal:
            # Its traceback leads back to this frame, and so would keep all that was asked until a collection of cycles.
            status, found = refusal.status, refusal.with_traceback(None)
            answer, out = orjson.dumps({**refusal.body(), "request_id": request_id}), [JSON]
            self.fleet.metrics.refusals[served.name, refusal.reason] += 1
        except ConnectionError:
            return
        except Exception as error:
            status, out = 500, [JSON]
            self.log("defect", level="error", request_id=request_id, error=f"{type(error).__name__}: {error}")
            answer = orjson.dumps({"error": "a defect of the server; its log says more", "request_id": request_id})
        out.append((b"x-request-id", request_id.encode()))
        if self.fleet.draining or not whole:
            out.append(CLOSE)
        await _send(send, status, answer, out)
        seconds = time.perf_counter() - started
        self.seen(served.name, protocol, scope["path"], status, seconds, version, instances, request_id, headers, found)

    async def _result(self, version: Version, protocol: str, body: bytes, json_length: bytes | None) -> Result:
        if len(body) <= SHORT and protocol != "explain":
            try:
                return self._work(version, protocol, body, json_length, True)
            except TooMuchAtOnceError:
                pass
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._work, version, protocol, body, json_length, False)

    def answered(self, version: Version, request_id: str, question: Question, forecast: Forecast) -> None:
        """Count what was asked of a version, and give it to the payload log."""
        self.fleet.metrics.inputs[version.name, version.version].add(question, forecast)
        if self.payloads is not None:
            self.payloads.keep(version, request_id, time.time(), question, forecast)

    async def in_thread(self, version: Version, asked: Question) -> Forecast:
        """Forecast beside the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: version.forecast(asked, in_loop=False))

    def _work(self, version: Version, protocol: str, body: bytes, json_length: bytes | None, in_loop: bool) -> Result:
        settings = self.fleet.settings
        if protocol == "v1":
            asked = v1.question(body, settings, settings.max_instances)
            forecast = version.forecast(asked, in_loop=in_loop)
            return Result(v1.answer(version, asked, forecast), asked, forecast, None)
        if protocol == "v2":
            asked, wanted = v2.read(body, json_length, version.name, settings)
            forecast = version.forecast(asked, in_loop=in_loop)
            answer, length = v2.answer(version, asked, wanted, forecast)
            return Result(answer, asked, forecast, length)
        asked = v1.question(body, settings, settings.max_explained)
        version.forecast(asked, in_loop=False)  # whose checks are those of an explanation
        return Result(v1.explanation(version, asked), asked, None, None)

    def request_id(self, headers: dict[bytes, bytes]) -> str:
        """Return the client's id of a request where it gave a plain one, else a new one."""
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        self._counter += 1
        return f"{self._prefix}{self._counter}"

    async def _body(self, receive: Receive, headers: dict[bytes, bytes]) -> bytes:
        """Return the whole body; raise Refusal where it is too long or slow, ConnectionError where it ends early."""
        limits = self.fleet.settings
        most = limits.max_body_bytes
        length = headers.get(b"content-length")
        if length is not None and int(length) > most:
            raise _too_long(int(length), most)
        parts: list[bytes] = []
        size, began = 0, time.monotonic()
        while True:
            message = await self._part(receive)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_long(size, most)
            if not message.get("more_body", False):
                return b"".join(parts)
            if (seconds := time.monotonic() - began - limits.body_seconds) > 0 and size < seconds * limits.body_rate:
                allowed = f"{limits.body_rate:,} bytes a second after {limits.body_seconds:g} s"
                raise Refusal(408, "slow", f"of the body only {size:,} bytes came", allowed=allowed)

    async def _part(self, receive: Receive) -> Message:
        seconds = self.fleet.settings.body_seconds
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise Refusal(408, "slow", f"no part of the body came for {seconds:g} s") from None
        if message["type"] == "http.disconnect":
            raise ConnectionError
        return message

    def seen(
        self, name: str, protocol: str, path: str, status: int, seconds: float, version: str | None, instances: int,
        request_id: str, headers: dict[bytes, bytes], refusal: Refusal | None,
    ) -> None:  # fmt: skip
        """Count a request, write its line of the log and make its span."""
        metrics = self.fleet.metrics
        metrics.requests[name, protocol, str(status)] += 1
        metrics.latency[name, version or "", protocol].add(seconds)
        line = {
            "time": time.time(), "event": "request", "request_id": request_id, "model": name, "version": version,
            "protocol": protocol, "status": status, "instances": instances, "seconds": seconds,
        }  # fmt: skip
        traced = headers.get(b"traceparent")
        if traced is not None:
            line["traceparent"] = shown(traced.decode("latin-1"))[1:-1]
        if self.tracing is not None:
            line |= self.tracing.inference(
                name, protocol, path, status, seconds, version, instances, request_id, headers, refusal
            )
        if refusal is not None:
            line |= {"reason": refusal.reason, "field": refusal.field}
        self.request_log(orjson.dumps(line))


def _json_length(headers: dict[bytes, bytes], protocol: str) -> bytes | None:
    """Return the length of the JSON part, where binary tensors (V2's extension) follow it, else None.

    Raises Refusal for a type of content that is not read.
    """
    given = headers.get(b"content-type", b"")
    kind = given.partition(b";")[0].strip().lower()
    length = headers.get(b"inference-header-content-length") if protocol == "v2" else None
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise Refusal(415, "encoding", "not an encoding that is read", field="Content-Encoding",
                      found=encoding.decode("latin-1"), allowed="identity")  # fmt: skip
    if kind == b"application/json" or (length is not None and kind in (b"application/octet-stream", b"")):
        charset = given.partition(b"charset=")[2].strip(b'" ').lower()
        if charset in (b"", b"utf-8", b"utf8"):
            return length
    raise Refusal(415, "content_type", "not a type of content that is read", field="Content-Type",
                  found=given.decode("latin-1"), allowed="application/json")  # fmt: skip


def _too_long(found: int, most: int) -> Refusal:
    return Refusal(413, "body", "the body is too long", found=found, allowed=f"{most:,} bytes")


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

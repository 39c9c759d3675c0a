"""Traces, by OpenTelemetry: a server span a request, made once it is answered and sent to a collector by a thread.

Imported where the environment asks for traces alone. Span names and attributes are OpenTelemetry's conventions for HTTP
(https://opentelemetry.io/docs/specs/semconv/http/http-spans) and RPC servers; what is ours begins with `jackpot.`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Send

from .background import Background
from .fleet import Log
from .refusal import CODES, Refusal
from .settings import Settings
from .v2 import SERVICE

SERVICE_NAME: Final = "jackpot-predictor"
"""Where OTEL_SERVICE_NAME says nothing."""
METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
PORTION: Final = 512
"""Spans of a message to the collector."""
LONGEST: Final = 256
"""Characters of a value that a client has a hand in."""
FLUSH_SECONDS: Final = 3.0
ROUTES: Final = {
    "v1": "/v1/models/{model_name}:predict",
    "explain": "/v1/models/{model_name}:explain",
    "v2": "/v2/models/{model_name}/infer",
}
RPC: Final = f"{SERVICE}/ModelInfer"
_PARENTS: Final = ((b"traceparent", "traceparent"), (b"tracestate", "tracestate"))


class Spans(Background, SpanProcessor):
    """The spans on their way. A message that the exporter gives up on is counted as dropped, like what did not fit:
    it has tried again by itself, and a collector that refuses a message would refuse it for ever."""

    def __init__(self, exporter: SpanExporter, settings: Settings, log: Log) -> None:
        super().__init__("traces", settings.trace_spans, settings.trace_seconds, PORTION)
        self._exporter, self._log = exporter, log

    def on_end(self, span: ReadableSpan) -> None:
        """Take a sampled span in."""
        if span.context is not None and span.context.trace_flags.sampled:
            self.add(span)

    def write(self, items: list[ReadableSpan]) -> None:
        """Send spans to the collector."""
        if self._exporter.export(items) is not SpanExportResult.SUCCESS:
            with self._lock:
                self.dropped += len(items)

    def failed(self, error: Exception) -> None:
        """Say that the exporter failed in a way of its own; the spans are kept."""
        self._log("traces failed", level="error", error=f"{type(error).__name__}: {error}")

    def stop(self, seconds: float = FLUSH_SECONDS) -> None:
        """Send what waits, for so long at most, and say what was lost."""
        super().stop(seconds)
        # Ends what still waits for the collector: from here on each message is given up at once.
        self._exporter.shutdown()
        self._thread.join(1.0)
        with self._lock:
            lost = self.dropped + self._size
        if lost:
            self._log("traces lost", level="warning", spans=lost)


class Tracing:
    """Makes the spans of a server."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.spans = Spans(OTLPSpanExporter(), settings, log)
        own = Resource.create({"service.name": SERVICE_NAME})
        provider = TracerProvider(
            resource=own.merge(OTELResourceDetector().detect()),
            span_limits=SpanLimits(max_span_attribute_length=LONGEST),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(self.spans)
        self._tracer = provider.get_tracer("jackpot.serving")
        self._propagator = TraceContextTextMapPropagator()
        logger = logging.getLogger("opentelemetry")
        logger.propagate, logger.handlers = False, [_Told(log)]

    def inference(
        self, name: str, protocol: str, path: str, status: int, seconds: float, version: str | None, instances: int,
        request_id: str, headers: Mapping[bytes, bytes], refusal: Refusal | None,
    ) -> dict[str, str]:  # fmt: skip
        """Make the span of an answered inference; return its ids, for the log."""
        about: dict[str, Any] = {
            "jackpot.model": name, "jackpot.instances": instances, "jackpot.request_id": request_id,
        }  # fmt: skip
        if version is not None:
            about["jackpot.model.version"] = version
        if refusal is not None:
            about["jackpot.refusal"] = refusal.reason
        if protocol == "grpc":
            code = "OK" if status == 200 else CODES[status].name
            about |= {"rpc.system.name": "grpc", "rpc.method": RPC, "rpc.response.status_code": code}
            return self._span(RPC, about, code if status >= 500 else "", seconds, headers)
        return self._http("POST", path, status, seconds, headers, about | {"http.route": ROUTES[protocol]})

    def noting(self, scope: Mapping[str, Any], send: Send) -> Send:
        """Return a `send` that makes the span of a request that is no inference once it is answered."""
        started, status = time.perf_counter(), 0

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            await send(message)
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                seconds = time.perf_counter() - started
                self._http(scope["method"], scope["path"], status, seconds, dict(scope["headers"]), {})

        return noted

    def _http(
        self, method: str, path: str, status: int, seconds: float, headers: Mapping[bytes, bytes],
        about: dict[str, Any],
    ) -> dict[str, str]:  # fmt: skip
        method = method if method in METHODS else "_OTHER"
        route = about.get("http.route")
        about |= {
            "http.request.method": method, "http.response.status_code": status, "url.path": path, "url.scheme": "http",
        }  # fmt: skip
        name = f"{method} {route}" if route else method
        return self._span(name, about, str(status) if status >= 500 else "", seconds, headers)

    def _span(
        self, name: str, about: dict[str, Any], error: str, seconds: float, headers: Mapping[bytes, bytes]
    ) -> dict[str, str]:
        ends = time.time_ns()
        given = {text: headers[key].decode("latin-1") for key, text in _PARENTS if key in headers}
        parent = self._propagator.extract(given) if given else Context()
        if error:
            about["error.type"] = error
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, about, start_time=ends - int(seconds * 1e9))
        if error:
            span.set_status(StatusCode.ERROR)
        span.end(ends)
        ids = span.get_span_context()
        return {"trace_id": format_trace_id(ids.trace_id), "span_id": format_span_id(ids.span_id)}


class _Told(logging.Handler):
    """What OpenTelemetry's packages find wrong, as lines of our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.ERROR)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Log an error."""
        self._log("traces failed", level="error", error=record.getMessage()[:500])

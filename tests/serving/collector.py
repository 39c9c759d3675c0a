"""A collector of traces that tests look into."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector(http.server.ThreadingHTTPServer):
    """A collector of OTLP over HTTP that keeps the spans it is sent; `before` may keep it from answering."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Receiver)
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.before: Callable[[], int] = lambda: 200
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.shutdown()
        self.server_close()

    def find(self, **attributes: Any) -> list[tuple[Span, dict[str, Any]]]:
        """Return the spans with attributes, dots written as double underscores."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        each = [(span, values(span)) for span in list(self.spans)]
        return [(span, found) for span, found in each if wanted.items() <= found.items()]


class _Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status = self.server.before()
        if status == 200 and self.path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.services |= {
                    one.value.string_value for one in resource.resource.attributes if one.key == "service.name"
                }
                self.server.spans += [span for scope in resource.scope_spans for span in scope.spans]
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def values(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in span.attributes}

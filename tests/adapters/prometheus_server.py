"""A server that speaks Prometheus' answer format (prometheus.io, HTTP API, instant queries), and can misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_json import JsonHandler

BOUNDS = ("0.005", "0.02", "0.1", "0.25", "0.5", "1.0", "+Inf")


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [1795272000.123, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def traffic(requests: int, errors: int = 0, slow: int = 0) -> dict[str, Any]:
    """Return the answer about so many requests, of which some failed, and some took between 0.5 and 1 s."""
    statuses = [({"status": "200"}, f"{requests - errors}"), ({"status": "500"}, f"{errors}")]
    buckets = [({"le": bound}, f"{requests - slow * (float(bound) < 1) + 1e-9}") for bound in BOUNDS]
    return vector(*statuses, *buckets)


@dataclass
class PrometheusServer:
    """Its answer, how long it takes to begin and between bytes, and what it was asked."""

    answer: Any = field(default_factory=lambda: traffic(1000))
    status: int = 200
    wait_seconds: float = 0.0
    drip_seconds: float = 0.0
    queries: list[str] = field(default_factory=list)


@contextmanager
def prometheus_server() -> Iterator[tuple[str, PrometheusServer]]:
    """Yield the address and the behaviour of a server."""
    behaviour, stopped = PrometheusServer(), threading.Event()

    class Handler(JsonHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path != "/api/v1/query":
                self.reply(404, "404 page not found")
                return
            behaviour.queries.append(parse_qs(url.query)["query"][0])
            stopped.wait(behaviour.wait_seconds)
            with suppress(OSError):  # whoever asked may have gone
                self.drip() if behaviour.drip_seconds else self.reply(behaviour.status, behaviour.answer)

        def drip(self) -> None:
            self.send_response(200)
            self.end_headers()
            ends = time.monotonic() + behaviour.drip_seconds
            while time.monotonic() < ends and not stopped.wait(0.05):
                self.wfile.write(b" ")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", behaviour
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()

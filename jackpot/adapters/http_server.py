"""A server asked over HTTP, for the system test."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from ..system_test.contract import Answer, Load
from ..system_test.histogram import Histogram
from .load import open_loop


class HttpServer:
    """A server at an address; `seconds` is how long an answer may take, `host` whom a gateway is asked for."""

    def __init__(self, url: str, seconds: float = 30.0, host: str | None = None) -> None:
        self.url, self._host = url.rstrip("/"), host
        self._client = httpx.Client(base_url=self.url, timeout=seconds, headers={"Host": host} if host else None)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a request; status 0 where there was none."""
        try:
            answer = self._client.request(method, path, content=body or None, headers=dict(headers or {}))
        except httpx.HTTPError as error:
            return Answer(0, f"{type(error).__name__}: {error}".encode())
        return Answer(answer.status_code, answer.content, {key.lower(): value for key, value in answer.headers.items()})

    def load(self, path: str, body: bytes, rate: float, seconds: float) -> Load:
        """Send requests at a rate of arrivals."""
        measured = open_loop(self.url, path, body, rate, seconds, host=self._host)
        histogram = Histogram()
        histogram.add(measured.latencies)
        return Load(histogram, measured.failed)

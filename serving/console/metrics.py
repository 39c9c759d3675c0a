"""What Prometheus is told of the console, at a port of its own: people come in by another, and never reach it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .site import Site

BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
STREAMS: Final = "/events"


class Metrics:
    """Counts of one console. Labels are routes, methods, statuses and kinds of action: all few."""

    def __init__(self, site: Site) -> None:
        self.registry = CollectorRegistry()
        labels = ("page", "method")
        self.requests = Counter(
            "jackpot_console_requests", "Requests by route and status.", (*labels, "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "jackpot_console_request_seconds",
            "From a request's head to the end of its answer; streams apart.",
            labels,
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(_State(site))

    def add(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        # An address that no route has stands under none: what people type must not become labels.
        page = str(getattr(scope.get("route"), "path", "") or ("/static" if scope.get("endpoint") else ""))
        self.requests.labels(page, scope["method"], str(status)).inc()
        if not page.endswith(STREAMS):
            self.seconds.labels(page, scope["method"]).observe(seconds)


class Counted:
    """ASGI middleware around everything else: the guard's refusals count too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            self._metrics.add(scope, status, time.perf_counter() - begun)


class _State(Collector):
    """What is counted where it happens, read when Prometheus asks."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Any]:
        """Yield the families."""
        site = self._site
        asked = CounterMetricFamily("jackpot_console_what_ifs", "Questions answered, by their plan.", labels=["plan"])
        for plan, count in site.questions.asked.copy().items():
            asked.add_metric([plan], count)
        ended = CounterMetricFamily("jackpot_console_actions", "Long actions by result.", labels=["action", "result"])
        for key, count in site.actions.ended.copy().items():
            ended.add_metric(key, count)
        yield from (asked, ended)
        yield GaugeMetricFamily("jackpot_console_actions_running", "Run or wait their turn.", value=len(site.actions))
        yield GaugeMetricFamily(
            "jackpot_console_markets_out_of_reach", "Shown as they were known.", value=site.desk.out_of_reach()
        )

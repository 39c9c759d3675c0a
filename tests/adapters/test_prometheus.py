"""Prometheus asked over HTTP: what it says is read, and what is no answer is named."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from jackpot.adapters.prometheus import Prometheus
from jackpot.errors import JackpotError
from serving.metrics import Metrics
from tests.adapters.prometheus_server import PrometheusServer, prometheus_server, traffic, vector


@pytest.fixture
def asked() -> Iterator[tuple[Prometheus, PrometheusServer]]:
    with prometheus_server() as (url, server):
        yield Prometheus(f"{url}/"), server


def test_counts_come_by_status_and_by_bound(asked: tuple[Prometheus, PrometheusServer]) -> None:
    prometheus, server = asked
    server.answer = traffic(400, errors=30, slow=8)
    counted = prometheus.counted("jackpot-serving", "uk_lotto", "v2", 60)
    assert (counted.requests, counted.errors, counted.slower(0.25)) == (400, 30, (8, 400))
    (query,) = server.queries
    assert 'namespace="jackpot-serving", model="uk_lotto", version="v2"' in query
    assert "[60s]" in query


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        ({"status": "error", "errorType": "bad_data", "error": "parse error"}, 400, "refused: 400 parse error"),
        ({"status": "error", "errorType": "timeout", "error": "query timed out"}, 503, "refused: 503 query timed out"),
        ("<html>", 502, "answered 502 and no vector"),
        ([], 200, "no vector"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}, 200, "no vector"),
        ({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}}]}}, 200, "no vector"),
        (vector(({"status": "200"}, "many"), ({"le": "+Inf"}, "1")), 200, "no vector"),
        (vector(), 200, "has no metrics of the servers of england v2"),
        (vector(({"status": "200"}, "NaN"), ({"le": "+Inf"}, "1")), 200, "no counts"),
        (vector(({"status": "200"}, "-1"), ({"le": "+Inf"}, "1")), 200, "no counts"),
        (vector(({"status": "200"}, "1"), ({"le": "0.1"}, "1")), 200, "no counts"),
        (vector(({"status": "200"}, "1"), ({"le": "wide"}, "1")), 200, "no counts"),
        (vector(({"le": "+Inf"}, "1")), 200, "no counts"),
        ({"much": "x" * (1 << 20)}, 200, "answered over 1048576 bytes"),
    ],
)
def test_what_is_no_answer_is_named(
    asked: tuple[Prometheus, PrometheusServer], answer: Any, status: int, says: str
) -> None:
    prometheus, server = asked
    server.answer, server.status = answer, status
    with pytest.raises(JackpotError, match=says) as raised:
        prometheus.counted("jackpot-serving", "england", "v2", 60)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("slow", [{"wait_seconds": 30.0}, {"drip_seconds": 30.0}])
def test_a_slow_answer_is_not_waited_for(asked: tuple[Prometheus, PrometheusServer], slow: dict[str, float]) -> None:
    prometheus, server = asked
    for name, value in slow.items():
        setattr(server, name, value)
    began = time.monotonic()
    with pytest.raises(JackpotError, match=r"did not answer in 0\.5 s"):
        Prometheus(prometheus.url, seconds=0.5).query("up")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://prometheus.invalid", "http://[", "http://127.0.0.1:x"])
def test_one_that_is_away_is_named(url: str) -> None:
    with pytest.raises(JackpotError, match=r"Prometheus at http://\S+ cannot be reached"):
        Prometheus(url).query("up")


@pytest.mark.integration
def test_a_real_prometheus_counts_a_canarys_requests_by_what_our_server_shows(tmp_path: Path) -> None:
    """Two pods' pages, scraped each second: the champion's errors are not the canary's, nor what came before."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not on PATH: Debian's package has it")
    pods = {"champion": Pod("v1"), "canary": Pod("v2")}
    servers = {name: page(pod.metrics) for name, pod in pods.items()}
    targets = [
        {"targets": [f"127.0.0.1:{server.server_address[1]}"], "labels": {"namespace": "jackpot-serving", "pod": name}}
        for name, server in servers.items()
    ]
    settings = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "p", "static_configs": targets}],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(settings))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        pods["canary"].answer(500, "503", 0.9)  # before the time that is asked about
        scraped_twice(prometheus)
        for _ in range(6):
            pods["champion"].answer(100, "500", 0.9)
            pods["canary"].answer(20, "200", 0.03)
            pods["canary"].answer(1, "503", 0.003)
            time.sleep(1)
        counted = prometheus.counted("jackpot-serving", "england", "v2", 6)
        assert 70 <= counted.requests <= 180
        assert 3 <= counted.errors <= 8
        assert counted.slower(0.25)[0] == 0
        assert 0.02 < counted.slowest() <= 0.05
        assert math.isinf(max(counted.within))
        with pytest.raises(JackpotError, match="has no metrics of the servers of england v3"):
            prometheus.counted("jackpot-serving", "england", "v3", 6)
    finally:
        process.terminate()
        process.wait(30)
        for server in servers.values():
            server.shutdown()
            server.server_close()


def scraped_twice(prometheus: Prometheus) -> None:
    ends = time.monotonic() + 60
    while True:
        try:
            if len([one for one in prometheus.query("count_over_time(up[1m])") if one[1] >= 2]) == 2:
                return
        except JackpotError:
            pass
        assert time.monotonic() < ends
        time.sleep(0.2)


class Pod:
    """A server of one version, as far as it counts."""

    def __init__(self, version: str) -> None:
        self.metrics, self.version = Metrics(), version
        current: Any = SimpleNamespace(
            version=version, origin={"state": "0" * 64}, state=SimpleNamespace(as_of="2026-11-20")
        )
        self.metrics.current["england"] = current

    def answer(self, times: int, status: str, seconds: float) -> None:
        self.metrics.requests["england", "v1", status] += times
        for _ in range(times):
            self.metrics.latency["england", self.version if status == "200" else "", "v1"].add(seconds)


def page(metrics: Metrics) -> ThreadingHTTPServer:
    registry = CollectorRegistry()
    registry.register(metrics)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_GET(self) -> None:
            data = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server

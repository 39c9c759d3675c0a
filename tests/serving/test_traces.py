"""Traces reach a collector over OTLP, continue the caller's, and never stand in the way of an answer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from serving.settings import Settings
from serving.tracing import Tracing

from .collector import Collector
from .conftest import MARKET, ROOT, Server, Trained, free_port, start, wait_for

BODY = {"instances": [{"jackpot": 2e7, "draw_date": "2025-12-20"}, {"jackpot": 3e7, "draw_date": "2025-12-20"}]}
PREDICT = f"/v1/models/{MARKET}:predict"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


def traced(trained: Trained, tmp_path: Path, endpoint: str, *flags: str, **environ: str) -> Server:
    always = ("--deployed", "--store", str(trained.folder), "--trace_seconds", "0.05", "--drain_seconds", "0.1")
    return start(tmp_path / "log", *always, *flags, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **environ})


def ask(server: Server, body: Any = BODY, **headers: str) -> httpx.Response:
    return httpx.post(server.url + PREDICT, json=body, headers=headers)


def test_each_request_is_a_span_of_the_callers_trace(trained: Trained, tmp_path: Path, collector: Collector) -> None:
    server = traced(trained, tmp_path, collector.url)
    try:
        given = {"traceparent": TRACEPARENT, "tracestate": "vendor=1", "x-request-id": "mine"}
        assert ask(server, **given).status_code == 200
        assert ask(server, {**BODY, "x": 1}).status_code == 422
        assert httpx.post(f"{server.url}/v2/models/none/infer").status_code == 404
        assert httpx.get(f"{server.url}/v1/models").status_code == 200
        assert wait_for(lambda: len(collector.spans) >= 4, 10)

        ((span, said),) = collector.find(jackpot__request_id="mine")
        assert said == {
            "http.request.method": "POST", "http.response.status_code": 200, "url.path": PREDICT, "url.scheme": "http",
            "http.route": "/v1/models/{model_name}:predict", "jackpot.model": MARKET, "jackpot.model.version": "v1",
            "jackpot.instances": 2, "jackpot.request_id": "mine",
        }  # fmt: skip
        assert (span.name, span.kind) == ("POST /v1/models/{model_name}:predict", Span.SPAN_KIND_SERVER)
        assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE, PARENT, "vendor=1")
        assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 2e9
        assert abs(span.end_time_unix_nano / 1e9 - time.time()) < 60
        assert wait_for(lambda: len(server.lines("request")) == 2, 5)
        ours, other = server.lines("request")
        assert (ours["trace_id"], ours["span_id"]) == (TRACE, span.span_id.hex())
        assert ours["traceparent"] == TRACEPARENT

        ((refused, said),) = collector.find(http__response__status_code=422)
        assert (said["jackpot.refusal"], refused.parent_span_id) == ("unknown_field", b"")
        assert refused.trace_id.hex() == other["trace_id"] != TRACE
        assert refused.status.code == Status.STATUS_CODE_UNSET  # the caller's mistake is no error of the server
        assert {said["url.path"] for _, said in collector.find(http__response__status_code=404)} == {
            "/v2/models/none/infer"
        }
        assert [span.name for span, said in collector.find(url__path="/v1/models")] == ["GET"]
        assert not collector.find(url__path="/v2/health/ready")  # by which `start` waited
        assert collector.services == {"jackpot-predictor"}
        assert server.metric("jackpot_spans_dropped") == 0
    finally:
        assert server.stop() == 0


def test_an_unready_server_is_an_error_of_its_own(fresh: Trained, tmp_path: Path, collector: Collector) -> None:
    fresh.store._path("models/v1/arrays.npz").unlink()
    flags = ("--deployed", "--store", str(fresh.folder), "--trace_seconds", "0.05")
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "named"}
    server = start(tmp_path / "log", *flags, ready=False, environ=environ)
    try:
        assert wait_for(lambda: server.lines("starting"), 20)
        assert wait_for(lambda: _status(server) == 503, 20)
        assert wait_for(lambda: collector.find(http__response__status_code=503), 10)
        span, said = collector.find(http__response__status_code=503)[0]
        assert (span.status.code, said["error.type"]) == (Status.STATUS_CODE_ERROR, "503")
        assert collector.services == {"named"}
    finally:
        server.stop()


def _status(server: Server) -> int:
    try:
        return ask(server).status_code
    except httpx.HTTPError:
        return 0


def test_inferences_over_grpc_are_spans_too(trained: Trained, tmp_path: Path, collector: Collector) -> None:
    server = traced(trained, tmp_path, collector.url)
    request = pb.ModelInferRequest(model_name=MARKET)
    request.inputs.add(name="jackpot", datatype="FP64", shape=[1]).contents.fp64_contents.append(2e7)
    request.inputs.add(name="draw_date", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"2025-12-20")
    try:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            infer(request.SerializeToString(), metadata=(("traceparent", TRACEPARENT),))
            request.inputs[0].name = "price"
            with pytest.raises(grpc.RpcError):
                infer(request.SerializeToString())
        assert wait_for(lambda: len(collector.spans) >= 2, 10)
    finally:
        assert server.stop() == 0
    ((span, said),) = collector.find(rpc__response__status_code="OK")
    assert (span.name, said["rpc.system.name"]) == ("inference.GRPCInferenceService/ModelInfer", "grpc")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert (said["jackpot.model"], said["jackpot.model.version"]) == (MARKET, "v1")
    ((refused, said),) = collector.find(rpc__response__status_code="INVALID_ARGUMENT")
    assert (said["jackpot.refusal"], refused.status.code) == ("unknown_field", Status.STATUS_CODE_UNSET)


def test_what_the_caller_did_not_sample_is_not_sent(trained: Trained, tmp_path: Path, collector: Collector) -> None:
    server = traced(trained, tmp_path, collector.url)
    ask(server, traceparent=f"00-{TRACE}-{PARENT}-00", **{"x-request-id": "quiet"})
    ask(server, traceparent="00-nonsense", **{"x-request-id": "broken"})
    ask(server, traceparent=TRACEPARENT, tracestate="x" * 60_000, **{"x-request-id": "long"})
    httpx.get(f"{server.url}/{'x' * 9000}")
    assert server.stop() == 0
    assert len(collector.spans) == 3
    assert not collector.find(jackpot__request_id="quiet")
    ((span, _),) = collector.find(jackpot__request_id="broken")
    assert span.parent_span_id == b""
    ((span, _),) = collector.find(jackpot__request_id="long")
    assert (span.trace_id.hex(), span.trace_state) == (TRACE, "")
    ((_, said),) = collector.find(http__response__status_code=404)
    assert len(said["url.path"]) == 256  # what a caller sends takes little room
    ids = {line["request_id"]: line["trace_id"] for line in server.lines("request")}
    assert ids["quiet"] == TRACE


def test_sigterm_sends_what_waits(trained: Trained, tmp_path: Path, collector: Collector) -> None:
    server = traced(trained, tmp_path, collector.url, "--trace_seconds", "600")
    for _ in range(20):
        ask(server)
    assert collector.spans == []
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(15)
    assert len(collector.spans) == 20
    assert server.lines("traces lost") == []


def test_a_collector_that_hangs_takes_no_answer_and_little_time_at_the_end(
    trained: Trained, tmp_path: Path, collector: Collector
) -> None:
    let_go = threading.Event()
    collector.before = lambda: 200 if let_go.wait(60) else 503
    server = traced(trained, tmp_path, collector.url, "--trace_spans", "10")
    with httpx.Client() as client:
        slowest = 0.0
        for _ in range(50):
            began = time.monotonic()
            assert client.post(server.url + PREDICT, json=BODY).status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0  # the collector would take 10 s
    assert server.metric("jackpot_spans_dropped") == 40
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(15)
    assert time.monotonic() - began < 8
    (lost,) = server.lines("traces lost")
    assert lost["spans"] == 50
    assert len(server.lines("request")) == 50
    let_go.set()


def test_a_collector_that_is_down_is_waited_for_a_while(trained: Trained, tmp_path: Path) -> None:
    port = free_port()
    server = traced(trained, tmp_path, f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="10")
    try:
        for _ in range(5):
            assert ask(server).status_code == 200
        late = Collector(port)
        assert wait_for(lambda: len(late.spans) == 5, 15)  # the exporter tries again
        late.before = lambda: 400
        for _ in range(3):
            assert ask(server).status_code == 200
        assert wait_for(lambda: server.metric("jackpot_spans_dropped") == 3, 15)
        late.before = lambda: 200
        assert ask(server).status_code == 200
        assert wait_for(lambda: len(late.spans) == 6, 15)
        assert wait_for(lambda: server.lines("traces failed"), 5)
        assert "400" in server.lines("traces failed")[-1]["error"]
        late.close()
    finally:
        assert server.stop() == 0
    (lost,) = server.lines("traces lost")
    assert lost["spans"] == 3


_BYTES = st.binary(max_size=80)
_PARENT = _BYTES | st.from_regex(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.?", fullmatch=True)
_STATE = _BYTES | st.lists(_BYTES, max_size=40).map(b"=1,".join)


@settings(deadline=None, max_examples=300)
@given(
    headers=st.fixed_dictionaries({}, optional={b"traceparent": _PARENT, b"tracestate": _STATE}),
    path=st.text(st.characters(codec="utf-8"), max_size=300),
)
def test_whatever_a_caller_sends_ids_are_given_and_a_span_can_be_sent(headers: dict[bytes, bytes], path: str) -> None:
    tracing = _tracing()
    found = tracing.inference(MARKET, "v1", path, 200, 0.001, "v1", 1, "r", headers, None)
    assert int(found["trace_id"], 16) > 0
    assert int(found["span_id"], 16) > 0
    for span, _ in tracing.spans._waiting:
        assert len(encode_spans([span]).SerializeToString()) < 8000
    tracing.spans._waiting.clear()


@cache
def _tracing() -> Tracing:
    return Tracing(Settings(trace_spans=10**6), lambda *_, **__: None)


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_a_setting_that_is_not_known_is_said_and_the_server_serves(environ: dict[str, str]) -> None:
    found = _opened({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **environ})
    assert found["tracing"] is False
    ((event, level),) = found["said"]
    assert (event, level) == ("not traced", "error")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
    ],
)
def test_nothing_of_it_is_imported_unless_it_is_asked_for(environ: dict[str, str]) -> None:
    assert _opened(environ) == {"tracing": False, "said": [], "imported": []}


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER"]
)
def test_either_variable_asks_for_it(name: str) -> None:
    value = "otlp" if name == "OTEL_TRACES_EXPORTER" else "http://127.0.0.1:9"
    found = _opened({name: value})
    assert (found["tracing"], found["said"]) == (True, [])


def _opened(environ: dict[str, str]) -> Any:
    """Open tracing in a process of its own with these variables alone of OpenTelemetry's."""
    code = (
        "import json, os, sys; sys.argv = ['x']\n"
        "from serving.__main__ import without_kubernetes_client as begin; begin()\n"
        "from serving.server import open_tracing\n"
        "from serving.settings import Settings\n"
        "said = []\n"
        "found = open_tracing(os.environ, Settings(), lambda event, level='info', **_: said.append((event, level)))\n"
        "ours = ('opentelemetry.sdk', 'opentelemetry.exporter', 'requests', 'serving.tracing')\n"
        "print(json.dumps({'tracing': found is not None, 'said': said,\n"
        "                  'imported': [name for name in ours if name in sys.modules]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **environ},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])

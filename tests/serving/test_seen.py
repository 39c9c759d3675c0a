"""What is seen from outside: metrics, the request log, the payload log."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow.parquet as pq
import pytest

from serving.background import Background
from serving.payload_log import PayloadLog
from serving.settings import Settings
from serving.version import Forecast, Question

from .conftest import MARKET, Server, Trained, start, wait_for

BODY = {"instances": [{"jackpot": 2e7, "draw_date": "2025-12-20"}, {"jackpot": 4e8, "draw_date": "2025-12-20"}]}


def test_metrics_count_requests_inputs_and_refusals(server: Server) -> None:
    names = {
        f'jackpot_requests_total{{model="{MARKET}",protocol="v1",status="200"}}': 1,
        f'jackpot_requests_total{{model="{MARKET}",protocol="v1",status="422"}}': 1,
        f'jackpot_instances_total{{model="{MARKET}",version="v1"}}': 2,
        f'jackpot_extrapolated_total{{model="{MARKET}",version="v1"}}': 1,
        f'jackpot_refusals_total{{model="{MARKET}",reason="unknown_field"}}': 1,
        f'jackpot_request_seconds_count{{model="{MARKET}",protocol="v1",version="v1"}}': 1,
    }
    before = {name: server.metric(name) for name in names}
    httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY)
    httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json={**BODY, "x": 1})
    assert {name: server.metric(name) - before[name] for name in names} == names
    assert server.metric(f'jackpot_asked{{bound="largest",model="{MARKET}",version="v1"}}') >= 4e8


def test_the_log_tells_of_each_request(server: Server) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"x-request-id": "mine-1", "traceparent": trace}
    answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY, headers=headers)
    assert answer.headers["x-request-id"] == "mine-1"

    def mine() -> list[dict[str, Any]]:
        return [line for line in server.lines("request") if line["request_id"] == "mine-1"]

    assert wait_for(mine, 5)
    (line,) = mine()
    assert (line["status"], line["version"], line["instances"], line["traceparent"]) == (200, "v1", 2, trace)


def test_grpc_is_seen_too(server: Server) -> None:
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    request = pb.ModelInferRequest(model_name=MARKET)
    request.inputs.add(name="jackpot", datatype="FP64", shape=[1]).contents.fp64_contents.append(2e7)
    request.inputs.add(name="draw_date", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"2025-12-20")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        infer(request.SerializeToString(), metadata=(("x-request-id", "over-grpc"),))
        request.inputs[0].name = "price"
        with pytest.raises(grpc.RpcError):
            infer(request.SerializeToString(), metadata=(("x-request-id", "over-grpc"),))

    def mine() -> list[tuple[int, str]]:
        lines = [line for line in server.lines("request") if line["request_id"] == "over-grpc"]
        return [(line["status"], line.get("field", "")) for line in lines]

    assert wait_for(lambda: len(mine()) == 2, 5)
    assert mine() == [(200, ""), (422, "inputs[0].name")]
    assert server.metric(f'jackpot_requests_total{{model="{MARKET}",protocol="grpc",status="200"}}') >= 1


def test_an_odd_request_id_is_replaced(server: Server) -> None:
    headers = {"x-request-id": 'a" onload="'}
    answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY, headers=headers)
    assert "onload" not in answer.headers["x-request-id"]


def test_the_payload_log_holds_what_was_answered(trained: Trained, tmp_path: Path) -> None:
    flags = ["--deployed", "--store", str(trained.folder), "--payload_store", str(tmp_path / "kept")]
    server = start(tmp_path / "log", *flags)
    said = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY, headers={"x-request-id": "r1"}).json()
    assert server.stop() == 0  # what waits is written before the end
    (path,) = (tmp_path / "kept" / "payloads" / MARKET).rglob("*.parquet")
    rows = pq.read_table(io.BytesIO(path.read_bytes())).to_pylist()
    assert [row["mean"] for row in rows] == [one["mean"] for one in said["predictions"]]
    assert [row["extrapolated"] for row in rows] == [False, True]
    assert {(row["request_id"], row["model_version"], row["state"]) for row in rows} == {("r1", "v1", said["state"])}
    assert [row["jackpot"] for row in rows] == [2e7, 4e8]
    assert rows[0]["quantiles"] == list(said["predictions"][0]["quantiles"].values())


class Failing:
    """A store that is down until it is told otherwise."""

    def __init__(self) -> None:
        self.down, self.kept = True, {}

    def replace(self, key: str, data: bytes) -> None:
        if self.down:
            raise ConnectionError("down")
        self.kept[key] = data

    def uri(self, key: str) -> str:
        return f"s3://b/{key}"


def test_an_outage_of_the_payload_store_loses_only_what_is_counted() -> None:
    class Origin:
        name, version, origin = "england", "v1", {"state": "s"}

        class state:  # noqa: N801
            model, as_of = "m", "2025-12-14"

    store: Any = Failing()
    said: list[tuple[str, dict[str, Any]]] = []
    log = PayloadLog(store, Settings(payload_rows=100), lambda event, **fields: said.append((event, fields)))
    one = np.ones(10)
    forecast = Forecast(one, one, np.ones((2, 10)), one, one > 2)
    question = Question(one, ["2025-12-20"] * 10, (0.05, 0.95), "")
    for i in range(15):
        log.keep(Origin, f"r{i}", 1e9 + i, question, forecast)  # type: ignore[arg-type]
        log._turn()
    assert log.dropped == 50
    # Said once, however long it lasts.
    error = {"level": "error", "error": "ConnectionError: down", "place": "s3://b/payloads"}
    assert said == [("payload log failed", error)]
    store.down = False
    log._turn()
    assert said[1:] == [("payload log goes on", {"dropped": 50})]
    rows = [row for data in store.kept.values() for row in pq.read_table(io.BytesIO(data)).to_pylist()]
    assert len(rows) == 100
    log.keep(Origin, "later", 2e9, question, forecast)  # type: ignore[arg-type]
    assert log.dropped == 50  # there is room again


def test_adding_never_waits_for_a_writer_that_hangs() -> None:
    import threading
    import time

    let_go = threading.Event()

    class Hanging(Background):
        def write(self, items: list[Any]) -> None:
            let_go.wait(10)

    log = Hanging("hanging", most=1000, seconds=0.01)
    log.start()
    log.add("first")
    time.sleep(0.05)
    started = time.monotonic()
    for _ in range(5000):
        log.add("x")
    assert time.monotonic() - started < 0.5
    assert log.dropped == 4001
    let_go.set()
    log.stop()

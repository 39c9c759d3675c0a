"""Nonsense is refused clearly, by every protocol, and hurts nobody else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import MARKET, Server

JSON = {"content-type": "application/json"}
GOOD = {"jackpot": 2e7, "draw_date": "2025-12-20"}


def _v1(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _one(**changes: Any) -> dict[str, Any]:
    return {"instances": [{**GOOD, **changes}]}


V1: dict[str, tuple[Any, int, str]] = {
    "empty": (b"", 400, ""),
    "no json": (b"{", 400, ""),
    "broken utf-8": (b'{"instances": [{"jackpot": 1, "draw_date": "\xff\xfe"}]}', 400, ""),
    "deep": (b"[" * 100_000, 400, ""),
    "deep object": (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, ""),
    "array": ([1], 422, ""),
    "unknown key": ({"instances": [GOOD], "colour": 1}, 422, "colour"),
    "no instances": ({}, 422, "instances"),
    "none": ({"instances": []}, 422, "instances"),
    "not objects": ({"instances": [1]}, 422, "instances[0]"),
    "lists": ({"instances": [[2e7, "2025-12-20"]]}, 422, "instances[0]"),
    "unknown field": (_one(marketing=3), 422, "instances[0].marketing"),
    "missing": ({"instances": [GOOD, {"jackpot": 1e7}]}, 422, "instances[1].draw_date"),
    "swapped field": ({"instances": [{"jackpot": 1e7, "date": "2025-12-20"}]}, 422, "instances[0].date"),
    "text": (_one(jackpot="20000000"), 422, "instances[0].jackpot"),
    "true": (_one(jackpot=True), 422, "instances[0].jackpot"),
    "null": (_one(jackpot=None), 422, "instances[0].jackpot"),
    "nan": (b'{"instances": [{"jackpot": NaN, "draw_date": "2025-12-20"}]}', 400, ""),
    "infinite": (b'{"instances": [{"jackpot": 1e999, "draw_date": "2025-12-20"}]}', 400, ""),
    "negative": (_one(jackpot=-1), 422, "instances[0].jackpot"),
    "zero": (_one(jackpot=0), 422, "instances[0].jackpot"),
    "enormous": (_one(jackpot=1e300), 422, "instances[0].jackpot"),
    "long integer": (_one(jackpot=10**400), 400, ""),
    "second bad": ({"instances": [GOOD, _one(jackpot=-5)["instances"][0]]}, 422, "instances[1].jackpot"),
    "no such date": (_one(draw_date="2026-02-30"), 422, "instances[0].draw_date"),
    "week date": (_one(draw_date="2026-W01-1"), 422, "instances[0].draw_date"),
    "time": (_one(draw_date="2025-12-20T00:00:00"), 422, "instances[0].draw_date"),
    "other digits": (_one(draw_date="２０２５-12-20"), 422, "instances[0].draw_date"),
    "number as date": (_one(draw_date=20251220), 422, "instances[0].draw_date"),
    "past": (_one(draw_date="2020-01-04"), 422, "instances[0].draw_date"),
    "far": (_one(draw_date="2099-01-03"), 422, "instances[0].draw_date"),
    "second date bad": ({"instances": [GOOD, _one(draw_date="x")["instances"][0]]}, 422, "instances[1].draw_date"),
    "quantile 0": ({**_one(), "quantiles": [0]}, 422, "quantiles"),
    "quantile twice": ({**_one(), "quantiles": [0.5, 0.5]}, 422, "quantiles"),
    "quantiles text": ({**_one(), "quantiles": "0.5"}, 422, "quantiles"),
    "quantiles many": ({**_one(), "quantiles": [i / 1000 for i in range(1, 200)]}, 422, "quantiles"),
    "100,001": ({"instances": [{}] * 100_001}, 413, "instances"),
}  # fmt: skip


@pytest.mark.parametrize("name", V1)
def test_v1_says_what_is_wrong(server: Server, name: str) -> None:
    body, status, field = V1[name]
    answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", content=_v1(body), headers=JSON)
    said = answer.json()
    assert (answer.status_code, said.get("field", "")) == (status, field)
    assert said["reason"]
    assert len(said["error"]) < 700
    assert "Traceback" not in answer.text


def _tensors(**changes: Any) -> dict[str, Any]:
    jackpot = {"name": "jackpot", "shape": [2], "datatype": "FP64", "data": [1e7, 2e7]}
    date = {"name": "draw_date", "shape": [2], "datatype": "BYTES", "data": ["2025-12-20", "2025-12-20"]}
    return {"inputs": [{**jackpot, **changes}, date]}


V2: dict[str, tuple[Any, int]] = {
    "no inputs": ({}, 422),
    "inputs no list": ({"inputs": {}}, 422),
    "one missing": ({"inputs": _tensors()["inputs"][:1]}, 422),
    "twice": ({"inputs": _tensors()["inputs"] * 2}, 422),
    "unknown input": (_tensors(name="price"), 422),
    "name no text": (_tensors(name=[]), 422),
    "datatype": (_tensors(datatype="BOOL"), 422),
    "datatype no text": (_tensors(datatype=[1]), 422),
    "shape short": (_tensors(shape=[1]), 422),
    "shape long": (_tensors(shape=[3]), 422),
    "shape negative": (_tensors(shape=[-2]), 422),
    "shape huge": (_tensors(shape=[2**62]), 413),
    "shape text": (_tensors(shape="2"), 422),
    "shape cube": (_tensors(shape=[1, 2]), 422),
    "shape empty": (_tensors(shape=[]), 422),
    "no shape": (_tensors(shape=None), 422),
    "data text": (_tensors(data=["a", "b"]), 422),
    "data fraction": (_tensors(datatype="INT64", data=[1.5, 2]), 422),
    "data missing": (_tensors(data=None), 422),
    "data nested": (_tensors(data=[[1e7, 2e7]]), 422),
    "binary without bytes": (_tensors(data=None, parameters={"binary_data_size": 16}), 400),
    "parameters": ({**_tensors(), "parameters": {"sequence_id": 1}}, 422),
    "quantiles": ({**_tensors(), "parameters": {"quantiles": "a,b"}}, 422),
    "output": ({**_tensors(), "outputs": [{"name": "profit"}]}, 422),
    "output twice": ({**_tensors(), "outputs": [{"name": "mean"}, {"name": "mean"}]}, 422),
    "id": ({**_tensors(), "id": 5}, 422),
    "another model": ({**_tensors(), "model_name": "megasena"}, 422),
}


@pytest.mark.parametrize("name", V2)
def test_v2_says_what_is_wrong(server: Server, name: str) -> None:
    body, status = V2[name]
    answer = httpx.post(f"{server.url}/v2/models/{MARKET}/infer", json=body)
    assert (answer.status_code, answer.json()["reason"] != "") == (status, True), answer.text


@pytest.mark.parametrize(
    ("length", "tail"),
    [("-1", b""), ("99999", b""), ("x", b""), ("5", b"\0" * 16), ("whole", b"\0" * 15), ("whole", b"\0" * 17)],
)
def test_broken_binary_tensors(server: Server, length: str, tail: bytes) -> None:
    document = _tensors(parameters={"binary_data_size": 16})
    del document["inputs"][0]["data"]
    head = json.dumps(document).encode()
    headers = {
        "content-type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)) if length == "whole" else length,
    }
    answer = httpx.post(f"{server.url}/v2/models/{MARKET}/infer", content=head + tail, headers=headers)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "application/xml"],
)
def test_other_types_of_content(server: Server, kind: str) -> None:
    answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", content=_v1(_one()), headers={"content-type": kind})
    assert answer.status_code == 415
    assert answer.json()["allowed"] == "application/json"


def test_json_with_its_charset_is_read(server: Server) -> None:
    headers = {"content-type": "application/json; charset=UTF-8"}
    assert httpx.post(f"{server.url}/v1/models/{MARKET}:predict", content=_v1(_one()), headers=headers).is_success


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", f"/v2/repository/models/{MARKET}/unload", 403),
        ("POST", f"/v2/repository/models/{MARKET}/load", 403),
        ("GET", f"/v1/models/{MARKET}:predict", 405),
        ("POST", f"/v1/models/{MARKET}", 405),
        ("POST", "/v1/models/nosuch:predict", 404),
        ("GET", "/v1/models/nosuch", 404),
        ("GET", "/v2/models/nosuch/ready", 404),
        ("POST", f"/v2/models/{MARKET}/versions/v9/infer", 404),
        ("GET", f"/v2/models/{MARKET}/versions/v1", 404),
        ("DELETE", "/", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/v1/models/%00", 404),
    ],
)
def test_what_is_not_here(server: Server, method: str, path: str, status: int) -> None:
    assert httpx.request(method, server.url + path).status_code == status
    assert server.ready()


def test_a_long_body_is_refused_unread(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        head = f"POST /v1/models/{MARKET}:predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        raw.sendall(f"{head}content-length: 50000000\r\n\r\n".encode())
        raw.settimeout(2)
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_long_body_in_chunks_is_refused(server: Server) -> None:
    def chunks() -> Any:
        for _ in range(200):
            yield b" " * 100_000

    try:
        answer = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", content=chunks(), headers=JSON)
    except httpx.WriteError:
        return  # the server closed its end while we were still writing, having answered
    assert answer.status_code == 413


def test_slow_clients_hold_nobody_up(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.http)) for _ in range(50)]
    try:
        head = f"POST /v1/models/{MARKET}:predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        for one in slow:
            one.sendall(f"{head}content-length: 100\r\n\r\n{{".encode())
        with httpx.Client() as client:
            started = time.monotonic()
            for _ in range(20):
                assert client.post(f"{server.url}/v1/models/{MARKET}:predict", json=_one()).is_success
        # Were one of them waited for, it would be a second for each.
        assert time.monotonic() - started < 10
        slow[0].settimeout(5)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 408")
    finally:
        for one in slow:
            one.close()


def _grpc(server: Server, method: str, payload: bytes) -> tuple[str, bytes]:
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
        call: Callable[..., bytes] = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        try:
            return "OK", call(payload, timeout=60)
        except grpc.RpcError as error:
            return error.code().name, error.details().encode()


def _infer_request(**changes: Any) -> Any:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    request = pb.ModelInferRequest(model_name=changes.pop("model", MARKET))
    jackpot = request.inputs.add(name="jackpot", datatype="FP64", shape=changes.pop("shape", [1]))
    jackpot.contents.fp64_contents.extend(changes.pop("jackpots", [2e7]))
    date = request.inputs.add(name="draw_date", datatype="BYTES", shape=[1])
    date.contents.bytes_contents.append(changes.pop("date", b"2025-12-20"))
    request.raw_input_contents.extend(changes.pop("raw", []))
    return request


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, "OK"),
        ({"model": "nosuch"}, "NOT_FOUND"),
        ({"shape": [2]}, "INVALID_ARGUMENT"),
        ({"shape": [-1]}, "INVALID_ARGUMENT"),
        ({"shape": [200_000]}, "RESOURCE_EXHAUSTED"),
        ({"jackpots": [float("nan")]}, "INVALID_ARGUMENT"),
        ({"jackpots": [-1.0]}, "INVALID_ARGUMENT"),
        ({"date": b"\xff\xff"}, "INVALID_ARGUMENT"),
        ({"date": b"2026-02-30"}, "INVALID_ARGUMENT"),
        ({"raw": [b"\0"]}, "INVALID_ARGUMENT"),
        ({"raw": [b"\0", b"\0"]}, "INVALID_ARGUMENT"),
    ],
)
def test_grpc_refuses_broken_tensors(server: Server, changes: dict[str, Any], code: str) -> None:
    found, said = _grpc(server, "ModelInfer", _infer_request(**changes).SerializeToString())
    assert found == code, said


def test_grpc_refuses_what_is_no_message_and_unloading(server: Server) -> None:
    assert _grpc(server, "ModelInfer", b"\xff\xff\xff")[0] == "INVALID_ARGUMENT"
    assert _grpc(server, "RepositoryModelUnload", b"")[0] == "PERMISSION_DENIED"
    assert _grpc(server, "RepositoryModelLoad", b"")[0] == "PERMISSION_DENIED"
    assert _grpc(server, "NoSuchMethod", b"")[0] == "UNIMPLEMENTED"
    assert _grpc(server, "ModelMetadata", b"")[0] == "NOT_FOUND"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([2e7, "2025-12-20", "", "ä"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["instances", "inputs", "jackpot", "draw_date", "name", "shape", "data", "datatype", "quantiles",
             "parameters", "outputs", "id", "binary_data_size"]
        )
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=JUNK, raw=st.binary(max_size=60), verb=st.sampled_from(["v1", "explain", "v2"]))
def test_whatever_is_sent_is_never_a_defect(server: Server, junk: Any, raw: bytes, verb: str) -> None:
    path = {
        "v1": f"/v1/models/{MARKET}:predict",
        "explain": f"/v1/models/{MARKET}:explain",
        "v2": f"/v2/models/{MARKET}/infer",
    }
    wrapped = {"v1": {"instances": [junk]}, "explain": {"instances": [junk]}, "v2": {"inputs": [junk]}}
    with httpx.Client(base_url=server.url) as client:
        for body in (json.dumps(junk), json.dumps(wrapped[verb]), raw):
            headers = {**JSON, **({"Inference-Header-Content-Length": str(len(raw) // 2)} if body is raw else {})}
            answer = client.post(path[verb], content=body, headers=headers)
            assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    assert _grpc(server, "ModelInfer", raw)[0] in ("OK", "INVALID_ARGUMENT", "NOT_FOUND")


def test_no_defect_was_met(server: Server) -> None:
    assert server.lines("defect") == []

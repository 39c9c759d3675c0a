"""Nonsense is refused clearly, by every protocol, and hurts nobody else."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.memory import memory
from benchmarks.servers import cpu_seconds

from .conftest import MARKET, Server, wait_for

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
    "INT8 of 20,000,000": (_tensors(datatype="INT8", data=[20_000_000, 1]), 422),
    "UINT32 below 0": (_tensors(datatype="UINT32", data=[-1, 20_000_000]), 422),
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
        ("GET", "/v2/models/nosuch", 404),
        ("GET", "/jackpot/models/nosuch", 404),
        ("GET", f"/v2/models/{MARKET}/versions/v9", 404),
        ("GET", f"/v2/models/{MARKET}/versions/v9/ready", 404),
        ("POST", f"/v2/models/{MARKET}/versions/v1/ready", 405),
        ("DELETE", "/", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/v1/models/%00", 404),
    ],
)
def test_what_is_not_here(server: Server, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, server.url + path, headers={"x-request-id": "mine-404"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (status, "mine-404")
    assert answer.json()["request_id"] == "mine-404"
    assert httpx.request(method, server.url + path).headers["x-request-id"]
    assert server.ready()


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        (f"/v2/models/{MARKET}/versions/v9/infer", {}, "'v9'"),
        (f"/v1/models/{MARKET}:predict", _one(jackpot=None), "null"),
        (f"/v1/models/{MARKET}:predict", {"instances": None}, "null"),
        (f"/v2/models/{MARKET}/infer", _tensors(shape=None), "null"),
        (f"/v2/models/{MARKET}/infer", _tensors(shape=[1, 2]), "[1, 2]"),
    ],
)
def test_what_was_found_is_said(server: Server, path: str, body: dict[str, Any], found: str) -> None:
    said = httpx.post(server.url + path, json=body).json()
    assert said["found"] == found
    assert f"found {found}" in said["error"]
    assert said["allowed"]


def test_a_long_body_is_refused_unread(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        head = f"POST /v1/models/{MARKET}:predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        raw.sendall(f"{head}content-length: 50000000\r\n\r\n".encode())
        raw.settimeout(2)
        assert raw.recv(1000).startswith(b"HTTP/1.1 413")


def _said(raw: socket.socket) -> bytes:
    """Return all that comes until the server closes; a reset is an end too, where it did not read all we sent."""
    said = b""
    raw.settimeout(10)
    try:
        while part := raw.recv(65_536):
            said += part
    except ConnectionResetError:
        pass
    return said


ASK = json.dumps(_one()).encode()
PREDICT = f"POST /v1/models/{MARKET}:predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n".encode()


def _last_id(server: Server) -> list[str]:
    return [line["request_id"] for line in server.lines("closed")[-1:]]


WHOLE = PREDICT + b"content-length: %d\r\n\r\n" % len(ASK) + ASK
HEADS: dict[str, bytes] = {
    "a header": b"GET / HTTP/1.1\r\nX-A: " + b"a" * 66_000,
    "a header, ended": b"GET / HTTP/1.1\r\nX-A: " + b"a" * 66_000 + b"\r\n\r\n",
    "a path": b"GET /" + b"a" * 66_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 9_000,
    "empty lines": b"\r\n" * 40_000,
    "after an answer": WHOLE + b"GET / HTTP/1.1\r\nX-A: " + b"a" * 400_000,
    "trailers": PREDICT + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\nX-A: " + b"a" * 400_000,
    "an extension of a chunk": PREDICT + b"transfer-encoding: chunked\r\n\r\n1;a=" + b"a" * 400_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_long_head_closes_its_connection(server: Server, name: str) -> None:
    before = server.metric("jackpot_refusals_total")
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        try:
            raw.sendall(HEADS[name])
        except OSError:
            assert len(HEADS[name]) > 100_000  # closed while we were still writing
        started = time.monotonic()
        said = _said(raw)
    assert time.monotonic() - started < 0.9  # sooner than the limits of time
    if len(HEADS[name]) < 100_000:
        assert said.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        (request_id,) = re.findall(rb"x-request-id: (\S+)", said)
        assert wait_for(lambda: request_id.decode() in _last_id(server), 5)
        assert json.loads(said.partition(b"\r\n\r\n")[2])["reason"] == "head"
    assert server.metric("jackpot_refusals_total") == before + 1


BROKEN: dict[str, tuple[int, bytes]] = {
    "a long head": (431, b"GET / HTTP/1.1\r\nX-A: " + b"a" * 66_000 + b"\r\n\r\n"),
    "nonsense": (400, b"nonsense\r\n\r\n"),
    "a broken body": (400, PREDICT + b"transfer-encoding: chunked\r\n\r\nx\r\n"),
}


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("name", BROKEN)
def test_what_was_asked_before_is_answered_first(server: Server, name: str, before: int) -> None:
    status, broken = BROKEN[name]
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(WHOLE * before + broken)
        started = time.monotonic()
        said = _said(raw)
    assert time.monotonic() - started < 0.9
    answers = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    assert answers == [200] * before + [status]


def _until_closed(raw: socket.socket, part: bytes, times: int, pause: float = 0.0) -> bool:
    """Send a part again and again; return whether the server closed the connection."""
    try:
        for _ in range(times):
            raw.sendall(part)
            time.sleep(pause)
    except OSError:
        return True
    return False


def test_an_endless_head_costs_nobody_else_anything(server: Server) -> None:
    used = cpu_seconds(server.process.pid)
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        assert _until_closed(raw, b"a" * 1_000_000, 200)
    assert httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=_one()).is_success
    assert cpu_seconds(server.process.pid) - used < 0.5


def test_a_head_just_short_enough_is_answered(server: Server) -> None:
    headers = {"x-a": "a" * 65_000}
    with httpx.Client() as client:
        for _ in range(3):  # and each on a kept connection has the whole length for itself
            answer = client.post(f"{server.url}/v1/models/{MARKET}:predict", json=_one(), headers=headers)
            assert answer.status_code == 200


MANY = 100_001
V2_MANY = [{"name": "jackpot", "datatype": "FP64", "shape": [MANY], "data": [2e7] * MANY},
           {"name": "draw_date", "datatype": "BYTES", "shape": [MANY], "data": ["2026-01-03"] * MANY}]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/models/{MARKET}:predict", {"instances": [{}] * MANY}),
        (f"/v1/models/{MARKET}:predict", {"instances": [{"jackpot": 2e7, "draw_date": "2026-01-03"}] * 99_999 + [{}]}),
        (f"/v2/models/{MARKET}/infer", {"inputs": V2_MANY}),
    ],
    ids=["v1 too many", "v1 the last one broken", "v2 too many"],
)
def test_what_is_refused_leaves_nothing_behind(server: Server, path: str, body: dict[str, Any]) -> None:
    """A refusal's traceback once held what was asked, 5 MB each, where several were refused at once."""
    sent = json.dumps(body).encode()

    def ask(_: int) -> None:
        with httpx.Client(timeout=60) as client:
            for _ in range(10):
                answer = client.post(server.url + path, content=sent, headers={"content-type": "application/json"})
                assert answer.status_code in (413, 422)

    sizes = []
    for _ in range(2):
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(ask, range(4)))
        sizes.append(memory(server.process.pid, "Anonymous") / 2**20)
    assert sizes[1] - sizes[0] < 50, sizes


@pytest.mark.parametrize("part", [b"GET / HTTP/1.1\r\nX-A: a", b"G", b"\r\n", WHOLE + b"GET /"])
def test_half_a_head_is_not_waited_for(server: Server, part: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(part)
        started = time.monotonic()
        said = _said(raw)
        assert 0.8 < time.monotonic() - started < 5
    assert said.count(b"HTTP/1.1 200") == part.count(WHOLE)
    assert b"HTTP/1.1 408" in said


def test_a_head_that_trickles_has_one_limit(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        started = time.monotonic()
        assert _until_closed(raw, b"a", 50, pause=0.1)
        assert 0.8 < time.monotonic() - started < 4


def test_a_connection_that_is_kept_is_not_hurried(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.settimeout(5)
        for _ in range(2):
            time.sleep(1.3)  # longer than a head may take: none was begun
            raw.sendall(WHOLE[:20])
            time.sleep(0.1)
            raw.sendall(WHOLE[20:])
            said = b""
            while not said.endswith(b"}"):
                said += raw.recv(65_536)
            assert said.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_upgrade_is_passed_over(server: Server, protocol: str) -> None:
    upgrade = f"connection: Upgrade, HTTP2-Settings\r\nupgrade: {protocol}\r\nhttp2-settings: AAMAAABk\r\n".encode()
    whole = PREDICT + upgrade + b"content-length: %d\r\n\r\n" % len(ASK) + ASK
    for sent in ([whole], [whole[:-5], whole[-5:]], [whole[:40], whole[40:]], [whole * 2 + WHOLE]):
        with socket.create_connection(("127.0.0.1", server.http)) as raw:
            for part in sent:
                raw.sendall(part)
                time.sleep(0.05)
            raw.shutdown(socket.SHUT_WR)
            said = _said(raw)
        assert said.count(b"HTTP/1.1 200 OK") == (3 if len(sent[0]) > len(whole) else 1), said
        assert b'"predictions"' in said
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n")
        assert _said(raw).startswith(b"HTTP/1.1 400")


def test_each_line_of_the_log_is_an_object(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert _said(raw).startswith(b"HTTP/1.1 400")
    for path in ("/v2/models/nosuch", "/v1/models/nosuch", "/v2/models/nosuch/ready"):
        assert httpx.get(server.url + path).status_code == 404
    time.sleep(0.4)
    lines = server.log.read_text().rpartition("\n")[0].splitlines()
    assert [line for line in lines if not (line.startswith("{") and json.loads(line)["event"])] == []
    assert "Traceback" not in server.log.read_text()


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


SPACES = b" " * 20_000


@pytest.mark.parametrize(
    ("part", "pause", "times", "status"),
    [(SPACES, 0.4, 10, 200), (b" ", 0.1, 60, 408), (SPACES[:700], 0.1, 60, 408)],
    ids=["slow", "a trickle", "too slow"],
)
def test_a_body_may_come_slowly_but_not_for_ever(
    server: Server, part: bytes, pause: float, times: int, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", server.http)) as raw:
        raw.sendall(PREDICT + b"content-length: %d\r\n\r\n" % (len(part) * times + len(ASK)))
        closed = _until_closed(raw, part, times, pause)
        assert closed == (status == 408)
        if not closed:
            raw.sendall(ASK)
            raw.settimeout(5)
            assert raw.recv(65_536).startswith(b"HTTP/1.1 200")


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
    if "int8" in changes:
        jackpot.datatype = "INT8"
        jackpot.contents.Clear()
        jackpot.contents.int_contents.append(changes.pop("int8"))
    if changes.pop("bare", False):
        jackpot.ClearField("contents")
        date.ClearField("contents")
    if changes.pop("second", False):
        jackpot.contents.int64_contents.append(1)
    request.id = changes.pop("id", "")
    if "parameter" in changes:
        where = {"tensor": jackpot, "output": request.outputs.add(name="mean")}
        where[changes.pop("parameter")].parameters["binary_data_size"].int64_param = 8
    if changes:
        raise ValueError(changes)
    return request


RAW = [b"\0\0\0\0\xd0\x12sA", b"\n\0\0\x002025-12-20"]


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
        ({"raw": RAW, "bare": True}, "OK"),
        ({"raw": RAW}, "INVALID_ARGUMENT"),
        ({"second": True}, "INVALID_ARGUMENT"),
        ({"id": "a" * 200}, "OK"),
        ({"id": "a" * 201}, "INVALID_ARGUMENT"),
        ({"parameter": "tensor"}, "INVALID_ARGUMENT"),
        ({"parameter": "output"}, "INVALID_ARGUMENT"),
        ({"int8": 20_000_000}, "INVALID_ARGUMENT"),
        ({"raw": [b"\0"]}, "INVALID_ARGUMENT"),
        ({"raw": [b"\0", b"\0"]}, "INVALID_ARGUMENT"),
    ],
)
def test_grpc_refuses_broken_tensors(server: Server, changes: dict[str, Any], code: str) -> None:
    found, said = _grpc(server, "ModelInfer", _infer_request(**changes).SerializeToString())
    assert found == code, said


def test_metadata_says_the_same_over_rest_and_grpc(server: Server) -> None:
    from google.protobuf.json_format import MessageToDict
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    code, data = _grpc(server, "ServerMetadata", b"")
    of_server = pb.ServerMetadataResponse.FromString(data)
    said = httpx.get(f"{server.url}/v2").json()
    assert (code, said["name"], said["version"]) == ("OK", of_server.name, of_server.version)
    asked = pb.ModelMetadataRequest(name=MARKET).SerializeToString()
    code, data = _grpc(server, "ModelMetadata", asked)
    assert code == "OK"
    over_grpc = MessageToDict(pb.ModelMetadataResponse.FromString(data))
    for tensor in (*over_grpc["inputs"], *over_grpc["outputs"]):
        tensor["shape"] = [int(one) for one in tensor["shape"]]
    for path in (f"/v2/models/{MARKET}", f"/v2/models/{MARKET}/versions/v1"):
        assert httpx.get(server.url + path).json() == over_grpc
    assert (over_grpc["versions"], over_grpc["platform"]) == (["v1"], "jackpot")
    for path in (f"/v2/models/{MARKET}/ready", f"/v2/models/{MARKET}/versions/v1/ready"):
        assert httpx.get(server.url + path).json() == {"name": MARKET, "ready": True}


@pytest.mark.parametrize(("version", "code"), [("", "OK"), ("v1", "OK"), ("v9", "NOT_FOUND")])
def test_grpc_knows_one_version(server: Server, version: str, code: str) -> None:
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

    for method, message in (
        ("ModelReady", pb.ModelReadyRequest(name=MARKET, version=version)),
        ("ModelMetadata", pb.ModelMetadataRequest(name=MARKET, version=version)),
        ("ModelInfer", pb.ModelInferRequest(**{"model_name": MARKET, "model_version": version})),
    ):
        wanted = "INVALID_ARGUMENT" if method == "ModelInfer" and code == "OK" else code  # it asks nothing
        assert _grpc(server, method, message.SerializeToString())[0] == wanted


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

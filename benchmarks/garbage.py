"""Broken requests: hypothesis over V1, V2 with its binary extension and gRPC; schemathesis over the OpenAPI page."""

from __future__ import annotations

import json
import struct
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

JSON = "application/json"
GOOD_CODES = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "UNIMPLEMENTED"}
SECONDS = 8.0
"""Longer than any answer may take: a hang."""
KEYS = (
    "instances", "inputs", "jackpot", "draw_date", "name", "shape", "data", "datatype", "quantiles", "parameters",
    "outputs", "id", "binary_data_size", "binary_data", "binary_data_output", "model_name",
)  # fmt: skip
DATATYPES = ("FP64", "FP32", "INT64", "INT8", "UINT64", "BYTES", "BOOL", "FP16", "")


@dataclass
class Verdicts:
    """What broken requests were answered with."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    def http(self, what: str, status: int, text: str) -> None:
        """Judge a status."""
        self.counts[f"{what} {status}"] += 1
        if status >= 500 or "Traceback" in text:
            self.bad.append(f"{what}: {status} {text[:200]}")

    def hung(self, what: str, error: Exception) -> None:
        """Take in that no answer came."""
        self.bad.append(f"{what}: {type(error).__name__}")


def _thorough(examples: int) -> Callable[..., Any]:
    return settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def _leaves(date: str) -> Any:
    odd = [2e7, 20_000_000, -1, 0, 1e308, 2**63, 2**64, date, "2026-02-30", "", "ä", "\ud800", "0.1,0.9", True, None]
    return st.sampled_from(odd) | st.integers() | st.floats() | st.text(max_size=8)


def _junk(date: str) -> Any:
    keys = st.sampled_from(KEYS) | st.text(max_size=4)
    return st.recursive(
        _leaves(date), lambda one: st.lists(one, max_size=4) | st.dictionaries(keys, one, max_size=4), max_leaves=10
    )


def _v1(date: str) -> Any:
    """Return V1 requests of which most lack little."""
    junk = _junk(date)
    good = st.fixed_dictionaries({"jackpot": st.floats(4e6, 1e9), "draw_date": st.just(date)})
    near = st.fixed_dictionaries({"jackpot": _leaves(date), "draw_date": _leaves(date) | junk})
    instances = st.lists(good | near | junk, max_size=4)
    body = st.fixed_dictionaries(
        {"instances": instances | junk}, optional={"quantiles": st.lists(_leaves(date)) | junk}
    )
    return body | junk


def _tensor(date: str) -> Any:
    names = st.sampled_from(["jackpot", "draw_date", "price"])
    shape = st.lists(st.integers(-2, 4) | st.sampled_from([2**31, 2**63]), max_size=3)
    return st.fixed_dictionaries(
        {
            "name": names | _junk(date),
            "datatype": st.sampled_from(DATATYPES) | _junk(date),
            "shape": shape | _junk(date),
        },
        optional={"data": st.lists(_leaves(date), max_size=4) | _junk(date), "parameters": _junk(date)},
    )


def _v2(date: str) -> Any:
    """Return V2 requests of which most lack little."""
    one = st.lists(st.integers(4_000_000, 10**9) | _leaves(date), min_size=1, max_size=3)

    def whole(jackpots: list[Any]) -> dict[str, Any]:
        return {"inputs": [
            {"name": "jackpot", "datatype": "FP64", "shape": [len(jackpots)], "data": jackpots},
            {"name": "draw_date", "datatype": "BYTES", "shape": [len(jackpots)], "data": [date] * len(jackpots)},
        ]}  # fmt: skip

    loose = st.fixed_dictionaries(
        {"inputs": st.lists(_tensor(date), max_size=3) | _junk(date)},
        optional={"parameters": _junk(date), "outputs": _junk(date), "id": _junk(date)},
    )
    return one.map(whole) | loose | _junk(date)


@st.composite
def _binary(draw: Any, date: str) -> tuple[bytes, str]:
    """Return bodies of V2's binary extension, cut, lengthened or with wrong sizes, and the length that they claim."""
    count = draw(st.integers(0, 4))
    jackpots = draw(st.lists(st.floats() | st.floats(4e6, 1e9), min_size=count, max_size=count))
    texts = draw(st.lists(st.just(date.encode()) | st.binary(max_size=12), min_size=count, max_size=count))
    raw = [struct.pack(f"<{count}d", *jackpots), b"".join(struct.pack("<I", len(one)) + one for one in texts)]
    if draw(st.booleans()):
        raw[draw(st.integers(0, 1))] = draw(st.binary(max_size=40))
    inputs = [
        {"name": name, "datatype": datatype, "shape": [count],
         "parameters": {"binary_data_size": draw(st.just(len(data)) | st.integers(-9, 99) | _leaves(date))}}
        for name, datatype, data in zip(("jackpot", "draw_date"), ("FP64", "BYTES"), raw, strict=True)
    ]  # fmt: skip
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": draw(st.booleans() | _leaves(date))}})
    body = b"".join([head.encode(), *raw])
    length = draw(
        st.just(str(len(head))) | st.integers(-5, len(body) + 5).map(str) | st.sampled_from(["", "x", "9" * 30])
    )
    return body[: draw(st.just(len(body)) | st.integers(0, len(body)))], length


def over_http(url: str, date: str, count: int, verdicts: Verdicts) -> None:
    """Send `count` broken requests over V1, its explanations, V2 and V2's binary extension."""
    predict, infer = "/v1/models/england:predict", "/v2/models/england/infer"
    types = st.sampled_from(
        [JSON] * 6 + ["application/json; charset=latin-1", "text/plain", "", "application/x-ndjson"]
    )
    client = httpx.Client(base_url=url, timeout=SECONDS)

    def send(what: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        try:
            answer = client.post(path, content=body, headers=headers)
            verdicts.http(what, answer.status_code, answer.text)
        except httpx.HTTPError as error:
            verdicts.hung(what, error)

    def as_json(value: Any) -> bytes:
        return json.dumps(value).encode("utf-8", "surrogatepass")

    @_thorough(round(count * 0.3))
    @given(_v1(date).map(as_json) | st.binary(max_size=80), types)
    def v1(body: bytes, kind: str) -> None:
        send("V1", predict, body, {"content-type": kind})

    @_thorough(round(count * 0.1))
    @given(_v1(date).map(as_json))
    def explain(body: bytes) -> None:
        send("explain", predict.replace("predict", "explain"), body, {"content-type": JSON})

    @_thorough(round(count * 0.3))
    @given(_v2(date).map(as_json) | st.binary(max_size=80), types)
    def v2(body: bytes, kind: str) -> None:
        send("V2", infer, body, {"content-type": kind})

    @_thorough(count - round(count * 0.7))
    @given(_binary(date))
    def binary(made: tuple[bytes, str]) -> None:
        body, length = made
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": length}
        send("V2 binary", infer, body, headers)

    with client:
        for part in (v1, explain, v2, binary):
            part()


def over_grpc(port: int, date: str, count: int, verdicts: Verdicts) -> None:
    """Send `count` broken messages over gRPC."""
    dates = st.just(date.encode()) | st.binary(max_size=12)
    shapes = st.lists(st.integers(-2, 4) | st.sampled_from([2**40]), max_size=3)

    @st.composite
    def message(draw: Any) -> bytes:
        request = pb.ModelInferRequest(model_name=draw(st.sampled_from(["england", "england", "england", "x", ""])))
        request.model_version = draw(st.sampled_from(["", "", "v1", "v9"]))
        for name in draw(st.just(["jackpot", "draw_date"]) | st.lists(st.text(max_size=8), max_size=3)):
            tensor = request.inputs.add(name=name, datatype=draw(st.sampled_from(DATATYPES)), shape=draw(shapes))
            tensor.contents.fp64_contents.extend(draw(st.lists(st.floats(), max_size=3)))
            tensor.contents.int64_contents.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=2)))
            tensor.contents.bytes_contents.extend(draw(st.lists(dates, max_size=3)))
        request.raw_input_contents.extend(draw(st.lists(st.binary(max_size=24), max_size=3)))
        if draw(st.booleans()):
            request.parameters[draw(st.sampled_from(["quantiles", "x"]))].string_param = draw(st.text(max_size=9))
        data: bytes = request.SerializeToString()
        return data

    @st.composite
    def near(draw: Any) -> bytes:
        request = pb.ModelInferRequest(model_name="england")
        n = draw(st.integers(1, 3))
        jackpot = request.inputs.add(name="jackpot", datatype="FP64", shape=[n])
        jackpot.contents.fp64_contents.extend(draw(st.lists(st.floats(), min_size=n, max_size=n)))
        days = request.inputs.add(name="draw_date", datatype="BYTES", shape=[n])
        days.contents.bytes_contents.extend(draw(st.lists(dates, min_size=n, max_size=n)))
        data: bytes = request.SerializeToString()
        return data

    methods = st.sampled_from(["ModelInfer"] * 6 + ["ModelReady", "ModelMetadata", "RepositoryModelUnload", "Nothing"])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:

        @_thorough(count)
        @given(methods, message() | near() | st.binary(max_size=60))
        def send(method: str, data: bytes) -> None:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
            try:
                call(data, timeout=SECONDS)
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            verdicts.counts[f"gRPC {code}"] += 1
            if code not in GOOD_CODES:
                verdicts.bad.append(f"gRPC {method}: {code}")

        send()


def by_schema(url: str, count: int, verdicts: Verdicts) -> None:
    """Send `count` requests that schemathesis makes from the OpenAPI page, valid ones and broken ones."""
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    with httpx.Client(base_url=url, timeout=SECONDS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for operation in operations:

            @_thorough(max(count // len(operations), 1))
            @given(operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
            def send(case: Any) -> None:
                try:
                    answer = case.call(timeout=SECONDS)
                    verdicts.http("schemathesis", answer.status_code, answer.text)
                except OSError as error:
                    verdicts.hung(f"schemathesis {case.method} {case.path}", error)

            send()

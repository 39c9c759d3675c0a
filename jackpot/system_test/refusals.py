"""Bad input that a server must refuse with 4xx and a reason: never a 5xx, never a stack trace, never an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from .contract import Check, Server

JSON: Final = {"content-type": "application/json"}
REFUSED: Final = {400, 411, 413, 415, 422}
DATE: Final = "2026-01-03"


def bad_requests(name: str, draw_date: str) -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Yield what is wrong, path, body and headers of requests that cannot be answered."""
    v1, v2 = f"/v1/models/{name}:predict", f"/v2/models/{name}/infer"
    good = {"jackpot": 2e7, "draw_date": draw_date}

    def instances(*rows: Any, **more: Any) -> bytes:
        return json.dumps({"instances": list(rows), **more}).encode()

    def changed(**changes: Any) -> bytes:
        return instances({**good, **changes})

    def tensor(jackpot: dict[str, Any]) -> bytes:
        base = {"name": "jackpot", "datatype": "FP64", "shape": [1], "data": [2e7]}
        date = {"name": "draw_date", "datatype": "BYTES", "shape": [1], "data": [draw_date]}
        return json.dumps({"inputs": [{**base, **jackpot}, date]}).encode()

    yield from (
        ("no JSON", v1, b"{", JSON),
        ("broken UTF-8", v1, b'{"instances": [{"jackpot": 2e7, "draw_date": "\xff"}]}', JSON),
        ("deep nesting", v1, b'{"instances":' + b"[" * 100_000, JSON),
        ("an empty body", v1, b"", JSON),
        ("no instances", v1, instances(), JSON),
        ("another content type", v1, changed(), {"content-type": "text/plain"}),
        ("an unknown field", v1, changed(colour="red"), JSON),
        ("a missing field", v1, instances({"jackpot": 2e7}), JSON),
        ("text for a number", v1, changed(jackpot="2e7"), JSON),
        ("true for a number", v1, changed(jackpot=True), JSON),
        ("null for a number", v1, changed(jackpot=None), JSON),
        ("a negative jackpot", v1, changed(jackpot=-1.0), JSON),
        ("a jackpot of nothing", v1, changed(jackpot=0), JSON),
        ("NaN", v1, b'{"instances": [{"jackpot": NaN, "draw_date": "' + draw_date.encode() + b'"}]}', JSON),
        ("infinity", v1, b'{"instances": [{"jackpot": 1e999, "draw_date": "' + draw_date.encode() + b'"}]}', JSON),
        ("no such date", v1, changed(draw_date="2026-02-30"), JSON),
        ("a date of the past", v1, changed(draw_date="1999-01-02"), JSON),
        ("a number for a date", v1, changed(draw_date=20260103), JSON),
        ("a quantile of 2", v1, instances(good, quantiles=[2]), JSON),
        ("100,001 instances", v1, instances(*[good] * 100_001), JSON),
        ("a V2 tensor of another shape", v2, tensor({"shape": [2]}), JSON),
        ("a V2 tensor of no such type", v2, tensor({"datatype": "FP99"}), JSON),
        ("a V2 tensor of text", v2, tensor({"data": ["x"]}), JSON),
        ("V2 without inputs", v2, b'{"inputs": []}', JSON),
        (
            "a broken binary header",
            v2,
            tensor({}),
            {"content-type": "application/octet-stream", "inference-header-content-length": "999999"},
        ),
    )


def refusals(server: Server, name: str, draw_date: str) -> Iterator[Check]:
    """Check that each bad request is refused with a reason, and that nobody unloads a model."""
    for what, path, body, headers in bad_requests(name, draw_date):
        answer = server.ask("POST", path, body, headers)
        text = answer.body[:2000].decode("utf-8", errors="replace")
        passed = answer.status in REFUSED and "Traceback" not in text and len(text) > 2
        detail = "" if passed else f"{answer.status}: {text[:200]}"
        yield Check(group="refusals", name=what, passed=passed, detail=detail)
    answer = server.ask("POST", f"/v2/repository/models/{name}/unload", b"{}", JSON)
    ready = server.ask("GET", f"/v2/models/{name}/ready").status
    yield Check(
        group="refusals",
        name="unloading the model",
        passed=answer.status in {401, 403, 404, 405} and ready == 200,
        detail="" if answer.status in {401, 403, 404, 405} else f"{answer.status}; ready: {ready}",
    )

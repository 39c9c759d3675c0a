"""Protocol conformance, and answers compared with the model's own, over V1, V2 and V2's binary tensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..demand.base import Array
from .contract import Answer, Check, Server
from .model import LEVELS, Expected

JSON = {"content-type": "application/json"}


def protocol(server: Server, name: str) -> Iterator[Check]:
    """Check what KServe's protocols say of health, metadata and readiness.

    https://kserve.github.io/website/docs/concepts/architecture/data-plane
    """
    says: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
        ("the server is alive", "/v2/health/live", lambda said: True),
        ("the server is ready", "/v2/health/ready", lambda said: True),
        ("V2 server metadata", "/v2", lambda said: {"name", "version", "extensions"} <= said.keys()),
        ("V2 model is ready", f"/v2/models/{name}/ready", lambda said: True),
        (
            "V2 model metadata",
            f"/v2/models/{name}",
            lambda said: (
                said["name"] == name
                and {"jackpot", "draw_date"} <= {one["name"] for one in said["inputs"]}
                and {"mean", "median", "quantiles"} <= {one["name"] for one in said["outputs"]}
            ),
        ),
        ("V1 lists the model", "/v1/models", lambda said: name in said["models"]),
        (
            "V1 model is ready",
            f"/v1/models/{name}",
            lambda said: said["name"] == name and str(said["ready"]).lower() == "true",
        ),
    )
    for what, path, holds in says:
        answer = server.ask("GET", path)
        yield _check("protocol", what, answer, partial(_says, answer, holds))
    unknown = server.ask("POST", "/v1/models/no-such-model:predict", b'{"instances": []}', JSON)
    yield Check(
        group="protocol",
        name="an unknown model is 404",
        passed=unknown.status == 404,
        detail="" if unknown.status == 404 else _shown(unknown),
    )


def answers(server: Server, name: str, model: str, asked: Expected, tolerance: float) -> Iterator[Check]:
    """Check that all protocols give the model's own answers, and say which model they are of."""
    instances = [{"jackpot": j, "draw_date": d} for j, d in zip(asked.jackpots.tolist(), asked.dates, strict=True)]
    body = json.dumps({"instances": instances, "quantiles": list(LEVELS)}).encode()
    answer = server.ask("POST", f"/v1/models/{name}:predict", body, JSON)
    yield _compared("V1", answer, asked, _v1, tolerance)
    yield _check("answers", "the answer names the model tested", answer, lambda: _json(answer)["model"] == model)
    shape = [len(asked.dates)]
    tensors = [
        {"name": "jackpot", "datatype": "FP64", "shape": shape, "data": asked.jackpots.tolist()},
        {"name": "draw_date", "datatype": "BYTES", "shape": shape, "data": asked.dates},
    ]
    levels = ",".join(map(str, LEVELS))
    body = json.dumps({"id": "system-test", "inputs": tensors, "parameters": {"quantiles": levels}}).encode()
    answer = server.ask("POST", f"/v2/models/{name}/infer", body, JSON)
    yield _compared("V2", answer, asked, lambda said: _v2(_json(said), b""), tolerance)
    yield _check("protocol", "V2 gives the id back", answer, lambda: _json(answer)["id"] == "system-test")
    texts = b"".join(struct.pack("<I", len(date)) + date.encode() for date in asked.dates)
    raw = [asked.jackpots.astype("<f8").tobytes(), texts]
    for tensor, data in zip(tensors, raw, strict=True):
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": tensors, "parameters": {"quantiles": levels, "binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    answer = server.ask("POST", f"/v2/models/{name}/infer", b"".join([head, *raw]), headers)
    yield _compared("V2 with binary tensors", answer, asked, _binary, tolerance)
    whole = json.dumps({"instances": [{"jackpot": round(float(asked.jackpots[0])), "draw_date": asked.dates[0]}]})
    charset = {"content-type": "application/json; charset=utf-8"}
    answer = server.ask("POST", f"/v1/models/{name}:predict", whole.encode(), charset)
    yield _check("protocol", "a JSON integer is a number, a charset is no fault", answer, lambda: True)


def _v1(answer: Answer) -> dict[str, Array]:
    predictions = _json(answer)["predictions"]
    found = {
        name: np.array([one[name] for one in predictions], dtype=float)
        for name in ("mean", "median", "elasticity", "extrapolated")
    }
    found["quantiles"] = np.array([[one["quantiles"][f"{level:g}"] for one in predictions] for level in LEVELS])
    return found


def _v2(said: Any, raw: bytes) -> dict[str, Array]:
    found, at = {}, 0
    for tensor in said["outputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            values = np.array(tensor["data"], dtype=float)
        else:
            kind = {"FP64": "<f8", "BOOL": "?"}[tensor["datatype"]]
            values = np.frombuffer(raw[at : at + size], dtype=kind).astype(float)
            at += size
        found[tensor["name"]] = values.reshape(tensor["shape"])
    found["quantiles"] = found["quantiles"].T
    return found


def _binary(answer: Answer) -> dict[str, Array]:
    length = int(answer.headers["inference-header-content-length"])
    return _v2(json.loads(answer.body[:length]), answer.body[length:])


def _compared(
    protocol: str, answer: Answer, asked: Expected, read: Callable[[Answer], dict[str, Array]], tolerance: float
) -> Check:
    name = f"{protocol} answers as the model does"
    try:
        found = read(answer)
        own = {**vars(asked), "extrapolated": np.array(asked.extrapolated, dtype=float)}
        off = {}
        for column in ("mean", "median", "quantiles", "elasticity", "extrapolated"):
            if np.shape(found[column]) != np.shape(own[column]):
                raise ValueError(f"{column} has the shape {np.shape(found[column])}, not {np.shape(own[column])}")
            relative = np.maximum(np.abs(own[column]), 1.0 if column in {"elasticity", "extrapolated"} else 0.0)
            off[column] = float(np.max(np.abs(found[column] - own[column]) / relative))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        return Check(group="answers", name=name, passed=False, detail=f"{error!r}; {_shown(answer)}")
    worst = max(off, key=lambda column: off[column])
    passed = all(value <= tolerance for value in off.values())
    detail = "" if passed else f"{worst} differs most"
    figure = off[worst] if np.isfinite(off[worst]) else None
    return Check(
        group="answers", name=name, passed=passed, detail=detail, figure=figure, threshold=tolerance, unit="relative"
    )


def _check(group: Any, name: str, answer: Answer, holds: Callable[[], bool]) -> Check:
    try:
        passed = answer.status == 200 and bool(holds())
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        passed = False
    return Check(group=group, name=name, passed=passed, detail="" if passed else _shown(answer))


def _says(answer: Answer, holds: Callable[[Any], bool]) -> bool:
    return holds(_json(answer))


def _json(answer: Answer) -> Any:
    return json.loads(answer.body)


def _shown(answer: Answer) -> str:
    text = answer.body[:200].decode("utf-8", errors="replace")
    return f"{answer.status}: {text}" if answer.status else f"no answer: {text}"

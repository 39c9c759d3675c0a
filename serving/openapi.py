"""The OpenAPI page: KServe's own, with what the models here take and give, and examples that work."""

from __future__ import annotations

from typing import Any, Final

from .fleet import Fleet
from .v2 import INPUTS

EXTRAPOLATED: Final = (
    "`extrapolated` is true above the largest jackpot seen in training, and nowhere else: not below the game's start."
)


def described(document: dict[str, Any], fleet: Fleet) -> dict[str, Any]:
    """Return KServe's document with bodies and examples of predictions, explanations and inferences put in."""
    name, version = next(((n, s.current) for n, s in fleet.served.items() if s.current), ("MODEL", None))
    jackpot = float(version.market.jackpot.start) if version else 20_000_000.0
    date = version.next_draw.isoformat() if version else "2026-01-03"
    instances = {"instances": [{"jackpot": jackpot, "draw_date": date}]}
    values: tuple[list[Any], ...] = ([jackpot], [date])
    tensors = [{**tensor, "shape": [1], "data": data} for tensor, data in zip(INPUTS, values, strict=True)]
    bodies = {
        "/v1/models/{model_name}:predict": {**instances, "quantiles": [0.05, 0.95]},
        "/v1/models/{model_name}:explain": instances,
        "/v2/models/{model_name}/infer": {"inputs": tensors, "parameters": {"quantiles": "0.05,0.95"}},
    }
    for path, example in bodies.items():
        operation = document["paths"].get(path, {}).get("post")
        if operation:
            operation["description"] = EXTRAPOLATED
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
            }
    parameters = [
        parameter
        for operations in document["paths"].values()
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
    ]
    for parameter in parameters:
        if parameter["name"] == "model_name":
            parameter |= {"example": name, "schema": {"type": "string", "enum": list(fleet.served)}}
    for path in [path for path in document["paths"] if "/repository/" in path]:
        del document["paths"][path]
    return document

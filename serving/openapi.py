"""The OpenAPI document and its page: KServe's own, with what the models here take and give, and examples that work."""

from __future__ import annotations

import re
import shlex
from html import escape
from typing import Any, Final

import orjson

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
        elif parameter["name"] == "model_version" and version:
            parameter["example"] = version.version
    for path in [path for path in document["paths"] if "/repository/" in path]:
        del document["paths"][path]
    document["paths"]["/jackpot/models/{model_name}"] = {"get": {
        "summary": "What is said of a model beside forecasts: its state, its next draw, its hashes, its limits",
        "parameters": [{"name": "model_name", "in": "path", "required": True, "example": name,
                        "schema": {"type": "string", "enum": list(fleet.served)}}],
        "responses": {"200": {"description": "The model's card"}},
    }}  # fmt: skip
    for operations in document["paths"].values():
        for operation in operations.values():
            # KServe's docstrings go on for Python's readers.
            operation["description"] = SECTION.split(operation.get("description", ""))[0].strip()
    return document


SECTION: Final = re.compile(r"\n *(?:Args|Returns|Raises):")
STYLE: Final = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
section { border-top: 1px solid; margin-top: 1rem }
h2 { font: 600 1rem ui-monospace, monospace; overflow-wrap: anywhere }
pre { overflow-x: auto; padding: .6rem; border: 1px solid }
"""


def page(document: dict[str, Any], url: str) -> str:
    """Return the document as one page of HTML without script or outside request, each call a line for a shell."""
    info, parts = document["info"], []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            called = path
            for parameter in operation.get("parameters", ()):
                called = called.replace(f"{{{parameter['name']}}}", str(parameter.get("example", "")) or "NAME")
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            words = ["curl", "-s", url + called]
            if "example" in body:
                words += ["-H", "content-type: application/json", "-d", orjson.dumps(body["example"]).decode()]
            told = [operation.get("summary", ""), operation.get("description", "")]
            parts.append(
                f"<section><h2>{escape(method.upper())} {escape(path)}</h2>"
                + "".join(f"<p>{escape(words)}</p>" for words in dict.fromkeys(told) if words)
                + f"<pre tabindex='0'>{escape(shlex.join(words))}</pre></section>"
            )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style><h1>{escape(info['title'])}</h1>"
        "<p>The calls of this server, each with a line that works. For programs: "
        f'<a href="/openapi.json">openapi.json</a>.</p>{"".join(parts)}</html>'
    )

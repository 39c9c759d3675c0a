"""A server that keeps the Kubeflow Pipelines API's rules for experiments, runs and recurring runs, over real HTTP.

Bodies are read and written by the models of kfp_server_api, so that a field the real API does not know is not taken.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kfp_server_api

from tests.http_json import JsonHandler

API = "/apis/v2beta1"


class KubeflowServer:
    """State and faults: `fail` gets method and path before each request; a status it returns is the answer."""

    def __init__(self) -> None:
        self.recurring: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.experiments: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.fail: Callable[[str, str], int | None] = lambda method, path: None
        self.token: str | None = None
        self.page_size = 3
        self.delay_seconds = 0.0
        self._made = 0

    def new_id(self) -> str:
        self._made += 1
        return f"{self._made:08d}-0000-4000-8000-000000000000"

    def create_recurring_run(self, body: dict[str, Any]) -> dict[str, Any]:
        cron = body["trigger"]["cron_schedule"]["cron"]
        if not re.fullmatch(r"\d+ \d+ \d+ [?*] \* [A-Z,]+", cron):
            raise ValueError(f"cron {cron!r} has not six fields")
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise ValueError("max_concurrency must be in [1, 10]")
        self._check_spec(body)
        made = {
            **body,
            "recurring_run_id": self.new_id(),
            "status": "ENABLED" if body.get("mode") == "ENABLE" else "DISABLED",
        }
        self.recurring[made["recurring_run_id"]] = made
        return made

    def create_run(self, body: dict[str, Any]) -> dict[str, Any]:
        self._check_spec(body)
        made = {**body, "run_id": self.new_id(), "state": "SUCCEEDED"}
        self.runs[made["run_id"]] = made
        return made

    def _check_spec(self, body: dict[str, Any]) -> None:
        """Refuse a parameter that the pipeline does not have, or of the wrong type, as the API server does."""
        spec = body["pipeline_spec"]
        spec = spec.get("pipeline_spec", spec)
        known = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        kinds: dict[str, type | tuple[type, ...]] = {
            "STRING": str,
            "BOOLEAN": bool,
            "NUMBER_INTEGER": int,
            "NUMBER_DOUBLE": (int, float),
        }
        for name, value in (body.get("runtime_config", {}).get("parameters") or {}).items():
            if name not in known:
                raise ValueError(f"the pipeline has no parameter {name}")
            if not isinstance(value, kinds[known[name]["parameterType"]]):
                raise ValueError(f"parameter {name} must be {known[name]['parameterType']}")


def _checked(model: type, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body through the API's own model: unknown fields are refused."""
    known = {model.attribute_map[name] for name in model.openapi_types}  # type: ignore[attr-defined]
    unknown = set(body) - known
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    return body


class _Handler(JsonHandler):
    protocol_version = "HTTP/1.1"
    state: KubeflowServer

    def _handle(self, method: str) -> None:
        state = self.state
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        state.requests.append((method, parts.path))
        time.sleep(state.delay_seconds)
        failure = state.fail(method, parts.path)
        if failure:
            return self.reply(failure, {"error": "made to fail", "code": 13})
        if (
            state.token
            and self.headers.get("authorization", self.headers.get("Authorization")) != f"Bearer {state.token}"
        ):
            return self.reply(401, {"error": "Unauthenticated", "code": 16})
        try:
            found = self._route(method, parts.path, parse_qs(parts.query), body)
        except KeyError as missing:
            return self.reply(404, {"error": f"{missing} not found", "code": 5})
        except ValueError as invalid:
            return self.reply(400, {"error": str(invalid), "code": 3})
        return self.reply(200, found)

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: dict[str, Any]) -> Any:
        state = self.state
        if path == f"{API}/healthz":
            return {"multi_user": False}
        if path == f"{API}/experiments":
            if method == "POST":
                made = {**_checked(kfp_server_api.V2beta1Experiment, body), "experiment_id": state.new_id()}
                state.experiments[made["experiment_id"]] = made
                return made
            wanted = json.loads(query["filter"][0])["predicates"][0]
            name = wanted.get("stringValue", wanted.get("string_value"))
            return {"experiments": [e for e in state.experiments.values() if e["display_name"] == name]}
        if path == f"{API}/recurringruns":
            if method == "POST":
                return state.create_recurring_run(_checked(kfp_server_api.V2beta1RecurringRun, body))
            start = int((query.get("page_token") or ["0"])[0] or 0)
            listed = list(state.recurring.values())
            size = min(int((query.get("page_size") or ["10"])[0]), state.page_size)
            page = {"recurringRuns": listed[start : start + size], "total_size": len(listed)}
            if start + size < len(listed):
                page["next_page_token"] = str(start + size)
            return page
        if match := re.fullmatch(rf"{API}/recurringruns/([^:/]+)(?::(enable|disable))?", path):
            run = state.recurring[match[1]]
            if method == "DELETE":
                del state.recurring[match[1]]
                return {}
            if match[2]:
                run["status"] = "ENABLED" if match[2] == "enable" else "DISABLED"
                return {}
            return run
        if path == f"{API}/runs" and method == "POST":
            return state.create_run(_checked(kfp_server_api.V2beta1Run, body))
        if match := re.fullmatch(rf"{API}/runs/([^:/]+)", path):
            return state.runs[match[1]]
        raise KeyError(path)

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_DELETE(self) -> None:
        self._handle("DELETE")


@contextmanager
def kubeflow_server() -> Iterator[tuple[str, KubeflowServer]]:
    """Yield the address of a server on a free port, and its state."""
    state = KubeflowServer()
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # A client that has given up is no error of the server's.
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

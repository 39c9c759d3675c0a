"""A small API server and gateway over HTTP: server-side apply with field ownership, KServe's status, divided traffic.

Of the Kubernetes API it keeps what a client of server-side apply can see (kubernetes.io, Server-Side Apply): fields are
owned by their manager, another's value is a conflict (409 with causes) unless forced, a field that a manager no longer
applies is removed, `dryRun=All` stores nothing, and the generation counts changes of the spec. Lists are atomic.
"""

from __future__ import annotations

import copy
import json
import random
import threading
import time
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_json import JsonHandler

Path = tuple[str, ...]


def leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    if isinstance(value, dict) and value:
        return {key: leaf for name, part in value.items() for key, leaf in leaves(part, (*path, name)).items()}
    return {path: value}


def set_leaf(tree: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value


def drop_leaf(tree: dict[str, Any], path: Path) -> None:
    if len(path) == 1:
        tree.pop(path[0], None)
    elif path[0] in tree:
        drop_leaf(tree[path[0]], path[1:])
        if not tree[path[0]]:
            del tree[path[0]]


@dataclass
class Behaviour:
    """How a model's pods are: what they forecast, and what is wrong with them."""

    curve: dict[float, float]
    ready: bool = True
    error_share: float = 0.0
    seconds: float = 0.0
    factor: float = 1.0


@dataclass
class Cluster:
    """Its objects by name, who owns each of their fields, and the models that its pods serve, by hash."""

    models: dict[str, Behaviour] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    owners: dict[str, dict[Path, set[str]]] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    shares: list[tuple[int, ...]] = field(default_factory=list)
    others: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What else the API server has, by path."""
    answer: tuple[int, dict[str, Any]] | None = None
    """In place of every answer of the API server."""
    lock: Any = field(default_factory=threading.Lock)
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def apply(
        self, name: str, body: dict[str, Any], manager: str, force: bool, dry_run: bool
    ) -> tuple[int, dict[str, Any]]:
        applied = {path: value for path, value in leaves(body).items() if path[0] in ("spec", "metadata")}
        applied = {path: value for path, value in applied.items() if path[1] not in ("name", "namespace")}
        live = copy.deepcopy(self.objects.get(name, {"metadata": {"name": name, "generation": 0}, "spec": {}}))
        owners = copy.deepcopy(self.owners.get(name, {}))
        held = leaves(live)
        conflicts = [
            path
            for path, value in applied.items()
            if path in held and held[path] != value and owners.get(path, set()) - {manager}
        ]
        if conflicts and not force:
            causes = [{"reason": "FieldManagerConflict", "field": "." + ".".join(path)} for path in conflicts]
            who = ", ".join(sorted(set().union(*(owners[path] for path in conflicts)) - {manager}))
            message = f'Apply failed with {len(causes)} conflicts: conflicts with "{who}"'
            return 409, {"kind": "Status", "code": 409, "reason": "Conflict", "message": message,
                         "details": {"causes": causes}}  # fmt: skip
        before = copy.deepcopy(live["spec"])
        for path in [path for path, who in owners.items() if manager in who and path not in applied]:
            owners[path].discard(manager)
            if not owners[path]:
                del owners[path]
                drop_leaf(live, path)
        for path, value in applied.items():
            set_leaf(live, path, value)
            owners[path] = {manager} if path in conflicts else {*owners.get(path, set()), manager}
        if live["spec"] != before:
            live["metadata"]["generation"] += 1
        if not dry_run:
            self.objects[name], self.owners[name] = live, owners
            if live["spec"] != before:
                shares = tuple(canary["trafficPercent"] for canary in live["spec"].get("canary", ()))
                self.shares.append(shares or (100,))
        return 200, live

    def with_status(self, live: dict[str, Any], port: int) -> dict[str, Any]:
        spec, name = live["spec"], live["metadata"]["name"]
        canaries = [
            {
                "name": canary["predictor"]["name"],
                "ready": self.behaviour(canary["predictor"]).ready,
                "trafficPercent": canary["trafficPercent"],
            }
            for canary in spec.get("canary", ())
        ]
        ready = self.behaviour(spec["predictor"]).ready
        condition = {"type": "Ready", "status": str(ready), "message": "" if ready else "ImagePullBackOff"}
        status = {
            "observedGeneration": live["metadata"]["generation"],
            "conditions": [condition],
            "url": f"http://127.0.0.1:{port}",
            **({"canaryStatuses": canaries} if canaries else {}),
        }
        return {**live, "metadata": {**live["metadata"], "name": name}, "status": status}

    def behaviour(self, predictor: dict[str, Any]) -> Behaviour:
        return self.models[predictor["annotations"]["jackpot.optimiser/model"]]

    def predict(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        named = f"--model_name={name}"
        known = [each["spec"] for each in self.objects.values() if named in each["spec"]["predictor"]["model"]["args"]]
        if not known:
            return 404, {"error": f"there is no model {name}"}
        spec = known[0]
        at, predictor = self.random.uniform(0, 100), spec["predictor"]
        for canary in spec.get("canary", ()):
            if at < canary["trafficPercent"]:
                predictor = canary["predictor"]
        model = self.behaviour(predictor)
        time.sleep(model.seconds)
        if self.random.random() < model.error_share:
            return 500, {"error": "boom"}
        jackpot = float(body["instances"][0]["jackpot"])
        nearest = min(model.curve, key=lambda known: abs(known - jackpot))
        told = {"mean": model.curve[nearest] * model.factor}
        return 200, {"predictions": [told], "model": predictor["annotations"]["jackpot.optimiser/model"]}


def serve(cluster: Cluster) -> ThreadingHTTPServer:
    """Start the cluster on a port of its own; the caller stops it."""

    class Handler(JsonHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            name = url.path.rpartition("/")[2]
            if url.path.startswith("/v1/models/"):
                self.reply(*cluster.predict(name.removesuffix(":predict"), body))
                return
            port = self.server.server_address[1]
            with cluster.lock:
                cluster.requests.append((self.command, self.path, {**query, **dict(self.headers)}))
                if cluster.answer is not None:
                    self.reply(*cluster.answer)
                elif self.command == "GET" and url.path in cluster.others:
                    self.reply(200, cluster.others[url.path])
                elif self.command == "GET" and name == "resourcequotas":
                    self.reply(200, {"kind": "ResourceQuotaList", "items": []})
                elif self.command == "GET" and name in cluster.objects:
                    self.reply(200, cluster.with_status(cluster.objects[name], port))
                elif self.command == "PATCH":
                    if self.headers["Content-Type"] != "application/apply-patch+yaml" or "fieldManager" not in query:
                        self.reply(422, {"kind": "Status", "message": "an apply names its field manager"})
                        return
                    force, dry = query.get("force") == "true", "dryRun" in query
                    self.reply(*cluster.apply(name, body, query["fieldManager"], force, dry))
                else:
                    self.reply(404, {"kind": "Status", "code": 404, "message": f'"{name}" not found'})

        do_GET = do_PATCH = do_POST = handle_any  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

"""What is in a rendered manifest: pods, containers and names, wherever a kind keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]

OWNER = "jackpot.optimiser/owner"
PURPOSE = "jackpot.optimiser/purpose"


def name_of(item: Object) -> str:
    """Return kind, namespace and name of an object as one readable name."""
    metadata = item["metadata"]
    place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"{item['kind']} {place}{metadata['name']}"


def pod_of(item: Object) -> Object | None:
    """Return the pod's template (metadata and spec) that an object starts, or None."""
    match item["kind"]:
        case "Deployment" | "StatefulSet" | "DaemonSet" | "Job":
            template: Object = item["spec"]["template"]
            return template
        case "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
            return template
        case "ServingRuntime":
            return {"metadata": {"labels": item["spec"].get("labels", {})}, "spec": item["spec"]}
    return None


def pods(objects: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    """Yield each object that starts pods, with its pod's template."""
    for item in objects:
        pod = pod_of(item)
        if pod is not None:
            yield item, pod


def containers(pod: Object) -> list[Object]:
    """Return the containers of a pod's template, those that run first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Return whether a label selector (matchLabels, matchExpressions) chooses these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        has = labels.get(rule["key"])
        holds = {
            "In": has in rule.get("values", []),
            "NotIn": has not in rule.get("values", []),
            "Exists": has is not None,
            "DoesNotExist": has is None,
        }[rule["operator"]]
        if not holds:
            return False
    return True

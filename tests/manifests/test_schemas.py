"""Every object is what its API accepts: strictly for Kubernetes' kinds, by the SDK's models or by rules for others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from manifests.reading import Object, name_of

KUBERNETES = "1.35"

# Kinds of operators, with the fields that a spec must have and those that it may have. ServingRuntime goes through
# KServe's own models below.
CUSTOM: dict[tuple[str, str], tuple[set[str], set[str]]] = {
    ("external-secrets.io/v1", "SecretStore"): ({"provider"}, set()),
    ("external-secrets.io/v1", "ExternalSecret"): (
        {"secretStoreRef", "target", "dataFrom", "refreshInterval"},
        {"data"},
    ),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): ({"parentRefs", "hostnames", "rules"}, set()),
    ("gateway.envoyproxy.io/v1alpha1", "SecurityPolicy"): ({"targetRefs", "oidc"}, set()),
    ("monitoring.coreos.com/v1", "PodMonitor"): ({"selector", "podMetricsEndpoints"}, {"sampleLimit"}),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ({"selector", "endpoints"}, {"sampleLimit"}),
    ("monitoring.coreos.com/v1", "PrometheusRule"): ({"groups"}, set()),
    ("serving.kserve.io/v1alpha1", "ServingRuntime"): ({"containers", "supportedModelFormats"}, {"volumes"}),
}


def test_kubernetes_kinds_are_valid_strictly_and_no_kind_goes_unchecked(objects: list[Object]) -> None:
    checked = 0
    for item in objects:
        if (item["apiVersion"], item["kind"]) in CUSTOM:
            continue
        kubernetes_validate.validate(item, KUBERNETES, strict=True)
        checked += 1
    assert checked > 40


def test_operators_kinds_have_the_fields_that_they_need_and_no_others(objects: list[Object]) -> None:
    for item in objects:
        rule = CUSTOM.get((item["apiVersion"], item["kind"]))
        if rule is None or item["kind"] == "ServingRuntime":
            continue
        needed, allowed = rule
        assert needed <= item["spec"].keys() <= needed | allowed, name_of(item)


def test_the_serving_runtime_survives_a_journey_through_kserves_models(objects: list[Object]) -> None:
    from kserve import V1alpha1ServingRuntime
    from kubernetes.client import ApiClient

    runtime = next(item for item in objects if item["kind"] == "ServingRuntime")
    client = ApiClient()
    # The SDK's classes are found by name in kubernetes.client.models alone.
    import kserve.models
    import kubernetes.client.models

    for name in dir(kserve.models):
        if name.startswith("V1alpha1") and not hasattr(kubernetes.client.models, name):
            setattr(kubernetes.client.models, name, getattr(kserve.models, name))

    class Answer:
        def __init__(self, value: Any) -> None:
            import json

            self.data = json.dumps(value)

    back = client.sanitize_for_serialization(client.deserialize(Answer(runtime), V1alpha1ServingRuntime))
    assert back == runtime


def test_references_to_settings_secrets_and_accounts_exist(objects: list[Object]) -> None:
    """A pod that names what is not there waits for ever. `rds-ca` is AWS's public bundle, made once per cluster."""
    from manifests.reading import containers, pods

    have = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects}
    have |= {("Secret", namespace, name) for kind, namespace, name in have if kind == "ExternalSecret"}
    have.add(("ConfigMap", "jackpot", "rds-ca"))
    for item, pod in pods(objects):
        namespace = item["metadata"]["namespace"]
        wanted: set[tuple[str, str]] = set()
        if item["kind"] != "ServingRuntime":
            wanted.add(("ServiceAccount", pod["spec"]["serviceAccountName"]))
        for container in containers(pod):
            for source in container.get("envFrom", []):
                wanted |= {("ConfigMap", source["configMapRef"]["name"])} if "configMapRef" in source else set()
                if "secretRef" in source and (("ExternalSecret", namespace, "mlflow-server") in have):
                    wanted.add(("Secret", source["secretRef"]["name"]))
            for variable in container.get("env", []):
                if "valueFrom" in variable:
                    wanted.add(("Secret", variable["valueFrom"]["secretKeyRef"]["name"]))
        for volume in pod["spec"].get("volumes", []):
            if "secret" in volume:
                wanted.add(("Secret", volume["secret"]["secretName"]))
            if "configMap" in volume:
                wanted.add(("ConfigMap", volume["configMap"]["name"]))
            if "persistentVolumeClaim" in volume:
                wanted.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        missing = {(kind, name) for kind, name in wanted if (kind, namespace, name) not in have}
        assert not missing, f"{name_of(item)} refers to {missing}"


def test_arguments_use_only_variables_that_are_set(objects: list[Object]) -> None:
    from manifests.reading import containers, pods

    settings = {
        item["metadata"]["name"]: set(item.get("data", {}))
        for item in objects
        if item["kind"] == "ConfigMap" and item["metadata"]["namespace"] == "jackpot"
    }
    for item, pod in pods(objects):
        for container in containers(pod):
            known = {variable["name"] for variable in container.get("env", [])}
            for source in container.get("envFrom", []):
                known |= settings.get(source.get("configMapRef", {}).get("name"), set())
            text = " ".join(container.get("args", [])) + " ".join(
                variable.get("value", "") for variable in container.get("env", [])
            )
            assert set(re.findall(r"\$\((\w+)\)", text)) <= known, name_of(item)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_the_place_agrees_with_the_environment_file(name: str) -> None:
    root = Path(__file__).resolve().parents[2]
    lines = (root / "manifests" / "overlays" / name / "services" / "place.env").read_text().splitlines()
    place = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    from jackpot.adapters.places import open_places

    environment = open_places(name).environment
    assert place["ENVIRONMENT"] == environment.environment == name
    assert place["ARTIFACTS"].split("/")[2] == environment.store.split("/")[2]
    assert environment.registry.tracking_uri == "http://mlflow.jackpot.svc:5000"


def test_environment_files_reach_the_cluster_unchanged(objects: list[Object]) -> None:
    folder = Path(__file__).resolve().parents[2] / "configs" / "environments"
    maps = [item for item in objects if item["kind"] == "ConfigMap" and "production.yaml" in item["data"]]
    assert {item["metadata"]["namespace"] for item in maps} == {"jackpot", "kubeflow"}
    for item in maps:
        assert item["data"] == {path.name: path.read_text() for path in folder.glob("*.yaml")}

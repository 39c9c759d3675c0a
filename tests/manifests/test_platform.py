"""Our patches to the platform, applied to small stand-ins of what upstream ships."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.reading import Object, containers, name_of, pods, selects

PLATFORM = Path(__file__).resolve().parents[2] / "manifests" / "platform"
Kustomize = Callable[[Path], list[Object]]


HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
WAITING = {"image": "example/wait:1", "securityContext": {**HARDENED, "runAsUser": 1000}}


def deployment(
    name: str, container: str, labels: dict[str, str], waits: int = 0, space: str = "kubeflow", **extra: Any
) -> Object:
    """Return a stand-in labelled and secured as upstream's, which runs what waits for other parts first."""
    pod: Object = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": container,
                "image": "example/part:1",
                "securityContext": {**HARDENED, "runAsUser": 1000, "runAsGroup": 0},
                **extra,
            }
        ],
    }
    if waits:
        pod["initContainers"] = [{"name": f"wait-{number}", **WAITING} for number in range(waits)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": space},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


def plain(api: str, kind: str, name: str, namespace: str = "kubeflow", **rest: Any) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **rest}


def referred(name: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "mlpipeline-minio-artifact", "key": "accesskey"}}}


WITHOUT = [
    (patch["apiVersion"], patch["kind"], patch["metadata"]["name"])
    for patch in map(yaml.safe_load, (path.read_text() for path in sorted(PLATFORM.glob("*/without/*.yaml"))))
]
KUBEFLOW = [
    *(
        plain("v1", "ConfigMap", name, data={"upstream": "kept"})
        for name in ("pipeline-install-config", "kfp-launcher")
    ),
    plain("v1", "ConfigMap", "workflow-controller-configmap", data={"artifactRepository": "endpoint: seaweedfs"}),
    plain(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "pipeline-runner",
        rules=[{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    ),
    plain(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "ml-pipeline-ui",
        rules=[
            {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "list"]},
        ],
    ),
    deployment(
        "ml-pipeline",
        "ml-pipeline-api-server",
        {"app": "ml-pipeline"},
        waits=2,
        env=[referred("OBJECTSTORECONFIG_ACCESSKEY"), referred("OBJECTSTORECONFIG_SECRETACCESSKEY")],
    ),
    deployment("ml-pipeline-ui", "ml-pipeline-ui", {"app": "ml-pipeline-ui"}, env=[referred("MINIO_ACCESS_KEY")]),
    *(
        deployment(name, name, {"app": name}, waits=1)
        for name in ("ml-pipeline-persistenceagent", "ml-pipeline-scheduledworkflow")
    ),
    deployment("metadata-writer", "main", {"app": "metadata-writer"}, waits=1),
    deployment("workflow-controller", "workflow-controller", {"app": "workflow-controller"}),
    deployment(
        "metadata-grpc-deployment",
        "container",
        {"component": "metadata-grpc-server"},
        waits=1,
        args=["--mysql_config_host=mysql"],
    ),
    deployment("metadata-envoy-deployment", "container", {"component": "metadata-envoy"}),
    # Whatever we take away must be there, or kustomize says so.
    *(
        deployment(name, name, {"app": name}) if kind == "Deployment" else plain(api, kind, name)
        for api, kind, name in WITHOUT
    ),
]
KSERVE = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kserve"}},
    deployment("kserve-controller-manager", "kube-rbac-proxy", {"control-plane": "kserve"}, space="kserve"),
    plain("v1", "ConfigMap", "inferenceservice-config", "kserve", data={"deploy": "{}", "logger": "kept"}),
    {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterStorageContainer",
        "metadata": {"name": "default"},
        "spec": {"container": {"name": "storage-initializer", "image": "kserve/storage-initializer:latest"}},
    },
]


@pytest.fixture
def patched(tmp_path: Path, kustomize: Kustomize) -> Callable[[str, list[Object]], list[Object]]:
    def apply(component: str, upstream: list[Object]) -> list[Object]:
        # kustomize reads a component by a path relative to the folder that names it.
        folder = tmp_path / component
        folder.mkdir()
        (folder / "upstream.yaml").write_text(yaml.safe_dump_all(upstream))
        up = "/".join([".."] * (len(folder.resolve().parts) - 1))
        whole = {"resources": ["upstream.yaml"], "components": [f"{up}{PLATFORM / component}"]}
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
        return kustomize(folder)

    return apply


def test_kubeflow_loses_its_bundled_stores_and_their_keys(patched: Callable[..., list[Object]]) -> None:
    objects = patched("kubeflow-pipelines", KUBEFLOW)
    names = {name_of(item) for item in objects}
    assert len(WITHOUT) >= 15
    assert not names & {f"{kind} kubeflow/{name}" for _, kind, name in WITHOUT}
    assert not [item for item in objects if item["kind"] == "Secret"]
    text = yaml.safe_dump_all(objects)
    assert "mlpipeline-minio-artifact" not in text, "nothing refers to the bundled store's key"


def test_kubeflow_uses_the_pods_roles_and_tls_to_its_database(patched: Callable[..., list[Object]]) -> None:
    objects = {name_of(item): item for item in patched("kubeflow-pipelines", KUBEFLOW)}
    api = objects["Deployment kubeflow/ml-pipeline"]["spec"]["template"]["spec"]["containers"][0]
    env = {one["name"]: one for one in api["env"]}
    # Present and empty: without them a built-in key applies.
    for name in ("OBJECTSTORECONFIG_ACCESSKEY", "OBJECTSTORECONFIG_SECRETACCESSKEY"):
        assert env[name] == {"name": name, "value": ""}
    assert json.loads(env["DBCONFIG_MYSQLCONFIG_EXTRAPARAMS"]["value"]) == {"tls": "true"}
    repository = yaml.safe_load(
        objects["ConfigMap kubeflow/workflow-controller-configmap"]["data"]["artifactRepository"]
    )
    assert repository["s3"]["useSDKCreds"] is True
    assert "accessKeySecret" not in repository["s3"]
    settings = objects["ConfigMap kubeflow/pipeline-install-config"]["data"]
    assert settings["upstream"] == "kept"
    assert settings["defaultSecurityContextRunAsNonRoot"] == "true"
    assert settings["cronScheduleTimezone"] == "UTC"
    ui = objects["Deployment kubeflow/ml-pipeline-ui"]["spec"]["template"]["spec"]["containers"][0]
    pages = {one["name"]: one.get("value") for one in ui["env"]}
    assert pages["ARGO_KEYFORMAT"] == repository["s3"]["keyFormat"]
    assert json.loads(objects["ConfigMap kubeflow/ml-pipeline-config"]["data"]["config.json"])


def test_kubeflow_keeps_no_wildcard_and_its_pages_read_no_secret(patched: Callable[..., list[Object]]) -> None:
    roles = [item for item in patched("kubeflow-pipelines", KUBEFLOW) if item["kind"] == "Role"]
    assert {role["metadata"]["name"] for role in roles} == {"pipeline-runner", "ml-pipeline-ui"}
    for role in roles:
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_kubeflow_is_hardened_and_keeps_its_user(patched: Callable[..., list[Object]]) -> None:
    """An image without a user of its own, or with one by name, does not start without upstream's `runAsUser`."""
    objects = patched("kubeflow-pipelines", KUBEFLOW)
    seen = 0
    for item, pod in pods(objects):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True, name_of(item)
        for container in containers(pod):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, name_of(item)
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["runAsUser"] == 1000
            seen += 1
    assert seen == 14
    assert {"ResourceQuota", "LimitRange"} <= {item["kind"] for item in objects}
    (writer,) = [pod for item, pod in pods(objects) if item["metadata"]["name"] == "metadata-writer"]
    assert [mount["name"] for mount in writer["spec"]["containers"][0]["volumeMounts"]] == ["tmp"]


@pytest.mark.parametrize(("component", "upstream"), [("kubeflow-pipelines", KUBEFLOW), ("kserve", KSERVE)])
def test_a_platforms_namespace_admits_restricted_pods_only(
    patched: Callable[..., list[Object]], component: str, upstream: list[Object]
) -> None:
    (space,) = [item for item in patched(component, upstream) if item["kind"] == "Namespace"]
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_kubeflows_edges_begin_and_end_at_pods_that_there_are(
    patched: Callable[..., list[Object]], production: list[Object]
) -> None:
    """Also those of a run, which the product names: a label that upstream does not use is an edge that nobody has."""
    objects = patched("kubeflow-pipelines", KUBEFLOW)
    there = [pod["metadata"]["labels"] for _, pod in pods(objects)] + [{"workflows.argoproj.io/workflow": "a-run"}]
    seen = set()
    for item in [*objects, *production]:
        if item["kind"] not in {"NetworkPolicy", "PodMonitor"} or item["metadata"].get("namespace") != "kubeflow":
            continue
        spec = item["spec"]
        ends = [spec.get("podSelector", spec.get("selector"))]
        ends += [
            peer["podSelector"]
            for edge in [*spec.get("ingress", []), *spec.get("egress", [])]
            for peer in [*edge.get("from", []), *edge.get("to", [])]
            if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        for selector in ends:
            assert [labels for labels in there if selects(selector, labels)], name_of(item)
            for rule in selector.get("matchExpressions", []):
                for value in rule.get("values", []):
                    assert [labels for labels in there if labels.get(rule["key"]) == value], f"{name_of(item)}: {value}"
        seen.add(item["metadata"]["name"])
    assert {"metadata-mysql", "callers-metadata", "runs-pipelines", "workflow-controller"} <= seen


@pytest.mark.parametrize(
    ("folder", "upstream", "objects"),
    [
        (
            "kubeflow-pipelines",
            "pipelines/manifests/kustomize/env/cert-manager/platform-agnostic-k8s-native",
            KUBEFLOW,
        ),
        ("kserve", "kserve/config/overlays/standalone/kserve", KSERVE),
    ],
)
def test_upstream_checked_out_beside_us_is_what_the_script_applies(
    tmp_path: Path, kustomize: Kustomize, folder: str, upstream: str, objects: list[Object]
) -> None:
    kustomize(PLATFORM / "gateway")  # skips where there is no kubectl
    shutil.copytree(PLATFORM, tmp_path / "manifests" / "platform")
    names = re.findall(r"\$\{(PLACE_\w+):\?\}", (PLATFORM / "apply.sh").read_text())
    places = {name: f"filled-{name[6:].lower()}" for name in names}

    def show() -> subprocess.CompletedProcess[str]:
        command = ["sh", "manifests/platform/apply.sh", f"manifests/platform/installed/{folder}", "--show"]
        env = os.environ | places
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)

    assert show().returncode != 0, "nothing is checked out yet"
    beside = tmp_path / "build" / "platform" / upstream
    beside.mkdir(parents=True)
    (beside / "upstream.yaml").write_text(yaml.safe_dump_all(objects))
    (beside / "kustomization.yaml").write_text("resources: [upstream.yaml]\n")
    done = show()
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) >= 4
    assert "PLACE_" not in done.stdout


def test_kubeflows_api_is_reached_by_named_callers_only(patched: Callable[..., list[Object]]) -> None:
    policies = {
        i["metadata"]["name"]: i["spec"]
        for i in patched("kubeflow-pipelines", KUBEFLOW)
        if i["kind"] == "NetworkPolicy"
    }
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, spec in policies.items():
        to_api = spec["podSelector"] == {"matchLabels": {"app": "ml-pipeline"}} and "Ingress" in spec["policyTypes"]
        if to_api and name != "kubernetes-webhooks":
            (edge,) = spec["ingress"]
            assert {port["port"] for port in edge["ports"]} == {8887, 8888}
            assert all(peer["podSelector"] for peer in edge["from"]), "an empty selector means every pod"


@pytest.mark.parametrize("missing", ["ml-pipeline", "pipeline-install-config", "mysql"])
def test_a_patch_whose_object_upstream_no_longer_has_fails_loudly(
    patched: Callable[..., list[Object]], missing: str
) -> None:
    changed = [item for item in KUBEFLOW if item["metadata"]["name"] != missing]
    with pytest.raises(AssertionError, match=r"no (resource )?matches"):
        patched("kubeflow-pipelines", changed)


def test_kserve_runs_in_standard_mode_over_the_gateway_api(patched: Callable[..., list[Object]]) -> None:
    objects = patched("kserve", KSERVE)
    (config,) = [item for item in objects if item["kind"] == "ConfigMap"]
    (storage,) = [item for item in objects if item["kind"] == "ClusterStorageContainer"]
    (manager,) = [pod for _, pod in pods(objects)]
    assert {"cpu", "memory"} <= manager["spec"]["containers"][0]["resources"]["limits"].keys()
    assert config["data"]["logger"] == "kept"
    assert json.loads(config["data"]["deploy"]) == {"defaultDeploymentMode": "Standard"}
    ingress = json.loads(config["data"]["ingress"])
    assert ingress["enableGatewayApi"] is ingress["disableIstioVirtualHost"] is True
    assert ingress["ingressGateway"] == ingress["kserveIngressGateway"] == "envoy-gateway-system/models"
    container = storage["spec"]["container"]
    assert (
        container["securityContext"]["runAsNonRoot"] is container["securityContext"]["readOnlyRootFilesystem"] is True
    )
    assert json.loads(config["data"]["storageInitializer"])["image"] == container["image"]


def test_no_platform_image_is_latest_and_every_part_has_a_version(patched: Callable[..., list[Object]]) -> None:
    versions = yaml.safe_load((PLATFORM / "versions.yaml").read_text())
    assert all(re.fullmatch(r"v?\d+\.\d+\.\d+", one["version"]) for one in versions)
    assert not re.search(r":latest\b", yaml.safe_dump_all(patched("kserve", KSERVE)))
    named = {one["patches"]: one["version"] for one in versions if "patches" in one}
    assert named == {"kubeflow-pipelines": "2.17.0", "kserve": "v0.21.0"}


def test_kubeflows_pages_ask_for_a_login_and_models_stay_inside(kustomize: Kustomize) -> None:
    objects = {name_of(item): item for item in kustomize(PLATFORM / "gateway")}
    policy = objects["SecurityPolicy kubeflow/kubeflow"]["spec"]
    assert policy["targetRefs"][0]["name"] == "kubeflow"
    assert policy["authorization"]["defaultAction"] == "Deny"
    assert {"oidc", "jwt"} <= policy.keys()
    models = objects["Gateway envoy-gateway-system/models"]["spec"]
    assert models["infrastructure"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-internal"] == "true"
    public = objects["Gateway envoy-gateway-system/public"]["spec"]["listeners"]
    assert [listener["protocol"] for listener in public] == ["HTTPS"]


def test_the_gateways_proxies_are_restricted_and_have_a_place_to_write(kustomize: Kustomize) -> None:
    """Envoy Gateway takes a security context as it is, for both containers, and leaves out its own."""
    objects = {name_of(item): item for item in kustomize(PLATFORM / "gateway")}
    proxy = objects["EnvoyProxy envoy-gateway-system/hardened"]["spec"]["provider"]["kubernetes"]["envoyDeployment"]
    context = proxy["container"]["securityContext"]
    assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
    assert context["runAsUser"] > 0
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    patch = proxy["patch"]["value"]["spec"]["template"]["spec"]
    both = {one["name"]: one for one in patch["containers"]}
    assert both.keys() == {"envoy", "shutdown-manager"}
    assert {mount["name"] for one in both.values() for mount in one["volumeMounts"]} == {"tmp"}
    assert [volume["name"] for volume in patch["volumes"]] == ["tmp"]
    for limits in (proxy["container"]["resources"]["limits"], both["shutdown-manager"]["resources"]["limits"]):
        assert {"cpu", "memory"} <= limits.keys()


def test_places_left_open_are_those_that_apply_fills() -> None:
    found = {
        name
        for path in PLATFORM.rglob("*.*")
        if path.suffix in {".yaml", ".json"}
        for name in re.findall(r"PLACE_([A-Z_]+?)\b", path.read_text())
    }
    script = (PLATFORM / "apply.sh").read_text()
    assert found
    for name in found:
        assert f"s|PLACE_{name}|" in script, name

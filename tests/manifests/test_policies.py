"""What every object keeps to: hardened pods, limits, images by digest, rights without wildcards, an owner."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from manifests.reading import OWNER, PURPOSE, Object, containers, name_of, pods, selects

DIGEST = re.compile(r"^[a-z0-9.:-]+/[a-z0-9./-]+@sha256:[0-9a-f]{64}$")
OWNERS = {"platform", "machine-learning", "compliance", "finance"}

# Pods that nothing calls: alive as long as they go round.
NO_PROBES = {"Deployment jackpot/trigger": "reads a queue; nothing calls it"}

# Of which there may never be two: what takes its place while it is moved.
ONE_ALONE = {"Deployment jackpot/console": "the command line and chat"}


def test_no_pod_may_be_root_write_its_root_or_gain_rights(objects: list[Object]) -> None:
    seen = 0
    for item, pod in pods(objects):
        runtime = (
            item["kind"] == "ServingRuntime"
        )  # KServe's template has no pod-level context: each container's counts
        context = pod["spec"].get("securityContext", {})
        for container in containers(pod):
            own = {**context, **container.get("securityContext", {})}
            where = f"{name_of(item)}: {container['name']}"
            assert own.get("runAsNonRoot") is True, where
            assert own.get("runAsUser", 0) >= 10000, where
            assert own.get("seccompProfile") == {"type": "RuntimeDefault"}, where
            assert own.get("allowPrivilegeEscalation") is False, where
            assert own.get("readOnlyRootFilesystem") is True, where
            assert own.get("capabilities") == {"drop": ["ALL"]}, where
            assert not own.get("privileged"), where
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], where  # noqa: S108
            seen += 1
        spec = pod["spec"]
        assert runtime or spec["automountServiceAccountToken"] is False, name_of(item)
        assert not ({"hostNetwork", "hostPID", "hostIPC"} & spec.keys()), name_of(item)
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"], name_of(item)
    assert seen >= 4


def test_every_container_asks_for_what_it_needs_and_is_limited(objects: list[Object]) -> None:
    for item, pod in pods(objects):
        for container in containers(pod):
            for part in ("requests", "limits"):
                assert container["resources"][part].keys() == {"cpu", "memory", "ephemeral-storage"}, name_of(item)


def test_a_namespace_at_full_strength_fits_its_quota(production: list[Object]) -> None:
    """All deployments, with the surge of a roll-out, and all jobs at once."""
    quota = next(i for i in production if i["kind"] == "ResourceQuota" and i["metadata"]["name"] == "jackpot")
    total = {"requests.cpu": 0.0, "requests.memory": 0.0, "limits.cpu": 0.0, "limits.memory": 0.0}
    for item, pod in pods(production):
        if item["metadata"]["namespace"] != "jackpot":
            continue
        copies = item["spec"].get("replicas", 0) + 1
        for key in total:
            part, resource = key.split(".")
            running = sum(amount(c["resources"][part][resource]) for c in pod["spec"]["containers"])
            total[key] += copies * running
    for key, used in total.items():
        assert used <= amount(quota["spec"]["hard"][key]), f"{key}: {used} of {quota['spec']['hard'][key]}"


def amount(quantity: str) -> float:
    """Return a Kubernetes quantity in cores or bytes."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
    match = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi)?", quantity)
    assert match, quantity
    return float(match[1]) * units.get(match[2] or "", 1)


def test_images_are_named_by_digest_and_from_one_place(objects: list[Object], overlay: str) -> None:
    images = {container["image"] for _, pod in pods(objects) for container in containers(pod)}
    assert all(DIGEST.match(image) for image in images), images
    assert len(images) == 2, "pipeline and serving, nothing else"
    (place,) = [i for i in objects if i["kind"] == "ConfigMap" and i["metadata"]["name"].startswith("place")]
    assert place["data"]["JACKPOT_IMAGE"] in images


def test_nothing_is_latest_and_no_secret_has_a_value(objects: list[Object]) -> None:
    assert not [name_of(item) for item in objects if item["kind"] == "Secret"]
    for item in objects:
        for text in strings(item):
            assert not re.search(r"[:@]latest\b", text), name_of(item)
            assert not re.search(r"AKIA[0-9A-Z]{16}|xox[bp]-|-----BEGIN", text), name_of(item)


def strings(value: Any) -> list[str]:
    """Return every text inside a value."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def test_rights_have_no_wildcard_and_reach_no_secret(objects: list[Object]) -> None:
    roles = [item for item in objects if item["kind"] in {"Role", "ClusterRole"}]
    assert roles
    for item in roles:
        for rule in item["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], name_of(item)
            assert "secrets" not in rule["resources"], name_of(item)
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), name_of(item)
            assert not {"pods/exec", "pods/attach", "serviceaccounts/token"} & set(rule["resources"]), name_of(item)


def test_only_weekly_and_promote_may_write_inference_services(objects: list[Object]) -> None:
    writers = {
        item["metadata"]["name"]
        for item in objects
        if item["kind"] == "Role"
        for rule in item["rules"]
        if "inferenceservices" in rule["resources"] and {"create", "patch"} & set(rule["verbs"])
    }
    assert writers == {"jackpot-deploy"}
    (binding,) = [i for i in objects if i["kind"] == "RoleBinding" and i["roleRef"]["name"] == "jackpot-deploy"]
    assert {subject["name"] for subject in binding["subjects"]} == {"pipeline-runner", "jackpot-promote"}


def test_bindings_refer_to_roles_and_accounts_that_exist(objects: list[Object]) -> None:
    have = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects}
    have.add(("ServiceAccount", "kubeflow", "pipeline-runner"))  # platform/kubeflow-pipelines
    for item in objects:
        if item["kind"] != "RoleBinding":
            continue
        namespace = item["metadata"]["namespace"]
        assert (item["roleRef"]["kind"], namespace, item["roleRef"]["name"]) in have, name_of(item)
        for subject in item["subjects"]:
            if subject["kind"] == "ServiceAccount":
                assert ("ServiceAccount", subject["namespace"], subject["name"]) in have, name_of(item)


def test_no_inference_service_is_applied_beside_the_deploy_step(objects: list[Object]) -> None:
    assert not [name_of(item) for item in objects if item["kind"] == "InferenceService"]


def test_every_namespace_is_restricted_has_a_quota_and_denies_by_default(objects: list[Object]) -> None:
    namespaces = [item for item in objects if item["kind"] == "Namespace"]
    assert {item["metadata"]["name"] for item in namespaces} == {"jackpot", "jackpot-serving"}
    for item in namespaces:
        labels, name = item["metadata"]["labels"], item["metadata"]["name"]
        for mode in ("enforce", "audit", "warn"):
            assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"
            assert re.fullmatch(r"v1\.\d+", labels[f"pod-security.kubernetes.io/{mode}-version"])
        inside = [other for other in objects if other["metadata"].get("namespace") == name]
        assert {"ResourceQuota", "LimitRange"} <= {other["kind"] for other in inside}
        denies = [
            other
            for other in inside
            if other["kind"] == "NetworkPolicy" and other["metadata"]["name"] == "default-deny"
        ]
        assert [other["spec"] for other in denies] == [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]


def test_every_service_has_an_edge_that_reaches_it_on_its_port(objects: list[Object]) -> None:
    policies = [item for item in objects if item["kind"] == "NetworkPolicy"]
    workloads = [(item, pod) for item, pod in pods(objects) if item["kind"] == "Deployment"]
    services = [item for item in objects if item["kind"] == "Service"]
    assert services
    for service in services:
        (labels, ports), *rest = [
            (
                pod["metadata"]["labels"],
                {p["name"]: p["containerPort"] for c in containers(pod) for p in c.get("ports", [])},
            )
            for item, pod in workloads
            if selects({"matchLabels": service["spec"]["selector"]}, pod["metadata"]["labels"])
        ]
        assert not rest, name_of(service)
        target = ports[service["spec"]["ports"][0]["targetPort"]]
        reached = [
            policy
            for policy in policies
            if policy["metadata"]["namespace"] == service["metadata"]["namespace"]
            and selects(policy["spec"]["podSelector"], labels)
            for edge in policy["spec"].get("ingress", [])
            if target in [port["port"] for port in edge["ports"]] and edge["from"]
        ]
        assert reached, f"nothing may call {name_of(service)} on {target}"


def test_the_consoles_metrics_are_for_prometheus_alone(production: list[Object]) -> None:
    (console,) = [pod for item, pod in pods(production) if name_of(item) == "Deployment jackpot/console"]
    labels, (container,) = console["metadata"]["labels"], console["spec"]["containers"]
    (port,) = [port["containerPort"] for port in container["ports"] if port["name"] == "metrics"]
    assert f"--metrics-port={port}" in container["args"]
    edges = [
        (edge, peer)
        for item in production
        if item["kind"] == "NetworkPolicy"
        and item["metadata"]["namespace"] == "jackpot"
        and selects(item["spec"]["podSelector"], labels)
        for edge in item["spec"].get("ingress", [])
        for peer in edge["from"]
    ]
    reaching = [peer for edge, peer in edges if port in [one["port"] for one in edge["ports"]]]
    assert [peer["podSelector"]["matchLabels"] for peer in reaching] == [{"app.kubernetes.io/name": "prometheus"}]
    routes = [rule for item in production if item["kind"] == "HTTPRoute" for rule in item["spec"]["rules"]]
    backends = [backend for rule in routes for backend in rule["backendRefs"] if backend["name"] == "console"]
    assert [backend["port"] for backend in backends] == [80]
    monitors = [item["spec"] for item in production if item["kind"] == "ServiceMonitor"]
    assert [one["endpoints"][0]["port"] for one in monitors if selects(one["selector"], labels)] == ["metrics"]


def test_who_logs_in_to_mlflow_has_an_edge_open_at_both_ends_and_nobody_else_has(objects: list[Object]) -> None:
    policies = [item for item in objects if item["kind"] == "NetworkPolicy"]
    callers = [("kubeflow", {"workflows.argoproj.io/workflow": "x"}, True)]
    for item, pod in pods(objects):
        sources = [source for container in pod["spec"]["containers"] for source in container.get("envFrom", [])]
        logs_in = {"secretRef": {"name": "mlflow-client"}} in sources
        callers.append((item["metadata"]["namespace"], pod["metadata"]["labels"], logs_in))
    for namespace, labels, logs_in in callers:
        lets_out = any(
            policy["metadata"]["namespace"] == namespace
            and selects(policy["spec"]["podSelector"], labels)
            and any(port["port"] == 5000 for edge in policy["spec"].get("egress", []) for port in edge["ports"])
            for policy in policies
        )
        lets_in = any(
            policy["metadata"]["name"] == "clients-mlflow"
            and any(
                selects(peer["podSelector"], labels)
                and namespace
                == peer.get("namespaceSelector", {})
                .get("matchLabels", {})
                .get("kubernetes.io/metadata.name", "jackpot")
                for peer in policy["spec"]["ingress"][0]["from"]
            )
            for policy in policies
        )
        assert (lets_out, lets_in) == (logs_in, logs_in), (namespace, labels)


def test_no_edge_is_open_to_everyone(objects: list[Object]) -> None:
    """But TLS out: AWS and chat have no fixed addresses. The metadata address of the node is left out of it."""
    for item in objects:
        if item["kind"] != "NetworkPolicy" or item["metadata"]["name"] == "default-deny":
            continue
        spec = item["spec"]
        edges = [(e, e.get("from")) for e in spec.get("ingress", [])] + [
            (e, e.get("to")) for e in spec.get("egress", [])
        ]
        assert edges, name_of(item)
        for edge, peers in edges:
            assert peers, f"{name_of(item)}: an empty peer means everyone"
            assert edge["ports"], f"{name_of(item)}: no port means all"
            for peer in peers:
                block = peer.get("ipBlock", {})
                if block.get("cidr") == "0.0.0.0/0":
                    assert block["except"] == ["169.254.0.0/16"], name_of(item)
                    assert edge["ports"] == [{"port": 443, "protocol": "TCP"}], name_of(item)


def test_what_is_called_says_when_it_is_ready_and_survives_a_drain(production: list[Object]) -> None:
    budgets = [item for item in production if item["kind"] == "PodDisruptionBudget"]
    for item, pod in pods(production):
        if item["kind"] not in {"Deployment", "ServingRuntime"} or name_of(item) in NO_PROBES:
            continue
        for container in pod["spec"]["containers"]:
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys(), name_of(item)
        if item["kind"] == "Deployment":
            if name_of(item) in ONE_ALONE:
                assert (item["spec"]["replicas"], item["spec"]["strategy"]) == (1, {"type": "Recreate"}), name_of(item)
            else:
                assert item["spec"]["replicas"] >= 2, name_of(item)
                assert pod["spec"]["topologySpreadConstraints"], name_of(item)
            labels = pod["metadata"]["labels"]
            assert [b for b in budgets if selects(b["spec"]["selector"], labels)], name_of(item)


def test_an_exception_from_a_check_stands_beside_its_reason_and_is_needed(production: list[Object]) -> None:
    """`checkov` over the rendered overlay finds nothing but these, which say in the object itself why."""
    for item, pod in pods(production):
        notes = item["metadata"]["annotations"]
        skips = [text.partition("=") for key, text in notes.items() if key.startswith("checkov.io/skip")]
        assert all(len(reason) > 30 for _, _, reason in skips), name_of(item)
        needed = set()
        for container in containers(pod):
            named = [one for one in container.get("env", []) if "secretKeyRef" in one.get("valueFrom", {})]
            if named or [one for one in container.get("envFrom", []) if "secretRef" in one]:
                needed.add("CKV_K8S_35")
        if item["kind"] == "Deployment":
            probes = {"livenessProbe": "CKV_K8S_8", "readinessProbe": "CKV_K8S_9"}
            needed |= {rule for probe, rule in probes.items() for one in pod["spec"]["containers"] if probe not in one}
        assert [rule for rule, _, _ in sorted(skips)] == sorted(needed), name_of(item)


def test_jobs_end_do_not_pile_up_and_are_tidied(objects: list[Object]) -> None:
    for item in objects:
        if item["kind"] == "CronJob":
            job = item["spec"]["jobTemplate"]["spec"]
            assert item["spec"]["concurrencyPolicy"] == "Forbid"
            assert {"activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"} <= job.keys()
            assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_every_object_has_an_owner_and_a_purpose(objects: list[Object]) -> None:
    for item in objects:
        notes = item["metadata"].get("annotations", {})
        assert notes.get(OWNER) in OWNERS, name_of(item)
        assert 15 <= len(notes.get(PURPOSE, "")) <= 110, name_of(item)


def test_applying_in_two_folders_is_applying_the_whole(overlay: str, kustomize: Any) -> None:
    folder = Path(__file__).resolve().parents[2] / "manifests" / "overlays" / overlay
    whole = {name_of(item): item for item in kustomize(folder)}
    parts = [*kustomize(folder / "foundation"), *kustomize(folder / "services")]
    assert {name_of(item): item for item in parts} == whole
    assert len(parts) == len(whole)


def test_a_release_may_apply_every_kind_that_it_applies(kustomize: Any) -> None:
    """The release's Roles hold exactly what services/ needs: kinds, in their namespaces."""
    overlay = Path(__file__).resolve().parents[2] / "manifests" / "overlays" / "production"
    plural = {"NetworkPolicy": "networkpolicies", "SecurityPolicy": "securitypolicies"}
    roles = {
        item["metadata"]["namespace"]: item["rules"]
        for item in kustomize(overlay / "foundation")
        if item["kind"] == "Role" and item["metadata"]["name"] == "jackpot-release"
    }
    for item in kustomize(overlay / "services"):
        group = item["apiVersion"].rpartition("/")[0]
        resource = plural.get(item["kind"], item["kind"].lower() + "s")
        verbs: set[str] = set()
        for rule in roles[item["metadata"]["namespace"]]:
            named = item["metadata"]["name"] in rule.get("resourceNames", [item["metadata"]["name"]])
            if group in rule["apiGroups"] and resource in rule["resources"] and named:
                verbs |= set(rule["verbs"])
        assert {"get", "create", "patch"} <= verbs, name_of(item)


@pytest.mark.parametrize("name", ["weekly-deploys-candidates-only", "hardened-pods"])
def test_admission_policies_are_bound_and_deny(production: list[Object], name: str) -> None:
    (binding,) = [
        i
        for i in production
        if i["kind"] == "ValidatingAdmissionPolicyBinding" and i["metadata"]["name"] == f"jackpot-{name}"
    ]
    assert binding["spec"]["policyName"] == f"jackpot-{name}"
    assert "Deny" in binding["spec"]["validationActions"]


def test_the_dashboard_is_one_that_grafana_can_read(production: list[Object]) -> None:
    (item,) = [i for i in production if i["metadata"]["name"] == "jackpot-dashboard"]
    page = json.loads(item["data"]["dashboard.json"])
    assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"]) >= 8

"""Manifests, stacks, workflows, pages and code agree about what they tell each other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity

from manifests.documents import TEMPLATES, shown, statements, template
from manifests.reading import Object, containers, name_of, pods, selects

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = ROOT / "manifests" / "platform"
PAGE = (ROOT / "docs" / "eks.md").read_text()
DEPLOY = (ROOT / ".github" / "workflows" / "deploy.yaml").read_text()
RELEASE = (ROOT / ".github" / "workflows" / "release.yaml").read_text()

BY_COMMAND_LINE = 51_200
"""Bytes: the largest template that CloudFormation takes without a bucket (AWS's quotas of CloudFormation)."""

MEASURED_BY = {
    # Whose metrics begin so: what must be there for Prometheus to have them.
    "kube_": "kube-prometheus-stack",
    "container_": "kube-prometheus-stack",
    "envoy_": "PodMonitor envoy-gateway-system/proxies",
    "argo_": "PodMonitor kubeflow/workflow-controller",
    "externalsecret_": "serviceMonitor.enabled=true",
    "certmanager_": "prometheus.servicemonitor.enabled=true",
}


def platform(*parts: str) -> list[Object]:
    return [item for part in parts for item in yaml.safe_load_all((PLATFORM / part).read_text())]


def test_a_template_too_large_for_a_command_line_goes_by_a_bucket() -> None:
    for path in TEMPLATES.glob("*.yaml"):
        (command,) = re.findall(rf"aws cloudformation deploy [^\n]*{path.name}(?:[^\n]*\\\n)*[^\n]*", PAGE)
        assert path.stat().st_size <= BY_COMMAND_LINE or "--s3-bucket" in command, path.name


def test_whoever_starts_runs_may_reach_kubeflow_at_both_ends(production: list[Object]) -> None:
    def named(name: str, objects: list[Object]) -> Object:
        return next(i["spec"] for i in objects if i["kind"] == "NetworkPolicy" and i["metadata"]["name"] == name)

    out = set(named("services-pipelines", production)["podSelector"]["matchExpressions"][0]["values"])
    (edge,) = named("callers-api", platform("kubeflow-pipelines/network.yaml"))["ingress"]
    assert out == {
        name for name in out for peer in edge["from"] if selects(peer["podSelector"], {"app.kubernetes.io/name": name})
    }


def test_an_edge_begins_or_ends_at_a_pod_that_there_is(production: list[Object]) -> None:
    """A selector that no pod answers is an edge that nobody needs, or one that is misspelt."""
    there = [(item["metadata"]["namespace"], pod["metadata"]["labels"]) for item, pod in pods(production)]
    there += [("kubeflow", {"workflows.argoproj.io/workflow": "a-run"})]
    there = [(n, {**labels, "app.kubernetes.io/part-of": "jackpot-optimiser"}) for n, labels in there]
    for item in production:
        if item["kind"] not in {"NetworkPolicy", "PodDisruptionBudget", "PodMonitor"}:
            continue
        space, spec = item["metadata"]["namespace"], item["spec"]
        selector = spec.get("podSelector", spec.get("selector"))
        assert [labels for n, labels in there if n == space and selects(selector, labels)], name_of(item)
        for rule in selector.get("matchExpressions", []):
            for value in rule.get("values", []):
                assert [labels for n, labels in there if n == space and labels.get(rule["key"]) == value], value


def test_a_monitor_asks_a_port_that_is_open(production: list[Object]) -> None:
    services = [item for item in production if item["kind"] == "Service"]
    for item in production:
        space, spec = item["metadata"].get("namespace"), item.get("spec", {})
        if item["kind"] == "ServiceMonitor":
            (service,) = [
                one
                for one in services
                if one["metadata"]["namespace"] == space and selects(spec["selector"], one["metadata"]["labels"])
            ]
            names = {port["name"] for port in service["spec"]["ports"]}
        elif item["kind"] == "PodMonitor":
            names = {
                port["name"]
                for _, pod in pods(production)
                if selects(spec["selector"], pod["metadata"]["labels"])
                for container in containers(pod)
                for port in container["ports"]
            }
        else:
            continue
        assert {one["port"] for one in spec.get("endpoints", spec.get("podMetricsEndpoints"))} <= names, name_of(item)


def test_what_alerts_and_dashboard_ask_is_measured(production: list[Object]) -> None:
    (rules,) = [item for item in production if item["kind"] == "PrometheusRule"]
    asked = [rule["expr"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    (board,) = [item for item in production if item["metadata"]["name"] == "jackpot-dashboard"]
    asked += re.findall(r'"expr": ("(?:[^"\\]|\\.)*")', board["data"]["dashboard.json"])
    metrics = {name for expr in asked for name in re.findall(r"\b([a-z]+_[a-z0-9_]+)\s*(?:\\?\{|\[| - )", expr)}
    assert len(metrics) >= 12
    monitors = {name_of(i) for i in platform("gateway/monitor.yaml", "kubeflow-pipelines/monitor.yaml")}
    for metric in metrics:
        (source,) = [source for prefix, source in MEASURED_BY.items() if metric.startswith(prefix)]
        assert source in monitors or f" {source}" in PAGE, metric


def test_prometheus_is_there_before_what_it_measures() -> None:
    versions = [one["name"] for one in yaml.safe_load((PLATFORM / "versions.yaml").read_text())]
    for later in ("cert-manager", "external-secrets", "kubeflow-pipelines"):
        assert versions.index("kube-prometheus-stack") < versions.index(later)
    assert (
        PAGE.index("install prometheus") < PAGE.index("install cert-manager") < PAGE.index("install external-secrets")
    )


def test_the_gateways_certificate_has_an_issuer_that_may_prove_the_domain() -> None:
    gateways, issuers = platform("gateway/gateways.yaml"), platform("gateway/issuer.yaml")
    (public,) = [item for item in gateways if name_of(item) == "Gateway envoy-gateway-system/public"]
    assert public["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] in {
        item["metadata"]["name"] for item in issuers if item["kind"] == "ClusterIssuer"
    }
    assert "config.enableGatewayAPI=true" in PAGE, "cert-manager does not look at Gateways otherwise"
    assert "HostedZone=$PLACE_ZONE" in PAGE


def test_a_token_that_a_rule_reads_reaches_it() -> None:
    """After a login in a browser, Envoy's JWT filter finds a token only where the login forwards it."""
    for item in platform("gateway/kubeflow.yaml"):
        if item["kind"] == "SecurityPolicy" and "jwt" in item["spec"]:
            assert item["spec"]["oidc"]["forwardAccessToken"] is True, name_of(item)


@pytest.mark.parametrize("name", ["staging", "production"])
def test_the_network_is_the_same_for_the_stack_and_the_edges(name: str, request: pytest.FixtureRequest) -> None:
    overlay = ROOT / "manifests" / "overlays" / name
    (network,) = re.findall(r"^VPC_CIDR=(\S+)$", (overlay / "services" / "place.env").read_text(), re.MULTILINE)
    objects = request.getfixturevalue("kustomize")(overlay / "foundation")
    (edge,) = [i["spec"]["egress"][0] for i in objects if i["metadata"]["name"] == "mlflow-postgres"]
    assert edge["to"] == [{"ipBlock": {"cidr": network}}]
    assert "VpcCidr=$PLACE_VPC_CIDR" in PAGE
    assert "s/^VPC_CIDR=//p" in PAGE
    assert not re.search(r"\b10\.\d+\.0\.0/16", (PLATFORM / "kubeflow-pipelines" / "network.yaml").read_text())


def test_every_place_that_apply_asks_for_is_set_on_the_page() -> None:
    wanted = set(re.findall(r"\$\{(PLACE_\w+):\?\}", (PLATFORM / "apply.sh").read_text()))
    assert len(wanted) >= 9
    assert wanted == set(re.findall(r"\b(PLACE_\w+)=", PAGE))


def test_every_command_in_a_manifest_is_one_that_the_image_knows(production: list[Object]) -> None:
    """Parsed by the very parsers: an option that was renamed, or misspelt, ends here."""
    from mlflow.cli import cli as mlflow

    from jackpot.cli import cli as jackpot
    from serving.server import parser

    seen = set()
    (place,) = [
        i["data"] for i in production if i["kind"] == "ConfigMap" and i["metadata"]["name"].startswith("place-")
    ]
    for item, pod in pods(production):
        for container in containers(pod):
            filled = [re.sub(r"\$\((\w+)\)", lambda m: place.get(m[1], m[0]), word) for word in container["args"]]
            program, *rest = filled
            if program == "python":
                _, module, *flags = rest
                seen.add(module)
                if module == "serving":
                    parser().parse_args(flags)
                    continue
                text = (ROOT.joinpath(*module.split(".")) / "__main__.py").read_text()
                for flag in [word.split("=")[0] for word in flags if word.startswith("--")]:
                    assert f'add_argument("{flag}"' in text, f"{name_of(item)}: {flag}"
            else:
                _parsed({"jackpot": jackpot, "mlflow": mlflow}[program], rest)
                seen.add(f"{program} {rest[0]}")
    assert {"serving", "serving.approvals", "serving.console", "jackpot watch", "mlflow server"} <= seen


def _parsed(command: click.Command, words: list[str]) -> None:
    if isinstance(command, click.Group):
        _, found, rest = command.resolve_command(click.Context(command), words)
        assert found is not None, words
        _parsed(found, rest)
    else:
        command.make_context("x", words)


def test_every_probe_and_metrics_path_is_answered(production: list[Object]) -> None:
    answers = {
        "approvals": ROOT / "serving" / "approvals" / "app.py",
        "console": ROOT / "serving" / "console" / "app.py",
    }
    seen = 0
    for item, pod in pods(production):
        name = item["metadata"]["name"]
        for container in pod["spec"]["containers"] if name in answers else []:
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                get = container[probe]["httpGet"]
                assert f'"{get["path"]}"' in answers[name].read_text(), f"{name}: {get['path']}"
                assert get["port"] in {port["name"] for port in container["ports"]}
                seen += 1
    assert seen == 6


def test_secrets_mounted_are_read_where_the_environment_file_says(production: list[Object]) -> None:
    """The folder and the key of each file that the environment names are mounted in some pod of the product."""
    named = (ROOT / "configs" / "environments" / "production.yaml").read_text()
    files = set(re.findall(r"/var/run/secrets/jackpot/(\w+)/([\w.{}-]+)", named))
    assert {folder for folder, _ in files} == {"audit", "cash", "slack"}
    mounted = {
        mount["mountPath"].rpartition("/")[2]: volume["secret"]["secretName"]
        for _, pod in pods(production)
        for volume in pod["spec"].get("volumes", [])
        if "secret" in volume
        for container in containers(pod)
        for mount in container["volumeMounts"]
        if mount["name"] == volume["name"]
    }
    for folder, _ in files:
        assert mounted[folder] == folder
    assert '"token"' in PAGE
    assert '"signing-secret"' in PAGE


def test_the_scan_that_a_release_waits_for_is_one_that_the_registry_makes() -> None:
    """With an SBOM and provenance the tag is an index, which ECR does not scan: the image inside it is asked about."""
    assert "sbom: true" in RELEASE
    scans = re.findall(r"aws ecr (?:wait image-scan-complete|describe-image-scan-findings)[^\n]*", RELEASE)
    assert len(scans) == 2
    assert all('imageDigest="$scanned"' in line for line in scans)


def test_a_release_may_read_the_registry_that_it_copies_from() -> None:
    assert DEPLOY.index('--password-stdin "$FROM"') < DEPLOY.index("cosign copy")
    data, cluster = ((TEMPLATES / f"{name}.yaml").read_text() for name in ("data", "cluster"))
    assert data.count("role/jackpot-*-release") == 2
    assert cluster.count("${ImagesFrom}:repository/jackpot-optimiser/") == 2
    assert "ImagesTo=" in PAGE
    assert "ImagesFrom=" in PAGE


def test_the_run_that_a_release_waits_for_gets_its_time_and_is_not_repeated(production: list[Object]) -> None:
    from jackpot.cli.submit import command

    (waits,) = [one.default for one in command.params if one.name == "timeout"]
    (changed,) = re.findall(r"\.spec\.backoffLimit = 0 \| \.spec\.activeDeadlineSeconds = (\d+)", DEPLOY)
    assert int(changed) > waits
    (template,) = [i for i in production if name_of(i) == "CronJob jackpot/schedules"]
    assert template["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < waits, "why the release says otherwise"


@pytest.mark.parametrize("place", ["staging", "production"])
def test_every_pipelines_account_may_what_its_steps_do(place: str) -> None:
    """Slack's token means notices, by SNS too; the audit key, records; a login to MLflow, its models."""
    from jackpot.adapters.places import open_places
    from pipelines.compiling import COMPILED
    from pipelines.tasks import AUDIT, MLFLOW, SLACK, TASKS, step_of

    accounts = open_places(place).environment.kfp_service_accounts
    assert accounts.keys() == {path.stem for path in COMPILED.glob("*.yaml")}
    resources = template("cluster")["Resources"].values()
    bound = {
        one["Properties"]["ServiceAccount"]: template("cluster")["Resources"][
            one["Properties"]["RoleArn"]["Fn::GetAtt"][0]
        ]
        for one in resources
        if one["Type"] == "AWS::EKS::PodIdentityAssociation" and one["Properties"]["Namespace"] == "kubeflow"
    }
    needs = {SLACK: "sns:Publish Topic", AUDIT: "s3:PutObject Audit/records/*", MLFLOW: "s3:GetObject Data/mlflow/*"}
    for pipeline, account in accounts.items():
        may = {f"{a} {shown(r)}" for s in statements(bound[account]) for a in s["Action"] for r in s["Resource"]}
        labels = set(re.findall(r"executorLabel: (exec-[\w-]+)", (COMPILED / f"{pipeline}.yaml").read_text()))
        assert labels
        held = {secret for label in labels for secret in TASKS[step_of(label)].secrets}
        assert {right for secret, right in needs.items() if secret in held} <= may, f"{pipeline}, as {account}"


def test_admission_lets_in_what_kserve_puts_into_a_predictor(production: list[Object]) -> None:
    """The storage initializer is named by a tag, and the policy asks every other image for its digest."""
    (policy,) = [i for i in production if name_of(i) == "ValidatingAdmissionPolicy jackpot-hardened-pods"]
    (rule,) = [one["expression"] for one in policy["spec"]["validations"] if "sha256" in one["expression"]]
    (storage,) = platform("kserve/storage.yaml")
    container = storage["spec"]["container"]
    assert "@sha256:" in container["image"] or (
        f'c.name == "{container["name"]}" && c.image == "{container["image"]}"' in rule
    )
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_storage_initializer_asks_for_no_more_than_the_server(production: list[Object]) -> None:
    """A pod counts in a quota with the larger of the two; the check before a canary asks for the server's alone."""
    (storage,) = platform("kserve/storage.yaml")
    (runtime,) = [one for one in production if one["kind"] == "ServingRuntime"]
    (server,) = runtime["spec"]["containers"]
    for side, amounts in storage["spec"]["container"]["resources"].items():
        for resource, amount in amounts.items():
            assert parse_quantity(amount) <= parse_quantity(server["resources"][side][resource]), (side, resource)


def test_the_triggers_probe_reads_the_heartbeat_that_it_touches(production: list[Object], tmp_path: Path) -> None:
    from jackpot.cli.watch import command as watch

    (pod,) = [pod for item, pod in pods(production) if name_of(item) == "Deployment jackpot/trigger"]
    (container,) = pod["spec"]["containers"]
    (file,) = [word.partition("=")[2] for word in container["args"] if word.startswith("--heartbeat=")]
    _, flags, code = container["livenessProbe"]["exec"]["command"]
    assert f'"{file}"' in code
    (longest,) = [one.default for one in watch.params if one.name == "lease"]
    assert int(code.rpartition("> ")[2].rstrip(")")) >= 2 * longest, "waiting for a run is no reason to be ended"
    beat = tmp_path / "heartbeat"

    def alive() -> bool:
        command = [sys.executable, flags, code.replace(file, str(beat))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert not alive()
    beat.touch()
    assert alive()
    os.utime(beat, (0, 0))
    assert not alive()

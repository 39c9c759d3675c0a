"""The environment files of clusters, held against the manifests that they speak of."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from jackpot.adapters.places import open_places
from jackpot.environment import Environment
from manifests.reading import Object
from pipelines.compiling import PIPELINES
from pipelines.tasks import AUDIT, CASH, ENVIRONMENTS, MLFLOW, MLFLOW_VARIABLES, SLACK, VOLUMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["staging", "production"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def environment(name: str) -> Environment:
    return open_places(name).environment


@pytest.fixture
def rendered(name: str, kustomize: Any) -> list[Object]:
    found: list[Object] = kustomize(ROOT / "manifests" / "overlays" / name)
    return found


def called(objects: list[Object], kind: str) -> dict[tuple[str, str], Object]:
    return {(i["metadata"]["namespace"], i["metadata"]["name"]): i for i in objects if i["kind"] == kind}


def test_models_go_where_the_runtime_and_its_account_are(environment: Environment, rendered: list[Object]) -> None:
    place = environment.deployment
    assert place.kind == "kserve"
    assert (place.namespace, place.runtime) in called(rendered, "ServingRuntime")
    assert (place.namespace, place.service_account) in called(rendered, "ServiceAccount")


def test_canaries_are_asked_through_the_gateway_that_kserve_uses(environment: Environment) -> None:
    """Envoy Gateway names a gateway's Service by its namespace, its name and the hash of both."""
    settings = yaml.safe_load((ROOT / "manifests/platform/kserve/config.yaml").read_text())["data"]["ingress"]
    gateway = yaml.safe_load(settings)["kserveIngressGateway"]
    assert hashlib.sha256(b"default/eg").hexdigest()[:8] == "e41e7b31"  # as its documentation shows
    service = f"envoy-{gateway.replace('/', '-')}-{hashlib.sha256(gateway.encode()).hexdigest()[:8]}"
    assert environment.deployment.gateway == f"http://{service}.{gateway.split('/')[0]}.svc"


def test_real_traffic_is_asked_of_the_prometheus_that_is_installed(
    environment: Environment, rendered: list[Object]
) -> None:
    """The chart names its Service by release and chart, cut to 26 characters; the pods' port is the Service's."""
    page = (ROOT / "docs" / "eks.md").read_text()
    ((release, chart, namespace),) = re.findall(
        r"helm upgrade --install (\S+) (kube-prometheus-stack) [^\n]*\\\n[^\n]*--namespace (\S+)", page
    )
    service = f"{f'{release}-{chart}'[:26].rstrip('-')}-prometheus"
    assert environment.deployment.traffic is not None
    assert environment.deployment.traffic.prometheus == f"http://{service}.{namespace}.svc:9090"
    (edge,) = called(rendered, "NetworkPolicy")["kubeflow", "runs-prometheus"]["spec"]["egress"]
    (peer,) = edge["to"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "prometheus"}
    assert edge["ports"] == [{"port": 9090, "protocol": "TCP"}]


def test_real_traffic_is_watched_where_the_model_servers_are_measured(
    environment: Environment, rendered: list[Object]
) -> None:
    """Twice a scrape at the least, in the namespace whose PodMonitor gives the labels `namespace` and `pod`."""
    monitor = called(rendered, "PodMonitor")[environment.deployment.namespace, "predictors"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert environment.deployment.traffic is not None
    assert environment.deployment.traffic.seconds >= 2 * int(endpoint["interval"].removesuffix("s"))
    assert not {"honorLabels", "metricRelabelings", "relabelings"} & endpoint.keys()


def test_every_pipeline_runs_as_an_account_that_exists(environment: Environment, rendered: list[Object]) -> None:
    accounts = environment.kfp_service_accounts
    assert set(accounts) <= set(PIPELINES)
    assert (accounts["promote"], accounts["weekly"]) == ("jackpot-promote", "pipeline-runner")
    there = {named for namespace, named in called(rendered, "ServiceAccount") if namespace == "kubeflow"}
    assert set(accounts.values()) <= {*there, "pipeline-runner"}  # platform/kubeflow-pipelines has that one
    for namespace, account in called(rendered, "ServiceAccount"):
        # Argo's executor and KFP's launcher speak to the cluster from within a step's pod.
        token = called(rendered, "ServiceAccount")[namespace, account]["automountServiceAccountToken"]
        assert token is (namespace == "kubeflow"), account


def test_steps_find_their_secrets_under_the_names_that_are_made(
    environment: Environment, rendered: list[Object]
) -> None:
    secrets = called(rendered, "ExternalSecret")
    assert {named for namespace, named in secrets if namespace == "kubeflow"} == {AUDIT, CASH, SLACK, MLFLOW}
    made = secrets["kubeflow", MLFLOW]["spec"]["target"]["template"]["data"]
    assert set(made) == set(MLFLOW_VARIABLES)
    assert environment.slack is not None
    assert environment.audit.key == f"{VOLUMES[AUDIT]}/key"
    assert environment.cash_uri == f"{VOLUMES[CASH]}/{{market}}.json"
    assert environment.slack.token == f"{VOLUMES[SLACK]}/token"
    assert environment.slack.signing_secret == f"{VOLUMES[SLACK]}/signing-secret"
    assert ("kubeflow", ENVIRONMENTS[0]) in called(rendered, "ConfigMap")


def test_services_mount_secrets_where_the_environment_looks_for_them(
    environment: Environment, rendered: list[Object]
) -> None:
    mounts = {
        named: {m["mountPath"] for m in item["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
        for (_, named), item in called(rendered, "Deployment").items()
    }
    for named, needed in {"console": {AUDIT, CASH}, "approvals": {AUDIT, SLACK}, "trigger": {AUDIT}}.items():
        assert {VOLUMES[secret] for secret in needed} | {ENVIRONMENTS[1]} <= mounts[named]


def test_notices_and_logins_are_those_of_the_place(name: str, environment: Environment, rendered: list[Object]) -> None:
    (place,) = [i["data"] for i in rendered if i["kind"] == "ConfigMap" and "AWS_REGION" in i["data"]]
    assert environment.sns is not None
    account = place["SECRETS_ROLE_JACKPOT"].split(":")[4]
    assert environment.sns.topic == f"arn:aws:sns:{place['AWS_REGION']}:{account}:jackpot-{name}"
    assert environment.console.issuer == place["OIDC_ISSUER"]
    policy = called(rendered, "SecurityPolicy")["jackpot", "console"]["spec"]["oidc"]
    assert policy["provider"]["issuer"] == environment.console.issuer
    assert policy["redirectURL"] == f"https://{place['CONSOLE_HOST']}/oauth2/callback"
    assert called(rendered, "HTTPRoute")["jackpot", "console"]["spec"]["hostnames"] == [place["CONSOLE_HOST"]]
    # The token of a login comes in the header that the gateway forwards it in.
    assert (policy["forwardAccessToken"], environment.console.header) == (True, "authorization")


def test_a_cluster_asks_for_more_than_a_laptop(environment: Environment) -> None:
    assert (environment.runner, environment.console.identity) == ("kubeflow", "oidc")
    assert environment.cash_required
    assert not environment.synthetic_allowed
    assert not environment.audit.create_key
    assert {"slack", "sns"} <= set(environment.notify)

"""The deployment on KServe, over HTTP, against a server that keeps the contract of server-side apply."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.deploy_kserve import FIELD_MANAGER, KServeDeployer
from jackpot.adapters.prometheus import Prometheus
from jackpot.environment import Deployment, Traffic
from jackpot.errors import JackpotError
from jackpot.ports import Target
from jackpot.promotion import Version
from jackpot.promotion.verify import forecast_curve
from jackpot.promotion.versions import keep_version
from jackpot.store import FolderStore
from tests.adapters.kserve_cluster import Behaviour, Cluster, leaves, serve
from tests.adapters.prometheus_server import PrometheusServer, prometheus_server, traffic, vector
from tests.core.promotion.conftest import NAME, Scene


class BucketStore(FolderStore):
    """A folder that calls itself a bucket."""

    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"


@dataclass
class Stage:
    cluster: Cluster
    deployer: KServeDeployer
    old: Target
    new: Target
    waited: list[float]
    said: list[str]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    from kubernetes import client

    scene, store = Scene(tmp_path), BucketStore(tmp_path / "store")
    targets, cluster = [], Cluster()
    for number in (1, 2):
        version = scene.add(number, None)
        files = scene.registry.files[version.version][1]
        prefix = keep_version(NAME, version, files, store)
        targets.append(Target("england", NAME, version.version, version.sha256, prefix, files))
        cluster.models[version.sha256] = Behaviour(forecast_curve(files)[1])
    server = serve(cluster)
    ticks = itertools.count()
    waited: list[float] = []
    said: list[str] = []
    deployer = KServeDeployer(
        Deployment(kind="kserve", ready_seconds=5),
        store,
        client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{server.server_address[1]}")),
        wait=waited.append,
        clock=lambda: float(next(ticks)),
        probes=150,
        say=said.append,
    )
    deployer.roll_out("england", targets[0])
    try:
        yield Stage(cluster, deployer, targets[0], targets[1], waited, said)
    finally:
        server.shutdown()
        server.server_close()


def test_the_first_version_is_applied_under_one_field_manager(stage: Stage) -> None:
    spec = stage.cluster.objects["england"]["spec"]
    assert spec["predictor"]["model"]["storageUri"] == f"s3://bucket/{stage.old.prefix}"
    assert "canary" not in spec
    assert stage.deployer.served("england") == stage.old.sha256
    applies = [query for method, _, query in stage.cluster.requests if method == "PATCH"]
    assert {(query["fieldManager"], query["force"]) for query in applies} == {(FIELD_MANAGER, "false")}


def by_index(value: Any) -> Any:
    """Return a document with its lists as dicts, so that `leaves` looks into them."""
    if isinstance(value, list):
        value = {str(index): each for index, each in enumerate(value)}
    return {key: by_index(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_the_object_is_one_that_kserve_knows(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through KServe's own models and back: a field that they do not know would be lost."""
    import kserve.models
    import kubernetes.client.models
    from kubernetes.client import ApiClient

    for name, kind in vars(kserve.models).items():
        if name.startswith("V1"):
            monkeypatch.setattr(kubernetes.client.models, name, kind, raising=False)
    manifest = stage.deployer._manifest("england", stage.deployer._predictor(stage.old), None)
    canary = (stage.deployer._predictor(stage.new), 10)
    for each in (manifest, stage.deployer._manifest("uk_lotto", stage.deployer._predictor(stage.old), canary)):
        read = ApiClient()._ApiClient__deserialize(each, "V1beta1InferenceService")
        back = ApiClient().sanitize_for_serialization(read)
        assert leaves(by_index(each)).items() <= leaves(by_index(back)).items()


def test_a_canary_gets_its_traffic_step_by_step_and_then_takes_the_name(stage: Stage) -> None:
    stage.deployer.roll_out("england", stage.new)
    assert stage.cluster.shares == [(100,), (0,), (10,), (50,), (100,)]
    predictor = stage.cluster.objects["england"]["spec"]["predictor"]
    assert predictor["name"] == f"v2-{stage.new.sha256[:8]}"
    assert stage.deployer.served("england") == stage.new.sha256
    before = len(stage.cluster.shares)
    stage.deployer.roll_out("england", stage.new)
    assert len(stage.cluster.shares) == before


@pytest.mark.parametrize(
    ("broken", "why", "furthest"),
    [
        ({"ready": False}, "was not ready", 0),
        ({"error_share": 1.0}, "requests failed", 10),
        ({"factor": 1.001}, "differs from the model's own by 0.1%", 10),
        ({"seconds": 0.15}, "95% of its answers took up to", 10),
    ],
)
def test_a_bad_version_is_stopped_early(stage: Stage, broken: dict[str, Any], why: str, furthest: int) -> None:
    sha256 = stage.new.sha256
    stage.cluster.models[sha256] = replace(stage.cluster.models[sha256], **broken)
    with pytest.raises(JackpotError, match=why):
        stage.deployer.roll_out("england", stage.new)
    assert max(share for shares in stage.cluster.shares[1:] for share in shares) == furthest
    assert stage.deployer.served("england") is None
    stage.deployer.serve("england", stage.old)
    assert stage.deployer.served("england") == stage.old.sha256


def test_a_promotion_that_is_stopped_gives_the_traffic_back(stage: Stage, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "promotion")
    first = scene.add(1, None)
    promoter = replace(scene.promoter(0, deployer=stage.deployer), store=BucketStore(scene.root / "store"))
    promoter.bootstrap(first)
    second = scene.add(2, first)
    scene.approve(second)
    stage.cluster.models[second.sha256].error_share = 1.0
    with pytest.raises(JackpotError, match="was stopped at 10%"):
        replace(promoter, at=scene.promoter().at).promote("v2")
    assert stage.deployer.served("england") == first.sha256
    assert scene.registry.aliases["champion"] == "v1"
    stage.cluster.models[second.sha256].error_share = 0.0
    assert replace(promoter, at=scene.promoter(2).at).promote("v2") == Version("v2", second.sha256)
    assert stage.deployer.served("england") == second.sha256


@pytest.fixture
def watched(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrometheusServer]:
    monkeypatch.setattr("jackpot.adapters.deploy_kserve.Prometheus", partial(Prometheus, seconds=1.0))
    with prometheus_server() as (url, server):
        stage.deployer._settings = Deployment(kind="kserve", ready_seconds=5, traffic=Traffic(prometheus=url))
        yield server


def recorded(stage: Stage, service: str = "england") -> list[dict[str, Any]]:
    """Return the steps of a roll-out as the store has them, and see that the log was told the same."""
    told = json.loads(stage.deployer._store.read(f"rollouts/{service}/v2-{stage.new.sha256[:16]}.json"))
    assert (told["service"], told["version"], told["model_sha256"]) == (service, "v2", stage.new.sha256)
    said = [line.partition(": ")[2] for line in stage.said if line.startswith(f"{service}, v2")]
    steps: list[dict[str, Any]] = told["steps"]
    assert [json.loads(line) for line in said] == steps
    return steps


def test_real_traffic_that_is_well_lets_a_canary_go_on(stage: Stage, watched: PrometheusServer) -> None:
    stage.deployer.roll_out("england", stage.new)
    assert stage.cluster.shares == [(100,), (0,), (10,), (50,), (100,)]
    assert stage.waited == [60, 60], "at 10 and at 50%"
    assert {query.count('model="england", version="v2"') for query in watched.queries} == {2}
    steps = recorded(stage)
    assert [step["percent"] for step in steps] == [10, 50, 100]
    words = "1000 requests, of which 0 failed; 99% took up to 5 ms, in 60 s"
    assert [step.get("real_traffic") for step in steps] == [words, words, None]
    stage.deployer.roll_out("england", stage.new)
    assert len(watched.queries) == 2
    stage.said.pop()
    assert recorded(stage) == steps, "a repeated roll-out has nothing to add"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (traffic(400, errors=40), "40 of 400 requests of real traffic failed, over 1%"),
        (traffic(400, slow=40), "99% of the answers to real traffic took up to 950 ms, over 250 ms"),
    ],
)
def test_real_traffic_that_fails_stops_a_canary_that_the_probes_would_pass(
    stage: Stage, watched: PrometheusServer, answer: dict[str, Any], why: str
) -> None:
    watched.answer = answer
    with pytest.raises(JackpotError, match=f"v2 was stopped at 10% of the traffic: {why}"):
        stage.deployer.roll_out("england", stage.new)
    assert max(share for shares in stage.cluster.shares[1:] for share in shares) == 10
    (step,) = recorded(stage)
    assert step["probes"] == "nothing against it"
    stage.deployer.serve("england", stage.old)
    assert stage.deployer.served("england") == stage.old.sha256


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        ({"answer": traffic(99, errors=99, slow=99)}, "99 requests, of which 99 failed.* fewer than 100, the probes"),
        ({"answer": traffic(0)}, "no requests, in 60 s; fewer than 100, the probes alone decided"),
        ({"answer": vector()}, "not known, the probes alone decided: .* has no metrics of the servers of england v2"),
        ({"answer": "<html>", "status": 502}, "not known, the probes alone decided: .* answered 502 and no vector"),
        ({"answer": {"status": "error", "error": "overloaded"}, "status": 503}, "not known.* refused: 503 overloaded"),
        ({"wait_seconds": 30.0}, "not known, the probes alone decided: .* did not answer in 1 s"),
        (None, "not known, the probes alone decided: Prometheus at http://127.0.0.1:9 cannot be reached"),
    ],
)
def test_without_figures_the_probes_decide_and_the_record_says_so(
    stage: Stage, watched: PrometheusServer, spoilt: dict[str, Any] | None, says: str
) -> None:
    for name, value in (spoilt or {}).items():
        setattr(watched, name, value)
    if spoilt is None:
        limits = Traffic(prometheus="http://127.0.0.1:9")
        stage.deployer._settings = stage.deployer._settings.model_copy(update={"traffic": limits})
    stage.deployer.roll_out("england", stage.new)
    assert stage.deployer.served("england") == stage.new.sha256
    first, second, _ = recorded(stage)
    assert re.match(says, first["real_traffic"])
    assert re.match(says, second["real_traffic"])


def test_probes_that_fail_are_not_followed_by_a_minute_of_real_traffic(stage: Stage, watched: PrometheusServer) -> None:
    stage.cluster.models[stage.new.sha256].error_share = 1.0
    with pytest.raises(JackpotError, match="was stopped at 10%"):
        stage.deployer.roll_out("england", stage.new)
    assert (watched.queries, stage.waited) == ([], [])
    (step,) = recorded(stage)
    assert "requests failed" in step["probes"][0]


def test_a_candidate_has_no_traffic_to_watch(stage: Stage, watched: PrometheusServer) -> None:
    stage.deployer.roll_out("england-candidate", stage.old)
    stage.deployer.roll_out("england-candidate", stage.new)
    assert (watched.queries, stage.waited) == ([], [])
    assert [step["percent"] for step in recorded(stage, "england-candidate")] == [10, 50, 100]


def quota(**left: str) -> dict[str, Any]:
    hard = {"limits.cpu": "32", "limits.memory": "48Gi", "pods": "80", "cpu": "16"}
    used = {
        "limits.cpu": left.get("cpu", "1"),
        "limits.memory": left.get("memory", "1Gi"),
        "pods": left.get("pods", "3"),
        "cpu": left.get("requests", "1"),
    }
    status = {"hard": hard, "used": used}
    return {"items": [{"metadata": {"name": "jackpot-serving"}, "spec": {"hard": hard}, "status": status}]}


SPACE = "namespaces/jackpot-serving"
LIMITS = {"limits": {"cpu": "1", "memory": "768Mi"}, "requests": {"cpu": "250m"}}
RUNTIME = {"spec": {"containers": [{"resources": LIMITS}]}}


@pytest.mark.parametrize(
    ("used", "short"),
    [
        ({"cpu": "31500m"}, r"limits\.cpu 0\.500 left of 32, 1 needed"),
        ({"memory": "47.5Gi"}, r"limits\.memory 536870912.* left of 48Gi, 805306368 needed"),
        ({"requests": "16"}, r"cpu 0 left of 16, 0\.250 needed"),
        ({"pods": "80"}, r"pods 0 left of 80, 1 needed"),
    ],
)
def test_a_canary_without_room_is_refused_before_anything_changes(
    stage: Stage, used: dict[str, str], short: str
) -> None:
    stage.cluster.others = {
        f"/api/v1/{SPACE}/resourcequotas": quota(**used),
        f"/apis/serving.kserve.io/v1alpha1/{SPACE}/servingruntimes/jackpot": RUNTIME,
    }
    applied = len([one for one in stage.cluster.requests if one[0] == "PATCH"])
    with pytest.raises(JackpotError, match=f"no room for another pod of england.*nothing was changed: .*{short}"):
        stage.deployer.roll_out("england", stage.new)
    assert len([one for one in stage.cluster.requests if one[0] == "PATCH"]) == applied
    assert stage.deployer.served("england") == stage.old.sha256


def test_a_canary_that_just_fits_goes_on(stage: Stage) -> None:
    stage.cluster.others = {
        f"/api/v1/{SPACE}/resourcequotas": quota(cpu="31", memory="47.25Gi", pods="79"),
        f"/apis/serving.kserve.io/v1alpha1/{SPACE}/servingruntimes/jackpot": RUNTIME,
    }
    stage.deployer.roll_out("england", stage.new)
    assert stage.deployer.served("england") == stage.new.sha256


def test_a_roll_out_goes_on_whose_canary_took_the_last_room(stage: Stage) -> None:
    live = stage.cluster.objects["england"]
    new = stage.deployer._predictor(stage.new).spec("england", stage.deployer._settings, canary=True)
    live["spec"]["canary"] = [{"predictor": new, "trafficPercent": 10}]
    stage.cluster.others = {f"/api/v1/{SPACE}/resourcequotas": quota(pods="80")}
    stage.deployer.roll_out("england", stage.new)
    assert stage.deployer.served("england") == stage.new.sha256


def test_a_quota_on_some_pods_alone_is_not_this_ones(stage: Stage) -> None:
    quotas = quota(pods="80")
    quotas["items"][0]["spec"]["scopes"] = ["BestEffort"]
    stage.cluster.others = {f"/api/v1/{SPACE}/resourcequotas": quotas}
    stage.deployer.roll_out("england", stage.new)
    assert stage.deployer.served("england") == stage.new.sha256


def test_a_humans_edit_is_reported_and_left_alone(stage: Stage) -> None:
    live = stage.cluster.objects["england"]
    body = {"spec": {"predictor": {"minReplicas": 9}}}
    assert stage.cluster.apply("england", body, "kubectl-edit", force=True, dry_run=False)[0] == 200
    shares = list(stage.cluster.shares)
    with pytest.raises(JackpotError, match=r'conflicts with "kubectl-edit".*spec\.predictor\.minReplicas') as raised:
        stage.deployer.roll_out("england", stage.new)
    assert "--force-conflicts" in str(raised.value)
    assert stage.cluster.objects["england"]["spec"]["predictor"]["minReplicas"] == 9
    assert stage.cluster.shares == shares
    assert live["metadata"]["name"] == "england"


def test_a_field_that_somebody_adds_beside_ours_stays(stage: Stage) -> None:
    body = {"spec": {"predictor": {"nodeSelector": {"disk": "ssd"}}}}
    stage.cluster.apply("england", body, "kubectl", force=False, dry_run=False)
    stage.deployer.roll_out("england", stage.new)
    assert stage.cluster.objects["england"]["spec"]["predictor"]["nodeSelector"] == {"disk": "ssd"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((403, {"message": "pipeline-runner may deploy candidates only"}), "403 pipeline-runner may deploy"),
        ((500, {"message": "etcdserver: request timed out"}), "500 etcdserver"),
    ],
)
def test_what_the_cluster_refuses_it_says(stage: Stage, answer: tuple[int, dict[str, Any]], why: str) -> None:
    stage.cluster.answer = answer
    with pytest.raises(JackpotError, match=why):
        stage.deployer.roll_out("england", stage.new)


def test_a_cluster_that_is_away_is_named(tmp_path: Path, stage: Stage) -> None:
    from kubernetes import client

    gone = client.ApiClient(client.Configuration(host="http://127.0.0.1:9"))
    deployer = KServeDeployer(Deployment(kind="kserve"), BucketStore(tmp_path), gone)
    with pytest.raises(JackpotError, match="cannot be reached to read england"):
        deployer.served("england")


def test_a_store_that_is_no_bucket_cannot_be_served_from(stage: Stage, tmp_path: Path) -> None:
    deployer = KServeDeployer(Deployment(kind="kserve"), FolderStore(tmp_path / "store"), None)
    with pytest.raises(JackpotError, match="reads models from s3://"):
        deployer.serve("england", stage.old)


def test_the_server_is_told_which_model_it_serves_and_under_which_name(stage: Stage) -> None:
    """The object's name has no underscore, the market's may; a candidate answers under a name of its own."""
    stage.deployer.roll_out("uk_lotto-candidate", stage.new)
    spec = stage.cluster.objects["uk-lotto-candidate"]["spec"]
    told = ["--model_name=uk_lotto-candidate", "--model_version=v2", f"--model_sha256={stage.new.sha256}"]
    assert spec["predictor"]["model"]["args"] == told
    assert (spec["predictor"]["model"]["runtime"], spec["predictor"]["serviceAccountName"]) == ("jackpot", "predictor")


def test_the_arguments_are_those_that_the_server_takes(stage: Stage) -> None:
    """As KServe starts it: the runtime's arguments, then the service's, of which the last of a kind counts."""
    import yaml

    from serving.server import parser

    runtime = yaml.safe_load(
        (Path(__file__).resolve().parents[2] / "manifests/base/services/serving-runtime.yaml").read_text()
    )
    (container,) = runtime["spec"]["containers"]
    service = stage.cluster.objects["england"]["spec"]["predictor"]
    words = [*container["args"][3:], *service["model"]["args"]]
    read, unknown = parser().parse_known_args([word.replace("{{.Name}}", "england") for word in words])
    assert not unknown
    assert (read.model_name, read.model_version, read.model_sha256) == ("england", "v1", stage.old.sha256)
    assert (read.model_dir, read.store, read.payload_store) == ("/mnt/models", "$(STORE)", "$(PAYLOAD_STORE)")
    assert {"name": "jackpot", "version": "1"}.items() <= runtime["spec"]["supportedModelFormats"][0].items()
    assert runtime["metadata"]["namespace"] == Deployment(kind="kserve").namespace


def test_a_service_is_asked_at_the_gateway_by_its_own_host(stage: Stage) -> None:
    url, host = stage.deployer.address("england")
    assert url == f"http://{host}"
    stage.deployer._settings = Deployment(kind="kserve", gateway="http://gateway.example.com/")
    assert stage.deployer.address("england") == ("http://gateway.example.com", host)
    with pytest.raises(JackpotError, match="uk-lotto has no address yet"):
        stage.deployer.address("uk_lotto")

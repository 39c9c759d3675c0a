"""jackpot doctor: what is missing is named, with its fix; Kubernetes and Kubeflow are asked over HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
import yaml

from jackpot.cli import main
from tests.conftest import Place
from tests.http_json import JsonHandler
from tests.kubeflow_server import kubeflow_server


class Cluster(JsonHandler):
    """The three questions that doctor asks of a Kubernetes API."""

    allowed = True
    missing: tuple[str, ...] = ()

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if self.path == "/version/":
            fields = ("major", "minor", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
            self.reply(200, {**dict.fromkeys(fields, "1"), "gitVersion": "v1.35.0"})
        elif name in self.missing:
            self.reply(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
        else:
            names = {"plural": "x", "kind": "X"}
            spec = {"group": "g", "names": names, "scope": "Namespaced", "versions": []}
            self.reply(200, {"metadata": {"name": name}, "spec": spec})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["spec"]["resourceAttributes"]["namespace"] == "jackpot-serving"
        self.reply(201, {**body, "status": {"allowed": self.allowed}})


@pytest.fixture
def cluster(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Cluster]]:
    handler = type("Handler", (Cluster,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    named = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}]
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": named,
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = place.root / "kubeconfig"
    path.write_text(yaml.safe_dump(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def examined(capsys: pytest.CaptureFixture[str], environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    with pytest.raises(SystemExit) as stop:
        main(["doctor", "--environment", environment, "--json"])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return int(stop.value.code or 0), {finding["name"]: finding for finding in json.loads(out)["findings"]}


def with_settings(place: Place, extra: str) -> str:
    path = place.root / "cluster.yaml"
    path.write_text(place.environment.read_text().replace("environment: test", "environment: cluster") + extra)
    return str(path)


def test_a_place_on_this_machine_is_well(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    code, found = examined(capsys, str(place.environment))
    assert code == 0
    assert {name for name, finding in found.items() if finding["state"] == "failed"} == set()
    assert found["audit key"]["state"] == "ok"


def test_a_version_that_is_served_and_never_was_promoted_is_named(
    capsys: pytest.CaptureFixture[str], place: Place
) -> None:
    from jackpot.adapters.places import open_places

    places = open_places(str(place.environment))
    places.audit("england").append("claim", "another", at="2026-11-21T12:00:00Z", by="run:1", body={})
    told = {"service": "england", "model_name": "england", "version": "v2", "model_sha256": "a" * 64, "prefix": "x"}
    places.store.replace("deployments/england.json", json.dumps(told).encode())
    code, found = examined(capsys, str(place.environment))
    assert (code, found["served models"]["state"]) == (1, "failed")
    assert "serves england v2, and the log has no champion" in found["served models"]["found"]
    assert found["served models"]["fix"] == "jackpot models restore"
    with pytest.raises(SystemExit) as stop:
        main(["serve", "england", "--environment", str(place.environment)])
    assert stop.value.code == 1
    assert "serves england v2, and the log has no champion" in capsys.readouterr().err


def test_a_whole_cluster_is_well(capsys: pytest.CaptureFixture[str], place: Place, cluster: type[Cluster]) -> None:
    with kubeflow_server() as (host, _):
        extra = f"runner: kubeflow\nkfp_host: {host}\nmarkets: [england]\ndeployment: {{kind: kserve}}\n"
        env = with_settings(place, extra)
        code, found = examined(capsys, env)
        assert code == 0
        assert found["cluster"]["found"] == "Kubernetes v1.35.0"
        assert found["schedules"]["state"] == "warning"
        assert "schedule apply" in found["schedules"]["fix"]
        with pytest.raises(SystemExit):
            main(["schedule", "apply", "--environment", env])
        capsys.readouterr()
        assert examined(capsys, env)[1]["schedules"]["state"] == "ok"


def test_each_thing_that_is_missing_is_named_with_its_fix(
    capsys: pytest.CaptureFixture[str], place: Place, cluster: type[Cluster]
) -> None:
    cluster.missing = ("inferenceservices.serving.kserve.io",)
    cluster.allowed = False
    extra = (
        "runner: kubeflow\nkfp_host: http://127.0.0.1:1\nmarkets: [england]\ndeployment: {kind: kserve}\n"
        "notify: [slack]\nslack: {channel: C0, token: secrets/slack}\n"
    )
    env = with_settings(place, extra)
    (place.root / "cluster.yaml").write_text(
        (place.root / "cluster.yaml").read_text().replace("cash_required: false", "cash_required: true")
    )
    code, found = examined(capsys, env)
    assert code == 1
    failed = {name for name, finding in found.items() if finding["state"] == "failed"}
    assert failed == {"crd inferenceservices.serving.kserve.io", "kubeflow", "slack token", "cash figures england"}
    assert all(found[name]["fix"] for name in failed)
    assert found["right to patch inferenceservices"]["state"] == "warning"


def test_a_changed_audit_log_is_found(capsys: pytest.CaptureFixture[str], place: Place) -> None:
    from jackpot.adapters.places import open_places

    log = open_places(str(place.environment)).audit("england")
    log.append("decision", "x", at="2026-11-21T00:00:00Z", by="ada", body={})
    (path,) = (place.root / "audit/records/england").iterdir()
    path.write_bytes(path.read_bytes().replace(b"ada", b"bob"))
    code, found = examined(capsys, str(place.environment))
    assert code == 1
    assert "record 1" in found["audit log"]["found"]

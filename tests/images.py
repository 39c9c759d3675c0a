"""The images as a cluster runs them: read-only, without rights, as 10001, on no network but what they need.

`make test-images` builds them first; skipped, with the reason, where there is no Docker engine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.scoring import write_model, write_store
from tests.serving.conftest import wait_for

ROOT = Path(__file__).resolve().parent.parent
DOCKER = os.environ.get("DOCKER", "docker")
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=10001:10001", "--tmpfs=/tmp")
RUNTIME = ROOT / "manifests" / "base" / "services" / "serving-runtime.yaml"


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run([DOCKER, *words], capture_output=True, text=True)
    assert not check or done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout.strip()


@pytest.fixture(scope="session")
def tag() -> str:
    if shutil.which(DOCKER) is None or subprocess.run([DOCKER, "info"], capture_output=True).returncode != 0:
        pytest.skip(f"there is no Docker engine that {DOCKER} reaches")
    head = ["git", "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def network() -> Iterator[str]:
    """A network that leads nowhere but to this machine."""
    name = f"jackpot-images-{os.getpid()}"
    docker("network", "create", "--internal", name)
    yield name
    docker("network", "rm", name)


def test_the_pipelines_image_runs_the_weekly_pipeline_without_a_network(tag: str, tmp_path: Path) -> None:
    """Under kfp.local each step is started by the command and arguments of the compiled pipeline, in this image."""
    place = tmp_path / "place"
    place.mkdir()
    local = (ROOT / "configs" / "environments" / "local.yaml").read_text()
    (place / "local.yaml").write_text(local.replace("root: ../..", "root: /place"))
    for path in (tmp_path, place):
        path.chmod(0o777)
    words = ("jackpot", "run", "england", "--environment", "/place/local.yaml", "--out", "/place/out", "--json")
    run = ("run", "--rm", "--network", "none", *HARDENED, "--env", "HOME=/tmp", "--volume", f"{place}:/place")
    docker(*run, f"jackpot-optimiser/pipeline:{tag}", *words)
    found = json.loads((place / "out" / "recommendation.json").read_bytes())
    assert found["status"] == "recommended"
    here = tmp_path / "here"
    words = ("run", "england", "--environment", str(place / "here.yaml"), "--out", str(here), "--json")
    (place / "here.yaml").write_text(local.replace("root: ../..", f"root: {tmp_path}"))
    jackpot = shutil.which("jackpot", path=str(ROOT / ".venv" / "bin")) or "jackpot"
    subprocess.run([jackpot, *words], capture_output=True, check=True, cwd=ROOT)
    own = json.loads((here / "recommendation.json").read_bytes())
    assert {key: own[key] for key in ("jackpot", "expected_value", "expected_sales", "planned_path")} == {
        key: found[key] for key in ("jackpot", "expected_value", "expected_sales", "planned_path")
    }


def test_the_servers_image_answers_as_its_runtime_starts_it(tag: str, network: str, tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    write_store(tmp_path / "store")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755)
    (runtime,) = (one for one in yaml.safe_load_all(RUNTIME.read_text()) if one["kind"] == "ServingRuntime")
    (container,) = runtime["spec"]["containers"]
    settings = {"{{.Name}}": "england", "$(STORE)": "/mnt/store", "$(PAYLOAD_STORE)": "/tmp/payloads"}  # noqa: S108
    words = []
    for word in container["args"]:
        for name, value in settings.items():
            word = word.replace(name, value)
        words.append(word)
    memory = container["resources"]["limits"]["memory"].replace("Mi", "m")
    mounted = [f"--volume={tmp_path}/{part}:/mnt/{to}:ro" for part, to in (("model", "models"), ("store", "store"))]
    run = ("run", "--detach", "--network", network, *HARDENED, "--memory", memory, *mounted)
    server = docker(*run, f"jackpot-optimiser/serving:{tag}", *words)
    try:
        address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", server)
        base = f"http://{address}:8080"

        def ready() -> bool:
            try:
                return httpx.get(f"{base}/v2/health/ready", timeout=1).status_code == 200
            except httpx.HTTPError:
                return False

        assert wait_for(ready, 60), docker("logs", server, check=False)
        asked = httpx.get(f"{base}/openapi.json").json()["paths"]
        for path, answer in (("/v1/models/{}:predict", "predictions"), ("/v2/models/{}/infer", "outputs")):
            post = asked[path.format("{model_name}")]["post"]
            example = post["requestBody"]["content"]["application/json"]["example"]
            assert httpx.post(base + path.format("england"), json=example).json()[answer]
        docker("stop", "--time", "60", server)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", server) == "0"
    finally:
        docker("rm", "--force", server)


def test_nothing_that_builds_is_left_and_the_server_is_the_smaller_image(tag: str) -> None:
    sizes = {}
    for name in ("pipeline", "serving"):
        image = f"jackpot-optimiser/{name}:{tag}"
        sizes[name] = int(docker("image", "inspect", "--format", "{{.Size}}", image))
        script = "for tool in gcc cc make pip pip3 uv; do command -v $tool; done; id -u"
        found = docker("run", "--rm", "--network", "none", *HARDENED, image, "sh", "-c", script)
        assert found == "10001"
    print(f"pipeline {sizes['pipeline'] / 1e6:.0f} MB, serving {sizes['serving'] / 1e6:.0f} MB")
    assert sizes["serving"] <= 0.6 * sizes["pipeline"]

"""The commands in front of the server, and the lines of its documentation, run as they are written."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from .conftest import MARKET, ROOT, Trained, free_port, wait_for

DOCS = (ROOT / "docs" / "serving.md").read_text()
README = (ROOT / "README.md").read_text()
JACKPOT = (sys.executable, "-m", "jackpot")


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[str]
    url: str
    grpc: str
    environment: Path

    def here(self, text: str) -> str:
        """Return a text of the documentation with the addresses of this server."""
        return text.replace("localhost:8080", self.url.removeprefix("http://")).replace("localhost:8081", self.grpc)


@pytest.fixture(scope="module")
def served(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return what `jackpot serve` started."""
    environment = tmp_path_factory.mktemp("serve") / "local.yaml"
    text = (ROOT / "configs" / "environments" / "local.yaml").read_text()
    text = re.sub(r"(?m)^root:.*$", f"root: {environment.parent}", text)
    environment.write_text(re.sub(r"(?m)^store:.*$", f"store: {trained.folder}", text))
    http, grpc = free_port(), free_port()
    flags = ["--environment", str(environment), "--port", str(http), "--grpc-port", str(grpc), "--json"]
    process = subprocess.Popen([*JACKPOT, "serve", MARKET, *flags], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    one = Served(process, f"http://localhost:{http}", f"localhost:{grpc}", environment)

    def ready() -> bool:
        try:
            return httpx.get(f"{one.url}/v2/health/ready").status_code == 200
        except httpx.HTTPError:
            return False

    assert wait_for(ready, 60)
    yield one
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert json.loads(said)["models"][0]["model_version"] == "v1"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*JACKPOT, *words], capture_output=True, text=True, cwd=ROOT, check=False)


def test_forecast_asks_the_server(served: Served) -> None:
    found = _run("forecast", MARKET, "--url", served.url, "--jackpot", "20000000", "--jackpot", "4e8", "--json")
    answer = json.loads(found.stdout)
    assert [one["extrapolated"] for one in answer["predictions"]] == [False, True]
    shown = _run("forecast", MARKET, "--url", served.url)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "model v1" in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--jackpot", "1e15"), 2, "allowed"),
        (("--date", "2020-01-01"), 2, "before the day"),
        (("--date", "tomorrow"), 2, "no such date"),
    ],
)
def test_forecast_says_what_the_server_refuses(served: Served, words: tuple[str, ...], code: int, said: str) -> None:
    found = _run("forecast", MARKET, "--url", served.url, *words)
    assert (found.returncode, said in found.stderr) == (code, True), found.stderr


def test_forecast_without_a_server_says_so() -> None:
    found = _run("forecast", MARKET, "--url", f"http://localhost:{free_port()}")
    assert found.returncode == 1
    assert "jackpot serve" in found.stderr
    assert "Traceback" not in found.stderr


def test_serve_without_a_model_says_what_to_do(served: Served, tmp_path: Path) -> None:
    environment = tmp_path / "local.yaml"
    environment.write_text(re.sub(r"(?m)^root:.*$", f"root: {tmp_path}", served.environment.read_text()))
    environment.write_text(re.sub(r"(?m)^store:.*$", "store: empty", environment.read_text()))
    found = _run("serve", "--environment", str(environment))
    assert found.returncode == 2
    assert "jackpot run england" in found.stderr


def test_a_port_that_is_taken_is_said(served: Served) -> None:
    port = served.url.rpartition(":")[2]
    found = _run("serve", "--environment", str(served.environment), "--port", port, "--grpc-port", str(free_port()))
    assert found.returncode == 2
    assert f"port {port}" in found.stderr


@pytest.mark.parametrize(
    "line", re.findall(r"(?ms)^(curl .*?)^```", DOCS + README), ids=["predict", "explain", "infer", "readme"]
)
def test_the_curl_lines_of_the_documentation_work(served: Served, line: str) -> None:
    found = subprocess.run(["bash", "-c", served.here(line)], capture_output=True, text=True, check=True)
    assert "error" not in json.loads(found.stdout)


def test_the_python_of_the_documentation_works(served: Served) -> None:
    (code,) = re.findall(r"(?ms)^```python\n(.*?)^```", DOCS)
    command = [sys.executable, "-c", served.here(code)]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    over_rest, over_grpc = re.findall(r"(?s)\{'mean': array.*?\}", found.stdout)
    assert over_rest == over_grpc

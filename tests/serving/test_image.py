"""The image of the server holds what its lock names and no more: the server starts and answers with nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from .collector import Collector
from .conftest import MARKET, ROOT, Trained, start, wait_for

OURS = "jackpot-optimiser"
BLOCKER = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="session")
def absent() -> list[str]:
    """Return the modules here that are not in the serving image."""
    lock = (ROOT / "requirements-serving.lock").read_text()
    locked = {_plain(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", lock, re.MULTILINE)} | {OURS}
    found = packages_distributions()
    return sorted(module for module, of in found.items() if not locked & {_plain(name) for name in of})


@pytest.fixture
def only_the_lock(absent: list[str], tmp_path: Path) -> dict[str, str]:
    """Return the environment of an interpreter without them."""
    folder = tmp_path / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"ABSENT = {set(absent)}\n{BLOCKER}")
    return {"PYTHONPATH": str(folder)}


def test_the_lock_leaves_out_what_trains(absent: list[str], only_the_lock: dict[str, str]) -> None:
    assert {"scipy", "sklearn", "mlflow", "matplotlib", "kfp", "pytest"} <= set(absent)
    for name in ("scipy", "scipy.special", "sklearn"):
        done = subprocess.run([sys.executable, "-c", f"import {name}"], env=only_the_lock, capture_output=True)
        assert b"ModuleNotFoundError" in done.stderr


def test_the_server_answers_with_its_lock_alone(
    trained: Trained, tmp_path: Path, only_the_lock: dict[str, str]
) -> None:
    collector = Collector()
    environ = {**only_the_lock, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    flags = ("--deployed", "--store", str(trained.folder), "--payload_store", str(tmp_path / "kept"))
    server = start(tmp_path / "log", *flags, environ=environ)
    try:
        instance = {"jackpot": 2e7, "draw_date": "2025-12-20"}
        for verb in ("predict", "explain"):
            answer = httpx.post(f"{server.url}/v1/models/{MARKET}:{verb}", json={"instances": [instance]}, timeout=30)
            assert answer.status_code == 200, answer.text
        columns: list[Any] = [("jackpot", "FP64", [2e7]), ("draw_date", "BYTES", ["2025-12-20"])]
        inputs = [{"name": name, "datatype": kind, "shape": [1], "data": data} for name, kind, data in columns]
        answer = httpx.post(f"{server.url}/v2/models/{MARKET}/infer", json={"inputs": inputs})
        assert answer.status_code == 200
        assert httpx.get(f"{server.url}/openapi.json").status_code == 200
        assert httpx.get(f"{server.url}/docs").status_code == 200
        request = pb.ModelInferRequest(model_name=MARKET)
        request.inputs.add(name="jackpot", datatype="FP64", shape=[1]).contents.fp64_contents.append(2e7)
        request.inputs.add(name="draw_date", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"2025-12-20")
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
            channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(request.SerializeToString())
        assert [line["model_version"] for line in server.lines("loaded")] == ["v1"]
        assert wait_for(lambda: len(collector.find(jackpot__model=MARKET)) == 4, 10)
    finally:
        assert server.stop() == 0
        collector.close()
    assert list((tmp_path / "kept").rglob("*.parquet"))
    assert server.lines("defect") == server.lines("refused") == []
    assert not [line for line in server.log.read_text().splitlines() if line and "event" not in json.loads(line)]


@pytest.mark.parametrize("module", ["jackpot.adapters.s3_store", "boto3", "serving.tracing"])
def test_what_the_server_imports_later_is_in_its_lock_too(module: str, only_the_lock: dict[str, str]) -> None:
    code = f"import sys; sys.argv = ['x']; import {module}"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=only_the_lock, check=True)

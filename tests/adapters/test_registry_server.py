"""The registry by setting alone: an MLflow server over HTTP, its records in PostgreSQL, its files in S3."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.mlflow_registry import MlflowRegistry
from tests.adapters.conftest import free_port

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

pytestmark = [
    pytest.mark.xdist_group("mlflow-server"),
    pytest.mark.integration,
    pytest.mark.skipif(POSTGRES is None, reason="PostgreSQL is not installed: apt-get install postgresql"),
]

A, B = "a" * 64, "b" * 64


def as_postgres(*words: str) -> None:
    """Run a program of PostgreSQL as an ordinary user: it refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, f"{POSTGRES}/{words[0]}", *words[1:]], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # A socket's path is short, and the user postgres reads no folder of the tests.
    folder = Path("/tmp") / f"jackpot-postgres-{os.getpid()}"  # noqa: S108
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    port, data = free_port(), folder / "data"
    try:
        as_postgres("initdb", "-D", str(data), "-U", "mlflow", "--auth=trust", "-E", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        as_postgres("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
        finally:
            as_postgres("pg_ctl", "-D", str(data), "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(postgres: str, s3: Any, tmp_path: Path) -> Iterator[str]:
    s3.create_bucket(Bucket="mlflow")
    port = free_port()
    records = postgres.replace("postgresql", "postgresql+psycopg2", 1)
    settings = {**os.environ, "MLFLOW_S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1",
             f"--backend-store-uri={records}", "--artifacts-destination=s3://mlflow/artifacts", "--serve-artifacts"],
            env=settings, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    pytest.fail("MLflow did not start:\n" + (tmp_path / "log").read_text()[-2000:])
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def test_versions_and_aliases_live_on_the_server(server: str, s3: Any, postgres: str) -> None:
    registry = MlflowRegistry(server, None)
    assert registry.champion("england") is None
    for sha256 in (A, B):
        logged = registry.log("england", "run", sha256, {"model.json": sha256.encode()}, {"wmape_pct": 5.0}, {})
        registry.register("england", logged, sha256, {"as_of": "2026-01-01", "commit": "c0ffee"})
    registry.set_aliases("england", {"champion": "v2", "previous": "v1", "challenger": None})

    again = MlflowRegistry(server, None)
    champion = again.champion("england")
    assert champion is not None
    assert (champion.version, champion.sha256, champion.files) == ("v2", B, {"model.json": B.encode()})
    assert [(n.version, n.aliases, n.tags["commit"]) for n in again.versions("england")] == [
        ("v1", ("previous",), "c0ffee"),
        ("v2", ("champion",), "c0ffee"),
    ]
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert sum(key.endswith("artifacts/model/model.json") for key in keys) == 2

    import psycopg2

    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select alias, version from registered_model_aliases order by alias")
        assert cursor.fetchall() == [("champion", 2), ("previous", 1)]

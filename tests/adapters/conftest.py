"""Real servers on loopback ports, for the tests that need them: S3, PostgreSQL, and MLflow on both."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
SERVER_PORTS = (
    "s3.port",
    "s3.port.iceberg",
    "s3.port.lance",
    "master.port",
    "volume.port",
    "filer.port",
    "webdav.port",
    "admin.port",
)


def free_port() -> int:
    """Return a port that is free, and free 10,000 above it, where the server listens for its own parts."""
    while True:
        port = random.randrange(20_000, 50_000)
        try:
            for each in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port


def client(port: int, keys: dict[str, str]) -> Any:
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("s3")
    ports = {name: free_port() for name in SERVER_PORTS}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret-of-the-test"}
    server = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "weed"),
            "mini",
            f"-dir={folder}",
            "-ip=127.0.0.1",
            "-admin.ui=false",
            *(f"-{name}={port}" for name, port in ports.items()),
        ],
        env={**os.environ, **keys},
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                client(ports["s3.port"], keys).list_buckets()
                break
            except (BotoCoreError, ClientError):
                if time.monotonic() > deadline or server.poll() is not None:
                    pytest.fail("the S3 server did not start:\n" + (folder / "log").read_text()[-2000:])
                time.sleep(0.1)
        yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of that server; whatever else asks boto3 for a client in this test gets the same server."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return boto3.client("s3")


def as_postgres(*words: str) -> None:
    """Run a program of PostgreSQL as an ordinary user: it refuses to run as root."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, f"{POSTGRES}/{words[0]}", *words[1:]], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL of its own, run by an ordinary user."""
    if POSTGRES is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # A socket's path is short, and the user postgres reads no folder of the tests.
    folder = Path(tempfile.mkdtemp(prefix="jackpot-postgres-", dir="/tmp"))
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
def mlflow_server(postgres: str, s3: Any, tmp_path: Path) -> Iterator[str]:
    """The address of an MLflow server on PostgreSQL and S3."""
    s3.create_bucket(Bucket="mlflow")
    port = free_port()
    records = postgres.replace("postgresql", "postgresql+psycopg2", 1)
    settings = {**os.environ, "MLFLOW_S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]}
    settings["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # seven processes that nothing here needs
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}", "--workers=1",
             f"--backend-store-uri={records}", "--artifacts-destination=s3://mlflow/artifacts", "--serve-artifacts"],
            env=settings, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
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

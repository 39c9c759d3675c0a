"""A real S3 server on a loopback port, started once for the tests that need it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

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
        deadline = time.monotonic() + 30
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

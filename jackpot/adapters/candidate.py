"""Where a candidate answers: at its service on a cluster; on this machine at a server started for the question."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..errors import JackpotError
from .http_server import HttpServer
from .places import Places

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
LAST_CHARACTERS: Final = 2000


@contextmanager
def candidate_server(places: Places, market: str) -> Iterator[HttpServer]:
    """Yield the server on which `<market>-candidate` answers; raise JackpotError where there is none."""
    settings = places.environment.deployment
    if settings.kind == "kserve":
        from .deploy_kserve import KServeDeployer

        url, host = KServeDeployer(settings, places.store).address(f"{market}-candidate")
        yield HttpServer(url, host=host)
        return
    uri = places.environment.store
    with started(uri if "://" in uri else str(places.root / uri), market) as url:
        yield HttpServer(url)


@contextmanager
def started(store: str, market: str, seconds: float = START_SECONDS) -> Iterator[str]:
    """Start a model server of a market's deployments on a free port and yield its address; stop it at the end.

    Raises JackpotError, with the last of what it said, where it is not ready in time.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
            [sys.executable, "-m", "serving", "--deployed", market, "--store", store, "--http_port", str(port),
             "--enable_grpc", "false", "--drain_seconds", "0"],
            stdout=said, stderr=said,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            ready, deadline = HttpServer(url, seconds=5.0), time.monotonic() + seconds
            while ready.ask("GET", "/v2/health/ready").status != 200:
                if server.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    last = said.read().decode(errors="replace")[-LAST_CHARACTERS:]
                    raise JackpotError(f"the model server did not start: {last}")
                time.sleep(0.1)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()

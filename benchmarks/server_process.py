"""This project's server in a process of its own, its log kept: what benchmarks and tests do to it and see of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from .servers import THREADS, free_port

ROOT: Final = Path(__file__).resolve().parents[1]
QUICK: Final = ("--poll_seconds", "0.1", "--retry_seconds", "0.5")


def wait_for(condition: Callable[[], Any], seconds: float) -> bool:
    """Return whether a condition holds within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


@dataclass(frozen=True)
class Server:
    """A process of this project's server, its log in a file."""

    process: subprocess.Popen[bytes]
    http: int
    grpc: int
    log: Path

    @property
    def url(self) -> str:
        """Return where it answers over HTTP."""
        return f"http://127.0.0.1:{self.http}"

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the log's lines of an event."""
        whole = self.log.read_text().rpartition("\n")[0]  # the last line may be on its way
        wanted = f'"event":"{event}"'
        return [json.loads(line) for line in whole.splitlines() if wanted in line and line.startswith("{")]

    def metric(self, name: str) -> float:
        """Return the sum of a metric over the labels that are not named."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def ready(self) -> bool:
        """Return whether it says that it is ready."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/v2/health/ready", timeout=1).status_code == 200
        return False

    def wait_until_ready(self) -> None:
        """Return once it is ready; stop it and raise RuntimeError where it ends or that takes a minute."""
        wait_for(lambda: self.ready() or self.process.poll() is not None, 60)
        if not self.ready():
            self.stop()
            raise RuntimeError(self.log.read_text()[-3000:])

    def stop(self) -> int:
        """Stop it at once, as Ctrl-C does; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def start(
    log: Path, *flags: str, http: int | None = None, ready: bool = True, environ: Mapping[str, str] | None = None
) -> Server:
    """Start this project's server, quick to see what is new, and wait until it is ready."""
    ports = http or free_port(), free_port()
    where = ["--http_port", str(ports[0]), "--grpc_port", str(ports[1])]
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", *where, *QUICK, *flags],
            stdout=file,
            stderr=file,
            cwd=ROOT,
            env={**os.environ, **THREADS, **(environ or {})},
        )
    server = Server(process, *ports, log)
    if ready:
        server.wait_until_ready()
    return server

"""Servers started side by side for a benchmark, each in a process of its own with its output thrown away."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError

THREADS: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def free_port() -> int:
    """Return a port that is free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A server that has answered."""

    url: str
    pid: int
    seconds_to_first_answer: float


@contextmanager
def server(command: Sequence[str], port: int, path: str, body: bytes, patience: float = 90.0) -> Iterator[Running]:
    """Start a server, wait for its first answer with 200 to a POST, and stop it at the end.

    Raises RuntimeError where it ends, or does not answer in `patience` seconds.
    """
    url = f"http://127.0.0.1:{port}"
    settings = {**os.environ, **THREADS}
    # MLflow calls uvicorn by its name.
    settings["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), settings.get("PATH", "")])
    began = time.perf_counter()
    process = subprocess.Popen(
        list(command), env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while not _answers(url + path, body):
            if process.poll() is not None or time.perf_counter() - began > patience:
                raise RuntimeError(f"{command[:6]} did not start")
            time.sleep(0.005)
        yield Running(url, process.pid, time.perf_counter() - began)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    # A server of several processes is a group of its own.
    for sign in (15, 9):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=15)
            break
        except subprocess.TimeoutExpired:
            continue


def _answers(url: str, body: bytes) -> bool:
    request = urllib.request.Request(url, data=body, headers={"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return int(answer.status) == 200
    except (URLError, OSError):
        return False


def ours(folder: Path, port: int, *more: str) -> list[str]:
    """Return the command of this project's server of the model in `folder`, beside it its store."""
    words = ["--model_name", "england", "--model_dir", str(folder / "model"), "--store", str(folder / "store")]
    ports = ["--http_port", str(port), "--grpc_port", str(free_port())]
    return [sys.executable, "-m", "serving", *words, *ports, *more]


def empty(port: int) -> list[str]:
    """Return the command of a `kserve.Model` that does nothing, with KServe's default settings."""
    return [sys.executable, "-m", "benchmarks.servers", "empty", str(port)]


def null(port: int) -> list[str]:
    """Return the command of a server that reads nothing and answers a constant: what the generator itself can do."""
    return [sys.executable, "-m", "benchmarks.servers", "null", str(port)]


def mlflow(model: Path, port: int) -> list[str]:
    """Return the command of MLflow's own server of a saved MLflow model, with one worker."""
    command = [str(Path(sys.executable).parent / "mlflow"), "models", "serve", "--model-uri", str(model)]
    return [*command, "--env-manager", "local", "--port", str(port), "--workers", "1"]


def _serve_empty(port: int) -> None:
    from kserve import InferRequest, InferResponse, Model, ModelServer
    from kserve.protocol.infer_type import InferOutput

    class Empty(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("england")
            self.ready = True

        async def predict(self, payload: object, headers: object = None, response_headers: object = None) -> object:
            if isinstance(payload, InferRequest):
                output = InferOutput("mean", [1], "FP64", data=[1.0])
                return InferResponse(payload.id or "1", "england", [output])
            return {"predictions": [1.0]}

    ModelServer(http_port=port, grpc_port=free_port()).start([Empty()])


def _serve_null(port: int) -> None:
    import uvloop

    body = json.dumps({"predictions": [1.0]}).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    class Null(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport: Any = transport

        def data_received(self, data: bytes) -> None:
            if data.startswith(b"POST"):
                self.transport.write(answer)

    async def serve() -> None:
        listening = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", port)
        await listening.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


if __name__ == "__main__":
    {"empty": _serve_empty, "null": _serve_null}[sys.argv[1]](int(sys.argv[2]))

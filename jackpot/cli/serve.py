"""jackpot serve: the model server on this machine, with the models that are deployed here."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from ..errors import InputError, JackpotError, Problem
from . import options
from .output import Output

START_SECONDS = 60.0


@click.command("serve")
@click.argument("markets", nargs=-1)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Of HTTP.")
@click.option("--grpc-port", default=8081, show_default=True, type=click.IntRange(1, 65535), help="Of gRPC.")
@options.environment
@options.as_json
def command(markets: tuple[str, ...], port: int, grpc_port: int, environment: str, as_json: bool) -> int:
    """Serve the champions of MARKETS (all that have one) over KServe's protocols, until Ctrl-C.

    Who becomes champion later takes over without a lost request, and so does each week's new state. A candidate
    answers beside its champion, as MARKET-candidate.
    """
    from ..adapters.places import open_places
    from ..audit.files import served_faults
    from ..market.loading import load_market

    output = Output(as_json)
    names = [load_market(market).market.market for market in markets]
    places = open_places(environment)
    uri = places.environment.store
    store = uri if "://" in uri else str(places.root / uri)
    deployed = {key.removeprefix("deployments/").removesuffix(".json") for key in places.store.keys("deployments/")}
    missing = sorted(set(names) - deployed)
    if missing or not deployed:
        raise InputError(
            Problem(
                f"no model to serve for {', '.join(missing) or 'any market'}",
                hint=f"`jackpot run {missing[0] if missing else 'england'}` trains one; its champion is deployed",
            )
        )
    for name in sorted(names or {name.removesuffix("-candidate") for name in deployed}):
        records = places.audit(name)
        # A place without a log serves what lies in its store.
        wrong = list(served_faults(records, places.store)) if any(records.entries()) else []
        if wrong:
            raise JackpotError("; ".join(wrong))
    for number, flag in ((port, "--port"), (grpc_port, "--grpc-port")):
        _free(number, flag)
    log = places.root / "var" / "logs" / f"serve-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        target = None if output.verbose else file
        server = subprocess.Popen(  # noqa: S603 - this interpreter and our own module
            [sys.executable, "-m", "serving", "--deployed", *names, "--store", store, "--payload_store", store,
             "--http_port", str(port), "--grpc_port", str(grpc_port), "--drain_seconds", "0.5"],
            stdout=target, stderr=target,
        )  # fmt: skip
    # Ctrl-C reaches the server itself; a signal to this process alone is passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    try:
        _wait_until_ready(server, port, log)
        _announce(output, port, grpc_port, log)
        if server.wait() not in (0, -signal.SIGINT, -signal.SIGTERM):
            raise JackpotError(f"the server failed; {log} says why")
        return 0
    finally:
        if server.poll() is None:
            server.terminate()
            server.wait()


def _free(port: int, flag: str) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            raise InputError(
                Problem(f"port {port} cannot be had: {error.strerror}", hint=f"choose another with {flag}")
            ) from None


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import httpx

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            raise JackpotError(f"the server ended as it started; {log} says why")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1.0).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise JackpotError(f"the server was not ready within {START_SECONDS:.0f} s; {log} says why")


def _announce(output: Output, port: int, grpc_port: int, log: Path) -> None:
    import httpx

    url = f"http://localhost:{port}"
    names = httpx.get(f"{url}/v1/models").json()["models"]
    models = [{**httpx.get(f"{url}/jackpot/models/{name}").json(), "name": name} for name in names]
    if output.as_json:
        output.json({"url": url, "grpc_port": grpc_port, "models": models})
    for one in models:
        output.say(f"{one['name']} {one['model_version']}, as of {one['as_of']}: {url}/v1/models/{one['name']}:predict")
    output.say(f"gRPC on port {grpc_port}, API page {url}/docs, log {log}; Ctrl-C stops it")
    output.next_step(f"jackpot forecast {names[0]} --url {url}")
    sys.stdout.flush()

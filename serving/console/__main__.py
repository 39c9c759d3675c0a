"""`python -m serving.console`: the console of an environment.

python -m serving.console                         # this machine's, at http://127.0.0.1:8090
python -m serving.console --environment production --host 0.0.0.0   # behind the proxy that signs people in
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from jackpot.errors import InputError, JackpotError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

DRAIN_SECONDS = 20
SLICE_SECONDS = 0.001


def main() -> None:
    """Serve until stopped."""
    flags = argparse.ArgumentParser("python -m serving.console", description="The decision in a browser.")
    flags.add_argument("--environment", default="local", help="Name under configs/environments/, or a path.")
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8090)
    flags.add_argument("--metrics-port", type=int, default=0, help="Where Prometheus asks; 0: nowhere.")
    asked = flags.parse_args()
    # Before numpy is there: its arrays here are small, and threads of its own would stand in each other's way.
    for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(library, "1")
    # Pages answer between the slices of what computes beside them: short ones.
    sys.setswitchinterval(SLICE_SECONDS)
    import uvicorn

    from jackpot.adapters.places import open_places

    from .app import create_app

    try:
        places = open_places(asked.environment)
        if places.environment.console.identity == "local" and asked.host not in {"127.0.0.1", "::1", "localhost"}:
            raise InputError("with console.identity local the console answers over loopback alone: --host 127.0.0.1")
        path = Path(asked.environment)
        app = create_app(places, str(path.resolve()) if path.exists() else asked.environment)
        if asked.metrics_port:
            _tell_prometheus(asked.metrics_port, asked.host, app.state.metrics.registry)
    except JackpotError as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    print(f"the console of {places.environment.environment}: http://{asked.host}:{asked.port} (Ctrl-C stops it)")
    uvicorn.run(
        app,
        host=asked.host,
        port=asked.port,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=16_384,
    )


def _tell_prometheus(port: int, host: str, registry: CollectorRegistry) -> None:
    from prometheus_client import start_http_server

    try:
        start_http_server(port, host, registry)
    except (OSError, OverflowError) as error:
        raise InputError(f"--metrics-port {port} cannot be opened: {error}") from None


if __name__ == "__main__":
    main()

"""`python -m serving.console`: the console of an environment.

python -m serving.console                         # this machine's, at http://127.0.0.1:8090
python -m serving.console --environment production --host 0.0.0.0   # behind the proxy that signs people in
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jackpot.errors import InputError, JackpotError

DRAIN_SECONDS = 20


def main() -> None:
    """Serve until stopped."""
    flags = argparse.ArgumentParser("python -m serving.console", description="The decision in a browser.")
    flags.add_argument("--environment", default="local", help="Name under configs/environments/, or a path.")
    flags.add_argument("--host", default="127.0.0.1")
    flags.add_argument("--port", type=int, default=8090)
    asked = flags.parse_args()
    import uvicorn

    from jackpot.adapters.places import open_places

    from .app import create_app

    try:
        places = open_places(asked.environment)
        if places.environment.console.identity == "local" and asked.host not in {"127.0.0.1", "::1", "localhost"}:
            raise InputError("with console.identity local the console answers over loopback alone: --host 127.0.0.1")
        path = Path(asked.environment)
        app = create_app(places, str(path.resolve()) if path.exists() else asked.environment)
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


if __name__ == "__main__":
    main()

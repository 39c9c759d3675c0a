"""`python -m serving.approvals`: the approval service of an environment."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from jackpot.adapters.places import Places, open_places
from jackpot.errors import InputError, Problem

from .app import create_app
from .desk import Desk, promote, tell


def secret_of(places: Places) -> str:
    """Return Slack's signing secret; raise InputError where the environment names none or it cannot be read."""
    slack = places.environment.slack
    if slack is None or slack.signing_secret is None:
        raise InputError(Problem("where is Slack's signing secret?", field="slack.signing_secret", allowed="a file"))
    path = places.root / slack.signing_secret
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(f"Slack's signing secret cannot be read: {error}", where=str(path))) from None
    if len(secret) < 16:
        raise InputError(Problem("Slack's signing secret is too short to be one", where=str(path)))
    return secret


def main() -> int:
    """Serve until stopped; 2 where the environment does not allow it."""
    flags = argparse.ArgumentParser("python -m serving.approvals", description=__doc__)
    flags.add_argument("--environment", default="production", help="A name under configs/environments/, or a path.")
    flags.add_argument("--host", default="0.0.0.0")  # noqa: S104
    flags.add_argument("--port", type=int, default=8080)
    options = flags.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would print Slack's addresses, which let anyone answer
    try:
        places = open_places(options.environment)
        secret = secret_of(places)
    except InputError as error:
        print("\n".join(map(str, error.problems)), file=sys.stderr)
        return 2
    below = places.environment.slack.hooks if places.environment.slack else ""
    app = create_app(
        Desk(places),
        secret,
        lambda entry: promote(entry, options.environment),
        lambda url, text, in_place: tell(url, text, below, in_place),
    )
    uvicorn.run(
        app, host=options.host, port=options.port, access_log=False, timeout_keep_alive=15, limit_concurrency=200
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

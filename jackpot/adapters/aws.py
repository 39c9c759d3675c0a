"""How boto3 is called: with time-outs and a bounded number of attempts, so that no step waits for ever."""

from __future__ import annotations

from typing import Any

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 3


def client(service: str, read_seconds: int = READ_SECONDS) -> Any:
    """Return a boto3 client; credentials, region and endpoint are boto3's own configuration.

    At worst a call takes ATTEMPTS * (CONNECT_SECONDS + read_seconds) and some seconds between the attempts.
    """
    import boto3
    from botocore.config import Config

    # A session of its own: the default one keeps the first credentials it saw.
    return boto3.session.Session().client(
        service,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_seconds,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )

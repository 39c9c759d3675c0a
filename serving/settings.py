"""What an operator may set: limits of requests, times, the payload log. Each is a flag of the server."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, fields
from typing import Any

from jackpot.scoring.model import HORIZON_DAYS


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """Limits and times of a server."""

    max_body_bytes: int = _setting(8 * 2**20, "Largest body of a request; a larger one is refused unread (413).")
    max_head_bytes: int = _setting(65_536, "Longest head of a request; the connection of a longer one is closed (431).")
    max_instances: int = _setting(100_000, "Most instances in a request (413).")
    max_explained: int = _setting(20, "Most instances in a request for explanations (413).")
    max_quantiles: int = _setting(19, "Most quantiles in a request.")
    body_seconds: float = _setting(10.0, "Longest wait for a part of a body (408).")
    body_rate: int = _setting(10_000, "Fewest bytes of a body a second, counted once body_seconds are over (408).")
    head_seconds: float = _setting(10.0, "Longest wait for the whole of a head (408).")
    horizon_days: int = _setting(HORIZON_DAYS, "Draws are forecast up to so many days after the state's as_of.")
    dates_kept: int = _setting(128, "Draws whose demand curves are kept in memory, a quarter of a MB each.")
    poll_seconds: float = _setting(2.0, "How often models and states are looked for.")
    retry_seconds: float = _setting(60.0, "How long a model or state that was refused is left alone.")
    drain_seconds: float = _setting(5.0, "From failed readiness to the closed door on SIGTERM; answers go on.")
    grace_seconds: int = _setting(20, "Longest wait for answers under way after that.")
    payload_share: float = _setting(1.0, "Share of answered requests in the payload log.")
    payload_rows: int = _setting(200_000, "Most rows of the payload log in memory; what comes on top is dropped.")
    payload_seconds: float = _setting(60.0, "How often the payload log is written.")
    trace_spans: int = _setting(10_000, "Most spans of traces in memory; what comes on top is dropped.")
    trace_seconds: float = _setting(1.0, "How often spans are sent to the collector.")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Settings:
        """Return the settings among parsed arguments."""
        return cls(**{one.name: getattr(arguments, one.name) for one in fields(cls)})


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting."""
    for one in fields(Settings):
        kind = type(one.default)
        parser.add_argument(f"--{one.name}", type=kind, default=one.default, help=one.metadata["help"])

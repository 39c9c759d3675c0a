"""What an operator may set: limits of requests, times, the payload log. Each is a flag of the server."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final

from jackpot.scoring.model import HORIZON_DAYS

DAY: Final = 86_400.0


def _setting(default: Any, help: str, least: float = 1, most: float | None = None) -> Any:
    return field(default=default, metadata={"help": help, "type": number(type(default), least, most)})


def _seconds(default: float, help: str, least: float = 0.001) -> Any:
    return _setting(default, help, least, DAY)


def number(kind: type[int] | type[float], least: float, most: float | None = None) -> Callable[[str], int | float]:
    """Return what reads a flag's number, and refuses one that is none or out of its bounds."""
    bounds = f"{least:,.10g} or more" if most is None else f"{least:,.10g} to {most:,.10g}"
    allowed = f"a whole number, {bounds}" if kind is int else bounds

    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            value = least - 1
        if not least <= value <= (float("inf") if most is None else most):  # NaN is refused too
            raise argparse.ArgumentTypeError(f"found {text!r}; allowed: {allowed}")
        return value

    return read


@dataclass(frozen=True)
class Settings:
    """Limits and times of a server."""

    max_body_bytes: int = _setting(
        8 * 2**20, "Largest body of a request; a larger one is refused unread (413).", most=2**28 - 1
    )
    max_head_bytes: int = _setting(65_536, "Longest head of a request; the connection of a longer one is closed (431).")
    max_instances: int = _setting(100_000, "Most instances in a request (413).")
    max_explained: int = _setting(20, "Most instances in a request for explanations (413).")
    max_quantiles: int = _setting(19, "Most quantiles in a request.")
    body_seconds: float = _seconds(10.0, "Longest wait for a part of a body (408).")
    body_rate: int = _setting(10_000, "Fewest bytes of a body a second, counted once body_seconds are over (408).")
    head_seconds: float = _seconds(10.0, "Longest wait for the whole of a head (408).")
    horizon_days: int = _setting(
        HORIZON_DAYS, "Draws are forecast up to so many days after the state's as_of.", most=3_650
    )
    dates_kept: int = _setting(128, "Draws whose demand curves are kept in memory, a quarter of a MB each.")
    poll_seconds: float = _seconds(2.0, "How often models and states are looked for.")
    retry_seconds: float = _seconds(60.0, "How long a model or state that was refused is left alone.", least=0)
    drain_seconds: float = _seconds(5.0, "From failed readiness to the closed door on SIGTERM; answers go on.", least=0)
    grace_seconds: int = _setting(20, "Longest wait for answers under way after that.", 0, DAY)
    payload_share: float = _setting(1.0, "Share of answered requests in the payload log.", 0, 1)
    payload_rows: int = _setting(200_000, "Most rows of the payload log in memory; what comes on top is dropped.")
    payload_seconds: float = _seconds(60.0, "How often the payload log is written.")
    trace_spans: int = _setting(10_000, "Most spans of traces in memory; what comes on top is dropped.")
    trace_seconds: float = _seconds(1.0, "How often spans are sent to the collector.")

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> Settings:
        """Return the settings among parsed arguments."""
        return cls(**{one.name: getattr(arguments, one.name) for one in fields(cls)})


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each setting."""
    for one in fields(Settings):
        parser.add_argument(f"--{one.name}", default=one.default, **one.metadata)

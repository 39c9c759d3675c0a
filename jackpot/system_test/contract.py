"""What a system test asks of a server, and what it says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..errors import JackpotError
from ..records import Record
from .histogram import Histogram


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; status 0: there was none, and `body` says why."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Server(Protocol):
    """A server that can be asked, one request at a time or many a second."""

    def ask(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a request; header names are in lower case. Never raises for what a server does."""

    def load(self, path: str, body: bytes, rate: float, seconds: float) -> Load:
        """Send requests at times fixed beforehand, `rate` a second, and return when each was answered."""


@dataclass(frozen=True)
class Load:
    """Latencies of requests from the moment each was due, and how many were not answered with 200."""

    latencies: Histogram
    failed: int


class Check(Record):
    """One line of a system test. `figure` and `threshold` are in `unit`; without them it is a matter of yes and no."""

    group: Literal["protocol", "answers", "refusals", "accuracy", "latency"]
    name: str
    passed: bool
    detail: str = ""
    figure: float | None = None
    threshold: float | None = None
    unit: str = ""


class Report(Record):
    """system-test.json: a server's model, tested."""

    schema_version: Literal["1"] = "1"
    url: str
    market: str
    model: str
    passed: bool
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    def figures(self) -> dict[str, float]:
        """Return the figures by name, for the dashboard."""
        return {check.name: check.figure for check in self.checks if check.figure is not None}

    def require(self) -> None:
        """Raise JackpotError, with what failed, unless all passed."""
        if not self.passed:
            said = "; ".join(f"{check.name} ({check.detail or _figures(check)})" for check in self.failed)
            raise JackpotError(f"the system test of {self.url} failed: {said}")


def _figures(check: Check) -> str:
    return "no figure" if check.figure is None else f"{check.figure:.3g} {check.unit}, allowed {check.threshold:g}"

"""The models of a server: what answers under each name now, and how a newer one takes its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jackpot.errors import JackpotError
from jackpot.store import Store

from .loading import Assignment, load, newest_state
from .metrics import Metrics
from .settings import Settings
from .version import Version

Log = Callable[..., None]
"""Writes a line of the log: its event, level, and what else it says."""


@dataclass
class Served:
    """One name: the version that answers under it (None until one is ready), and what was refused of late."""

    name: str
    current: Version | None = None
    assigned: Assignment | None = None
    refused: tuple[str, ...] = ()
    refused_at: float = 0.0


class Fleet:
    """The names that a server answers under. A version is swapped by one assignment: who began with the old one ends
    with it, and no answer is of two."""

    def __init__(
        self, wanted: Callable[[], Mapping[str, Assignment]], store: Store | None, settings: Settings, metrics: Metrics,
        log: Log,
    ) -> None:  # fmt: skip
        self._wanted, self._store, self.settings, self.metrics, self._log = wanted, store, settings, metrics, log
        self.served: dict[str, Served] = {}
        self._said: dict[str, tuple[str, str]] = {}
        """The version of a name that was refused last, and why, until it has one that was not."""
        self.on_name: Callable[[str], None] = lambda name: None
        self.draining = self.closing = False
        """Since SIGTERM; since the door is closed."""
        self.stopped = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether every name has a version that passed its self-test, and the server is not about to stop."""
        return not self.draining and bool(self.served) and all(one.current for one in self.served.values())

    def look(self) -> None:
        """Look for newer models and states and take those that can be taken; a name never loses what it has."""
        for name, assignment in self._wanted().items():
            if assignment.problem:
                if self._said.get(name) != ("", assignment.problem):
                    self._refuse(name, "", assignment.problem)
                continue
            if name not in self.served:
                self.served[name] = Served(name)
                self.on_name(name)
            self._renew(self.served[name], assignment)

    def _renew(self, served: Served, assignment: Assignment) -> None:
        current = served.current
        loaded = current.state if current is not None and served.assigned == assignment else None
        try:
            state = newest_state(assignment, self._store, loaded).sha256
        except Exception as error:
            self._put_off(served, (assignment.version, assignment.place, str(error)), error)
            return
        sought = (assignment.version, assignment.place, str(assignment.sha256), state)
        if loaded is not None and loaded.sha256 == state:
            self._said.pop(served.name, None)
            return
        if self._is_put_off(served, sought):
            return
        started = time.monotonic()
        try:
            version = load(assignment, self._store, self.settings)
        except Exception as error:
            self._put_off(served, sought, error)
            return
        served.current, served.assigned, served.refused = version, assignment, ()
        self._said.pop(served.name, None)
        self.metrics.current[served.name] = version
        self.metrics.swaps[served.name, "taken"] += 1
        self._log("loaded", name=served.name, seconds=round(time.monotonic() - started, 3), **version.origin)

    def _is_put_off(self, served: Served, sought: tuple[str, ...]) -> bool:
        return served.refused == sought and time.monotonic() - served.refused_at < self.settings.retry_seconds

    def _put_off(self, served: Served, sought: tuple[str, ...], error: Exception) -> None:
        if self._is_put_off(served, sought):
            return
        served.refused, served.refused_at = sought, time.monotonic()
        text = str(error) if isinstance(error, JackpotError) else f"{type(error).__name__}: {error}"
        self._refuse(served.name, sought[0], text)

    def _refuse(self, name: str, version: str, error: str) -> None:
        """Count what was refused, and log it where it is not what was refused of the name before."""
        self.metrics.swaps[name, "refused"] += 1
        if self._said.get(name) == (version, error):
            return
        self._said[name] = version, error
        served = self.served.get(name)
        kept = served.current.version if served and served.current else None
        self._log("refused", level="error", name=name, version=version or None, error=error, goes_on_with=kept)

    async def follow(self) -> None:
        """Look again and again, until the server stops."""
        while not self.stopped.is_set():
            waiting: Any = self.stopped.wait()
            try:
                await asyncio.wait_for(waiting, self.settings.poll_seconds)
            except TimeoutError:
                try:
                    await asyncio.to_thread(self.look)
                except Exception as error:
                    self._log("look failed", level="error", error=f"{type(error).__name__}: {error}")

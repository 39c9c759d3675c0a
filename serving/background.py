"""What is written beside the answers: never waited for, bounded, and what does not fit is counted."""

from __future__ import annotations

import json
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import Any


class Background(ABC):
    """A thread that writes what others add, every so often, `portion` items at a time. Adding never blocks.

    What cannot be written is kept; a portion bounds what each further try takes while a store is down.
    """

    def __init__(self, name: str, most: int, seconds: float, portion: int = 10_000) -> None:
        self.most, self.seconds, self.portion, self.dropped = most, seconds, portion, 0
        self._waiting: list[tuple[Any, int]] = []
        self._size = 0
        self._failing = False
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, item: Any, size: int = 1) -> None:
        """Take an item in; drop and count it where `most` are waiting already."""
        with self._lock:
            if self._size + size > self.most:
                self.dropped += size
                return
            self._waiting.append((item, size))
            self._size += size

    def stop(self, seconds: float = 10.0) -> None:
        """Write what waits, once, and end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.wait(self.seconds):
            self._turn()
        self._turn()

    def _turn(self) -> None:
        with self._lock:
            items, self._waiting = self._waiting, []
        for start in range(0, len(items), self.portion):
            portion = items[start : start + self.portion]
            try:
                self.write([item for item, _ in portion])
            except Exception as error:
                if not self._failing:
                    self._failing = True
                    self.failed(error)
                with self._lock:
                    # Kept for the next turn, and counted against the bound until then.
                    self._waiting = items[start:] + self._waiting
                return
            if self._failing:
                self._failing = False
                self.goes_on()
            with self._lock:
                self._size -= sum(size for _, size in portion)

    @abstractmethod
    def write(self, items: list[Any]) -> None:
        """Write items, all or none; what it raises makes them wait for the next turn."""

    def failed(self, error: Exception) -> None:
        """Say that writing failed; called once until it succeeds again."""
        said = {"time": time.time(), "level": "error", "event": f"{self._thread.name} failed", "error": told(error)}
        print(json.dumps(said), file=sys.stderr)

    def goes_on(self) -> None:  # noqa: B027 - who says nothing of it need not
        """Say that writing succeeds again."""


def told(error: Exception) -> str:
    """Return an error as the log says it."""
    return f"{type(error).__name__}: {error}"


class Lines(Background):
    """The log: one JSON object a line, to standard output."""

    def __init__(self) -> None:
        super().__init__("log", most=200_000, seconds=0.2)

    def write(self, items: list[bytes]) -> None:
        """Write lines."""
        sys.stdout.buffer.write(b"\n".join(items) + b"\n")
        sys.stdout.buffer.flush()

"""An open-loop load: requests go out at times fixed beforehand, whatever the server does, so that a stall is seen.

A request's latency runs from the moment it was due, not from when a connection was free for it: a generator that waits
for answers before it sends hides just the time that users would have waited (Tene's "coordinated omission").
"""

from __future__ import annotations

import array
import asyncio
import random
import ssl
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

CONNECTIONS: Final = 64
PATIENCE: Final = 10.0
"""Seconds after the last arrival until what is still unanswered counts as failed."""


@dataclass
class Measured:
    """Latencies in seconds of requests answered with 200, in order of answers, and the number of all others."""

    latencies: array.array[float] = field(default_factory=lambda: array.array("d"))
    failed: int = 0
    seconds: float = 0.0
    """From the first arrival to the last answer."""

    @property
    def rate(self) -> float:
        """Return answers a second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run, self._buffer, self._due = run, b"", 0.0
        self._transport: Any = None
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send(self, due: float) -> None:
        self._due, self._busy = due, True
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        head = buffer.find(b"\r\n\r\n")
        at = buffer.lower().find(b"content-length:", 0, head) if head > 0 else -1
        if at < 0 or len(buffer) < head + 4 + int(buffer[at + 15 : buffer.index(b"\r\n", at)]):
            self._buffer = buffer
            return
        self._buffer, self._busy = b"", False
        self._run.answered(self, self._due, buffer[9:12] == b"200", b"connection: close" in buffer[:head].lower())

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(self, self._busy)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Run:
    def __init__(self, url: str, path: str, body: bytes, host: str | None) -> None:
        parts = urlsplit(url)
        self.host, self.tls = parts.hostname or "", parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        head = (
            f"POST {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {host or parts.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.request = head.encode() + body
        self.measured = Measured()
        self.waiting: deque[float] = deque()
        self.idle: list[_Connection] = []
        self.open: set[_Connection] = set()
        self.under_way = 0
        self.last = 0.0

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if self.tls else None
        _, connection = await loop.create_connection(lambda: _Connection(self), self.host, self.port, ssl=context)
        self.open.add(connection)
        self._free(connection)

    async def fill(self, connections: int) -> None:
        """Connect again where a server closed connections."""
        while len(self.open) < connections:
            try:
                await self.connect()
            except OSError:
                break

    def arrive(self, due: float) -> None:
        if self.idle:
            self.under_way += 1
            self.idle.pop().send(due)
        else:
            self.waiting.append(due)

    def _free(self, connection: _Connection) -> None:
        if self.waiting:
            self.under_way += 1
            connection.send(self.waiting.popleft())
        else:
            self.idle.append(connection)

    def answered(self, connection: _Connection, due: float, good: bool, closing: bool) -> None:
        self.last = time.perf_counter()
        self.under_way -= 1
        if good:
            self.measured.latencies.append(self.last - due)
        else:
            self.measured.failed += 1
        if closing:
            connection.close()
        else:
            self._free(connection)

    def lost(self, connection: _Connection, busy: bool) -> None:
        self.open.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        if busy:
            self.under_way -= 1
            self.measured.failed += 1


async def _drive(run: _Run, rate: float, seconds: float, connections: int, seed: int) -> Measured:
    try:
        await asyncio.gather(*(run.connect() for _ in range(connections)))
    except OSError:
        run.measured.failed = max(round(rate * seconds), 1)
        return run.measured
    generator = random.Random(seed)  # noqa: S311
    started = time.perf_counter()
    due, end = started, started + seconds
    while due < end:
        now = time.perf_counter()
        while due <= now and due < end:
            run.arrive(due)
            due += generator.expovariate(rate)
        if due < end:
            await asyncio.sleep(max(min(due, end) - time.perf_counter(), 0))
        await run.fill(connections)
    patience = time.perf_counter() + PATIENCE
    while (run.under_way or run.waiting) and time.perf_counter() < patience:
        await asyncio.sleep(0.005)
        await run.fill(connections)
        if not run.open:
            break
    run.measured.failed += run.under_way + len(run.waiting)
    run.measured.seconds = max(run.last, end) - started
    for connection in list(run.open):
        connection.close()
    return run.measured


def open_loop(
    url: str,
    path: str,
    body: bytes,
    rate: float,
    seconds: float,
    connections: int = CONNECTIONS,
    seed: int = 1,
    host: str | None = None,
) -> Measured:
    """Send `body` to a path at `rate` arrivals a second (a Poisson process of a seed) and measure the answers.

    `host` is whom a gateway at that address is asked for.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_drive(_Run(url, path, body, host), rate, seconds, connections, seed))

"""HTTP at its plainest, for harnesses that must know what became of each request: a client, and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

SECONDS = 10.0
"""Longest wait for an answer; longer is a hang."""
LOOK_SECONDS = 0.05


class NeverSentError(ConnectionError):
    """A request of which no server can have seen a byte."""


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the head and the body of a message; raise ConnectionError where it ends early."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        at = head.lower().find(b"\r\ncontent-length:")
        length = int(head[at + 17 : head.index(b"\r\n", at + 2)]) if at >= 0 else 0
        return head, await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise ConnectionError(f"the connection ended after {len(error.partial)} bytes") from None


def closes(head: bytes) -> bool:
    """Return whether a message is the last of its connection."""
    return b"connection: close" in head.lower()


class Client:
    """Connections to one server, kept alive and used again."""

    def __init__(self, port: int, *, heed_close: bool = True) -> None:
        self._port, self._heed = port, heed_close
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Return the head and body of an answer.

        Raises NeverSentError where there was no connection to send it on, ConnectionError where the answer did not
        come whole, TimeoutError where none came.
        """
        while self._idle and self._idle[-1][0].at_eof():
            self._idle.pop()[1].close()
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError as error:
                raise NeverSentError(str(error)) from None
        try:
            async with asyncio.timeout(SECONDS):
                writer.write(request)
                head, body = await read_message(reader)
        except BaseException:
            writer.close()
            raise
        if closes(head) and self._heed:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return head, body

    def close(self) -> None:
        """Close the connections that wait."""
        while self._idle:
            self._idle.pop()[1].close()


def post(path: str, body: bytes, **headers: str) -> bytes:
    """Return a request, JSON unless the headers say otherwise."""
    named = {"content-type": "application/json"} | {key.replace("_", "-"): value for key, value in headers.items()}
    lines = "".join(f"{key}: {value}\r\n" for key, value in named.items())
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


READY = b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def is_ready(port: int) -> bool:
    """Return whether a server says that it is ready."""
    try:
        head, _ = await Client(port).ask(READY)
    except (OSError, TimeoutError):
        return False
    return head[9:12] == b"200"


@dataclass
class Proxy:
    """Hands requests to the replicas that are ready, in turn; tries another only where no byte reached the first."""

    ports: list[int]
    clients: dict[int, Client] = field(default_factory=dict)
    ready: list[int] = field(default_factory=list)
    retried: int = 0

    async def follow(self, until: Callable[[], bool]) -> None:
        """Look at the replicas' readiness again and again."""
        while not until():
            for port in self.ports:
                ready = await is_ready(port)
                if ready and port not in self.ready:
                    self.clients[port] = Client(port)
                    self.ready.append(port)
                elif not ready and port in self.ready:
                    self.ready.remove(port)
                    self.clients[port].close()
            await asyncio.sleep(LOOK_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        with contextlib.closing(writer), contextlib.suppress(ConnectionError):
            while True:
                head, body = await read_message(reader)
                writer.write(await self._forward(head + body))

    async def _forward(self, request: bytes) -> bytes:
        failed = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"
        for _ in range(2 * len(self.ports)):
            if not self.ready:
                break
            self.ready.append(port := self.ready.pop(0))
            try:
                head, body = await self.clients[port].ask(request)
            except NeverSentError:
                self.retried += 1
                continue
            except (ConnectionError, TimeoutError):
                return failed
            # Of the connection behind the proxy; the one in front of it goes on.
            return head.replace(b"connection: close\r\n", b"").replace(b"Connection: close\r\n", b"") + body
        return failed

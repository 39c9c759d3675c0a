"""The load generator: a stall is seen in full, failures are counted, and what it sends is what was asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from jackpot.adapters.load import open_loop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(stall: tuple[float, float] = (0.0, 0.0), answer: bytes = ANSWER) -> Iterator[tuple[str, list[bytes]]]:
    """Serve on a real socket; between stall[0] and stall[1] seconds after the first request nothing is answered."""
    seen: list[bytes] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()
    address: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                seen.append(head + await reader.readexactly(int(head.lower().split(b"content-length:")[1].split()[0])))
                now = loop.time()
                first.append(now)
                since = now - first[0]
                if stall[0] <= since < stall[1]:
                    await asyncio.sleep(stall[1] - since)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    first: list[float] = []

    async def main() -> None:
        listening = await asyncio.start_server(handle, "127.0.0.1", 0)
        address.append(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        started.set()
        await stop.wait()
        listening.close()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    started.wait(10)
    try:
        yield address[0], seen
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def test_every_arrival_is_sent_once_and_answered() -> None:
    with server() as (url, seen):
        measured = open_loop(url, "/v1/models/m:predict", b'{"a": 1}', 300, 1.0, connections=4)
    assert measured.failed == 0
    assert len(measured.latencies) == len(seen)
    assert 200 < len(seen) < 400
    assert seen[0].startswith(b"POST /v1/models/m:predict HTTP/1.1\r\n")
    assert seen[0].endswith(b'\r\n\r\n{"a": 1}')


def test_who_arrives_while_a_server_stalls_waits_as_long_as_a_user_would() -> None:
    """Half a second's stall in two: a quarter of the arrivals wait for it, however few connections there are."""
    with server(stall=(0.5, 1.0)) as (url, _):
        measured = open_loop(url, "/", b"{}", 200, 2.0, connections=2)
    assert measured.failed == 0
    waited = np.array(measured.latencies)
    assert 0.35 < np.quantile(waited, 0.97) < 0.7
    assert 0.1 < (waited > 0.1).mean() < 0.4


def test_another_status_and_a_server_that_is_not_there_are_failures() -> None:
    with server(answer=b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n") as (url, seen):
        measured = open_loop(url, "/", b"{}", 100, 0.5)
    assert (len(measured.latencies), measured.failed) == (0, len(seen))
    gone = open_loop(url, "/", b"{}", 100, 0.5)
    assert (len(gone.latencies), gone.failed) == (0, 50)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nconnection: close\r\nContent-Length: 2\r\n\r\n{}"])
def test_a_server_that_asks_to_close_is_connected_to_again(answer: bytes) -> None:
    with server(answer=answer) as (url, _):
        measured = open_loop(url, "/", b"{}", 20, 0.5, connections=2)
    assert len(measured.latencies) > 2

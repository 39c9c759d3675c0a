"""What must never happen to the server, provoked: lost or mixed answers, defects, hangs, uncounted drops, leaks.

    make stress-serving           (about six minutes)
    make stress-serving FULL=1    (50,000 broken requests and memory over a million: half an hour)

Versions swapped under load; SIGTERM under load with two replicas behind a proxy that follows readiness; broken requests
over every protocol; a payload log whose store is down; memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from jackpot.adapters.load import open_loop
from jackpot.store import FolderStore

from .memory import memory
from .report import Figure, finish
from .server_process import Server, start
from .servers import free_port
from .serving import v1_body
from .wire import Client, Proxy, is_ready, post

MARKET = "england"
PREDICT, INFER = f"/v1/models/{MARKET}:predict", f"/v2/models/{MARKET}/infer"


@dataclass(frozen=True)
class Stage:
    """A store with versions v1 and v2 of a market's model, both in the state of the same week."""

    folder: Path
    hashes: tuple[str, str]
    date: str

    @property
    def store(self) -> FolderStore:
        """Return the store."""
        return FolderStore(self.folder)

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of a server that follows its deployments."""
        return "--deployed", "--store", str(self.folder)

    def deploy(self, version: int, **changes: str) -> None:
        """Name the version that answers."""
        from jackpot.canonical import json_bytes

        record = {"service": MARKET, "version": f"v{version}", "model_sha256": self.hashes[version - 1],
                  "prefix": f"models/v{version}"}  # fmt: skip
        self.store.replace(f"deployments/{MARKET}.json", json_bytes({**record, **changes}))

    def body(self, jackpots: list[float]) -> bytes:
        """Return a V1 request."""
        return v1_body(jackpots, self.date)


def stage(folder: Path) -> Stage:
    """Fit two models of a market on its synthetic history and leave them in a store, the first deployed."""
    from jackpot.canonical import sha256
    from jackpot.demand.models import new_model
    from jackpot.demand.storage import model_files, model_hash
    from jackpot.history.source import read_local
    from jackpot.market.calendar import next_draw_date
    from jackpot.market.loading import load_market
    from jackpot.steps.preprocess import read_source
    from jackpot.steps.state import keep_state
    from jackpot.steps.weekly import week_in_memory

    loaded = load_market(MARKET)
    week = week_in_memory(loaded, read_source(loaded, "", read_local, True), None)
    store, hashes = FolderStore(folder), []
    store.put_new(f"snapshots/{MARKET}/{sha256(week.snapshot_data)}.parquet", week.snapshot_data)
    store.put_new(f"markets/{MARKET}/{sha256(week.market_data)}.yaml", week.market_data)
    for number, name in ((1, "combination"), (2, "state_space")):
        files = model_files(new_model(name).fit(week.history.draws, week.market))
        hashes.append(model_hash(files))
        for file, data in {**files, "evaluation.json": b'{"market": "england"}'}.items():
            store.put_new(f"models/v{number}/{file}", data)
        keep_state(week, files, store)
    made = Stage(folder, (hashes[0], hashes[1]), next_draw_date(week.market, week.as_of).isoformat())
    made.deploy(1)
    return made


@contextlib.contextmanager
def running(on: Stage, log: Path, *flags: str) -> Iterator[Server]:
    """Start a server of a stage, wait for it, and stop it at the end."""
    server = start(log, *on.flags, *flags)
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Answers:
    """What came of requests for the same instances."""

    seen: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    last: str = ""

    def add(self, head: bytes, body: bytes) -> None:
        """Take an answer in: its status, what it says it is from, and its figures."""
        said = json.loads(body) if body else {}
        means = tuple(row["mean"] for row in said.get("predictions", ()))
        self.last = said.get("model_version", "")
        self.seen[head[9:12].decode(), self.last, said.get("state"), means] += 1

    @property
    def wrong(self) -> int:
        """Return how many were lost, were not 200, or are another answer than the usual of the version they name."""
        lost = sum(self.failed.values()) + sum(n for (status, *_), n in self.seen.items() if status != "200")
        usual: dict[str, int] = {}
        for (status, version, *_), n in self.seen.items():
            if status == "200":
                usual[version] = max(usual.get(version, 0), n)
        good = sum(n for (status, *_), n in self.seen.items() if status == "200")
        return lost + good - sum(usual.values())

    @property
    def total(self) -> int:
        """Return the number of requests."""
        return sum(self.seen.values()) + sum(self.failed.values())


async def asking(client: Client, request: bytes, until: Callable[[], bool], answers: Answers) -> None:
    """Ask again and again, one request at a time."""
    while not until():
        try:
            answers.add(*await client.ask(request))
        except (OSError, TimeoutError) as error:
            answers.failed[f"{type(error).__name__}: {error}"] += 1
            await asyncio.sleep(0.01)
    client.close()


def swaps(on: Stage, log: Path, count: int) -> list[Figure]:
    """Swap versions under load from eight connections."""
    answers, over = Answers(), asyncio.Event()

    async def swap(server: Server) -> int:
        for turn in range(count):
            on.deploy(wanted := 2 - turn % 2)
            until = time.monotonic() + 20
            while answers.last != f"v{wanted}":
                await asyncio.sleep(0.005)
                if time.monotonic() > until:
                    over.set()
                    return turn
        over.set()
        return count

    async def both(server: Server) -> int:
        request = post(PREDICT, on.body([2e7, 3e7]))
        clients = [asking(Client(server.http), request, over.is_set, answers) for _ in range(8)]
        done, *_ = await asyncio.gather(swap(server), *clients)
        return done or 0

    on.deploy(1)
    with running(on, log) as server:
        done = asyncio.run(both(server))
    on.deploy(1)
    print(f"{done} swaps: {answers.total:,} answers, {answers.wrong} failed or mixed, {dict(answers.failed)}")
    return [
        Figure("version swaps done under load", done, "", f">= {count}"),
        Figure("failed or mixed answers over them", answers.wrong, "", "<= 0"),
    ]


def sigterms(on: Stage, folder: Path, count: int) -> list[Figure]:
    """Stop and start two replicas in turn, under load, behind a proxy."""
    answers, stubborn, over = Answers(), Answers(), asyncio.Event()
    slowest = [0.0]

    async def all_of() -> int:
        flags = (*on.flags, "--drain_seconds", "1.5")
        replicas = [start(folder / f"replica{i}.log", *flags, ready=False) for i in (0, 1)]
        try:
            for one in replicas:
                await asyncio.to_thread(one.wait_until_ready)
            proxy = Proxy([one.http for one in replicas])
            listening = await asyncio.start_server(proxy.serve, "127.0.0.1", port := free_port())
            following = asyncio.create_task(proxy.follow(over.is_set))
            while len(proxy.ready) < 2:
                await asyncio.sleep(0.02)
            request = post(PREDICT, on.body([2e7, 3e7]))
            clients = [asyncio.create_task(asking(Client(port), request, over.is_set, answers)) for _ in range(8)]
            for turn in range(count):
                one = replicas[turn % 2]
                ignoring = Client(one.http, heed_close=False)
                ended = asyncio.Event()
                deaf = asyncio.create_task(asking(ignoring, request, ended.is_set, stubborn))
                one.process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                await asyncio.to_thread(one.process.wait)
                slowest[0] = max(slowest[0], time.monotonic() - began)
                ended.set()
                await deaf
                replicas[turn % 2] = start(one.log, *flags, http=one.http, ready=False)
                while not await is_ready(one.http):
                    await asyncio.sleep(0.05)
                await asyncio.sleep(0.3)
            over.set()
            await asyncio.gather(following, *clients)
            listening.close()
            return proxy.retried
        finally:
            for one in replicas:
                one.process.kill()
                one.process.wait()

    retried = asyncio.run(all_of())
    print(f"{count} SIGTERMs: {answers.total:,} answers, {answers.wrong} failed or mixed, {retried} retried; "
          f"slowest end {slowest[0]:.1f} s; {dict(answers.failed)}")  # fmt: skip
    sent = {what: n for what, n in stubborn.failed.items() if not what.startswith("NeverSent")}
    print(f"clients that ignore `Connection: close`: {sum(stubborn.seen.values()):,} answers, then {sent}")
    return [
        Figure("SIGTERMs under load", count, "", f">= {count}"),
        Figure("failed or mixed answers over them", answers.wrong, "", "<= 0"),
    ]


def garbage(on: Stage, log: Path, count: int) -> list[Figure]:
    """Send broken requests: a quarter over gRPC, a tenth by schemathesis from the OpenAPI page, else over V1 and V2."""
    from . import garbage as made

    verdicts = made.Verdicts()
    with running(on, log, "--body_seconds", "2") as server:
        began = time.monotonic()
        made.over_http(server.url, on.date, round(count * 0.65), verdicts)
        early = memory(server.process.pid, "Rss")
        made.over_grpc(server.grpc, on.date, round(count * 0.25), verdicts)
        made.by_schema(server.url, count // 10, verdicts)
        took = time.monotonic() - began
        still = httpx.post(server.url + PREDICT, content=on.body([2e7]), headers={"content-type": "application/json"})
        late, defects = memory(server.process.pid, "Rss"), len(server.lines("defect"))
    for kind, n in sorted(verdicts.counts.items()):
        print(f"  {kind}: {n:,}")
    print(f"{verdicts.counts.total():,} broken requests in {took:.0f} s; {defects} defects logged; "
          f"memory {early / 2**20:.0f} to {late / 2**20:.0f} MiB; {verdicts.bad[:5]}")  # fmt: skip
    return [
        Figure("broken requests", verdicts.counts.total() + len(verdicts.bad), "", f">= {count * 0.95:.0f}"),
        Figure("5xx, INTERNAL or hung among them", len(verdicts.bad) + defects, "", "<= 0"),
        Figure("answers after them", still.status_code, "", "<= 200"),
    ]


def outage(on: Stage, folder: Path, seconds: float) -> list[Figure]:
    """Take the payload log's store away and give it back, ten windows in turn, at 500 requests a second."""
    import pyarrow.parquet as pq

    place, away = folder / "place", folder / "away"
    place.mkdir()
    flags = ("--payload_store", str(place / "kept"), "--payload_rows", "1500", "--payload_seconds", "1")
    p99: dict[bool, list[float]] = {True: [], False: []}
    answered = 0
    with running(on, folder / "outage.log", *flags) as server:
        open_loop(server.url, PREDICT, on.body([2e7]), 500, 2)
        answered = int(server.metric("jackpot_instances_total"))
        for window in range(10):
            down = window % 2 == 1
            if down:
                # A file where the folder was: nothing can be written under it.
                place.rename(away)
                place.write_bytes(b"")
            measured = open_loop(server.url, PREDICT, on.body([2e7]), 500, seconds, seed=window)
            latencies = sorted(measured.latencies)
            p99[down].append(1000 * latencies[int(0.99 * len(latencies))])
            answered += len(measured.latencies)
            if down:
                place.unlink()
                away.rename(place)
        time.sleep(2.5)
        dropped = int(server.metric("jackpot_payloads_dropped"))
        counted = int(server.metric("jackpot_instances_total"))
    kept = sum(pq.read_metadata(path).num_rows for path in place.rglob("*.parquet"))
    up, down_ = (statistics.median(p99[state]) for state in (False, True))
    print(f"payload log: {counted:,} answered ({answered:,} seen), {kept:,} kept, {dropped:,} dropped; median p99 "
          f"{up:.2f} ms, {down_:.2f} ms while its store was down; windows {p99}")  # fmt: skip
    return [
        Figure("seconds without the payload log's store", 5 * seconds, "s", ">= 30"),
        Figure("rows dropped then", dropped, "", ">= 1"),
        Figure("answers neither kept nor counted as dropped", abs(counted - kept - dropped), "", "<= 0"),
        Figure("median p99 while it was down, over that while it was up", down_ / up, "", "<= 1.1"),
    ]


def memory_over(on: Stage, log: Path, early: int, late: int) -> list[Figure]:
    """Measure resident memory after many requests against after fewer; their log is written."""
    with running(on, log) as server:
        body, done, sizes = on.body([2e7]), 0, []
        for requests in (early, late):
            while done < requests:
                done += len(open_loop(server.url, PREDICT, body, 1500, min(requests - done, 15_000) / 1500).latencies)
            sizes.append(memory(server.process.pid, "Rss"))
            resident, anonymous = sizes[-1] / 2**20, memory(server.process.pid, "Anonymous") / 2**20
            print(f"memory: {resident:.1f} MiB after {done:,} requests, {anonymous:.1f} of it anonymous", flush=True)
    return [Figure(f"memory after {late:,} requests over after {early:,}", sizes[1] / sizes[0], "", "<= 1.02")]


def main() -> None:
    """Print what each part found, then all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="50,000 broken requests, and memory over a million.")
    parts = ("swaps", "sigterms", "garbage", "outage", "memory")
    parser.add_argument("--only", nargs="*", choices=parts, default=parts)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        on = stage(folder / "store")
        run: dict[str, Callable[[], list[Figure]]] = {
            "swaps": lambda: swaps(on, folder / "swaps.log", 100),
            "sigterms": lambda: sigterms(on, folder, 20),
            "garbage": lambda: garbage(on, folder / "garbage.log", 50_000 if asked.full else 5_000),
            "outage": lambda: outage(on, folder, 12.0 if asked.full else 6.0),
            "memory": lambda: memory_over(on, folder / "m.log", *((50_000, 10**6) if asked.full else (20_000, 10**5))),
        }
        figures: list[Figure] = []
        for part in asked.only:
            figures += run[part]()
            sys.stdout.flush()
    finish("stress-serving", figures)
    if any(not figure.ok and not math.isnan(figure.value or 0) for figure in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

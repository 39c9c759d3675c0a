"""A day in small: mixed traffic with swaps, a damaged version, bad input and a store outage; every answer explained.

    make soak MINUTES=15

An answer is explained where its status is the one that its request must get and, where that is 200, its figures are
those of the version that it names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from .memory import memory
from .report import Figure, finish
from .server_process import Server
from .serving import _binary, v2_body
from .stress import INFER, PREDICT, Stage, running, stage
from .wire import Client, post

JACKPOTS = (5e6, 2e7, 9e7)
SWAP_SECONDS, OUTAGE_SECONDS = 15.0, 30.0
PLOT = Path("docs/soak.png")
WARM_UP = 0.2
"""Share of the time after which memory is measured against."""


@dataclass
class Second:
    """What happened in a second."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    memory: float = 0.0
    anonymous: float = 0.0


@dataclass
class Day:
    """What was asked and what came of it."""

    on: Stage
    server: Server
    ends: float
    began: float = field(default_factory=time.monotonic)
    seconds: dict[int, Second] = field(default_factory=lambda: defaultdict(Second))
    kinds: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    means: dict[str, list[float]] = field(default_factory=dict)
    """What each version forecasts at JACKPOTS, as it first said."""
    swaps: list[float] = field(default_factory=list)
    outages: list[tuple[float, float]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the day is over."""
        return time.monotonic() >= self.ends

    def note(self, kind: str, wanted: str, status: str, began: float, version: str = "", means: Any = None) -> None:
        """Count an answer, or keep it as unexplained."""
        now = time.monotonic()
        second = self.seconds[int(now - self.began)]
        second.latencies.append(now - began)
        second.refused += status != "200"
        self.kinds[f"{kind}: {status}"] += 1
        good = status == wanted
        if good and means is not None:
            good = bool(np.allclose(self.means.setdefault(version, list(means)), means, rtol=1e-9))
        if not good:
            self.unexplained.append(f"{now - self.began:.1f} s, {kind}: {status} of {version}, not {wanted}; {means}")


def _bad(date: str) -> list[tuple[bytes, str]]:
    good = {"jackpot": 2e7, "draw_date": date}
    bodies: list[tuple[Any, str]] = [
        ("{", "400"), ("[" * 50_000, "400"), ({"instances": []}, "422"), ({"instances": [{**good, "x": 1}]}, "422"),
        ({"instances": [{**good, "jackpot": -1}]}, "422"), ({"instances": [{}] * 100_001}, "413"),
        ({"instances": [{**good, "draw_date": "2026-02-30"}]}, "422"),
    ]  # fmt: skip
    texts = [(one if isinstance(one, str) else json.dumps(one), status) for one, status in bodies]
    return [*((post(PREDICT, text.encode()), status) for text, status in texts),
            (post(PREDICT, b"{}", content_type="text/xml"), "415"), (post("/v2/models/x/infer", b"{}"), "404"),
            (post("/v2/repository/models/england/unload", b"{}"), "403")]  # fmt: skip


async def _http(day: Day, kind: str, pause: float, choices: list[tuple[bytes, str]], seed: int, read: Any) -> None:
    client, chance = Client(day.server.http), random.Random(seed)  # noqa: S311
    while not day.over:
        request, wanted = chance.choice(choices)
        began = time.monotonic()
        try:
            head, body = await client.ask(request)
            version, means = read(head, body) if wanted == "200" and head[9:12] == b"200" else ("", None)
            day.note(kind, wanted, head[9:12].decode(), began, version, means)
        except (OSError, TimeoutError) as error:
            day.note(kind, wanted, f"{type(error).__name__} {error}", began)
        await asyncio.sleep(chance.expovariate(1 / pause))
    client.close()


def _read_v1(head: bytes, body: bytes) -> tuple[str, list[float]]:
    said = json.loads(body)
    return said["model_version"], [row["mean"] for row in said["predictions"]][: len(JACKPOTS)]


def _read_v2(head: bytes, body: bytes) -> tuple[str, list[float]]:
    said = json.loads(body)
    return said["model_version"], said["outputs"][0]["data"][: len(JACKPOTS)]


def _read_binary(head: bytes, body: bytes) -> tuple[str, list[float]]:
    length = int(head.lower().split(b"inference-header-content-length:")[1].split(b"\r\n")[0])
    said = json.loads(body[:length])
    return said["model_version"], np.frombuffer(body[length:], "<f8", len(JACKPOTS)).tolist()


def _read_nothing(head: bytes, body: bytes) -> tuple[str, None]:
    return json.loads(body)["model_version"], None


async def _grpc(day: Day, pause: float, seed: int) -> None:
    request, chance = pb.ModelInferRequest(model_name="england"), random.Random(seed)  # noqa: S311
    shape = [len(JACKPOTS)]
    request.inputs.add(name="jackpot", datatype="FP64", shape=shape).contents.fp64_contents.extend(JACKPOTS)
    days = request.inputs.add(name="draw_date", datatype="BYTES", shape=shape)
    days.contents.bytes_contents.extend([day.on.date.encode()] * len(JACKPOTS))
    broken = pb.ModelInferRequest(model_name="england", inputs=request.inputs[:1])
    async with grpc.aio.insecure_channel(f"127.0.0.1:{day.server.grpc}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer",
                                    response_deserializer=pb.ModelInferResponse.FromString)  # fmt: skip
        while not day.over:
            bad, began = chance.random() < 0.2, time.monotonic()
            wanted = "INVALID_ARGUMENT" if bad else "200"
            try:
                answer = await infer((broken if bad else request).SerializeToString(), timeout=10)
                means = list(answer.outputs[0].contents.fp64_contents)
                day.note("gRPC", wanted, "200", began, answer.model_version, means)
            except grpc.RpcError as error:
                day.note("gRPC", wanted, error.code().name, began)
            await asyncio.sleep(chance.expovariate(1 / pause))


async def _swap(day: Day) -> None:
    """Swap versions; every fourth time name a damaged one first, which must change nothing."""
    turn = 0
    while not day.over:
        await asyncio.sleep(SWAP_SECONDS)
        turn += 1
        if turn % 4 == 0:
            day.on.deploy(1, model_sha256="0" * 64)
            await asyncio.sleep(SWAP_SECONDS / 3)
        day.on.deploy(1 + turn % 2)
        day.swaps.append(time.monotonic() - day.began)


async def _outage(day: Day, place: Path) -> None:
    """Take the payload log's store away in the middle of the day."""
    await asyncio.sleep((day.ends - day.began) / 2)
    away, from_ = place.with_name("away"), time.monotonic() - day.began
    place.rename(away)
    place.write_bytes(b"")
    await asyncio.sleep(min(OUTAGE_SECONDS, (day.ends - day.began) / 5))
    place.unlink()
    away.rename(place)
    day.outages.append((from_, time.monotonic() - day.began))


async def _measure(day: Day) -> None:
    while not day.over:
        sizes = [await asyncio.to_thread(memory, day.server.process.pid, kind) for kind in ("Rss", "Anonymous")]
        second = day.seconds[int(time.monotonic() - day.began)]
        second.memory, second.anonymous = (size / 2**20 for size in sizes)
        await asyncio.sleep(1.0)


async def live(day: Day, place: Path) -> None:
    """Live through the day."""
    date, jackpots = day.on.date, list(JACKPOTS)
    many = [*jackpots, *np.round(np.geomspace(5e6, 4e7, 997), 2).tolist()]
    binary, headers = _binary(jackpots, date)
    explain = post(PREDICT.replace("predict", "explain"), day.on.body([2e7]))
    kinds: list[tuple[str, float, int, list[tuple[bytes, str]], Any]] = [
        ("V1", 0.02, 4, [(post(PREDICT, day.on.body(jackpots)), "200")], _read_v1),
        ("V1, 1,000 instances", 0.5, 1, [(post(PREDICT, day.on.body(many)), "200")], _read_v1),
        ("V2", 0.05, 2, [(post(INFER, v2_body(jackpots, date)), "200")], _read_v2),
        ("V2 binary", 0.05, 2, [(post(INFER, binary, **headers), "200")], _read_binary),
        ("explain", 1.0, 1, [(explain, "200")], _read_nothing),
        ("bad input", 0.1, 2, _bad(date), _read_nothing),
    ]
    parts: list[Coroutine[Any, Any, None]] = [_swap(day), _outage(day, place), _measure(day)]
    for number, (kind, pause, clients, choices, read) in enumerate(kinds):
        parts += [_http(day, kind, pause, choices, 10 * number + i, read) for i in range(clients)]
    await asyncio.gather(*parts, *(_grpc(day, 0.1, seed) for seed in (97, 98)))


def plot(day: Day, path: Path) -> None:
    """Draw answers a second, latency and memory over the day."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    width = max(round((day.ends - day.began) / 180), 1)
    bins: dict[int, Second] = defaultdict(Second)
    for moment, second in sorted(day.seconds.items()):
        bins[moment // width].latencies += second.latencies
        bins[moment // width].refused += second.refused
    at = [width * number / 60 for number in bins]
    figure, axes = plt.subplots(3, 1, figsize=(8, 6.5), sharex=True, layout="constrained")

    def line(axis: Any, label: str, value: Callable[[Second], float]) -> None:
        axis.plot(at, [value(one) for one in bins.values()], label=label, linewidth=1)

    line(axes[0], "all", lambda one: len(one.latencies) / width)
    line(axes[0], "refused, as they must be", lambda one: one.refused / width)
    for level in (0.5, 0.99):
        line(axes[1], f"{level:.0%}", lambda one, level=level: 1000 * float(np.quantile(one.latencies, level)))  # type: ignore[misc]
    sizes = [(at / 60, one.memory, one.anonymous) for at, one in sorted(day.seconds.items()) if one.memory]
    minutes, resident, anonymous = zip(*sizes, strict=True)
    axes[2].plot(minutes, resident, linewidth=1, label="resident")
    axes[2].plot(minutes, anonymous, linewidth=1, label="anonymous")
    axes[0].set_ylabel("answers a second")
    axes[1].set(ylabel="latency, ms", yscale="log")
    axes[2].set(ylabel="memory, MiB", xlabel="minutes", ylim=(0, None))
    for axis in axes:
        for swap in day.swaps:
            axis.axvline(
                swap / 60, color="0.85", linewidth=0.7, zorder=0, label="swap" if swap is day.swaps[0] else None
            )
        for from_, to in day.outages:
            axis.axvspan(from_ / 60, to / 60, color="tab:red", alpha=0.15, label="payload store down")
        axis.margins(x=0)
    axes[0].legend(loc="lower right", fontsize="small", ncols=4)
    axes[1].legend(loc="upper right", fontsize="small", ncols=4)
    axes[2].legend(loc="lower right", fontsize="small", ncols=2)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Live through it, print what came of it and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--plot", type=Path, default=PLOT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        on, place = stage(folder / "store"), folder / "place"
        place.mkdir()
        flags = ("--payload_store", str(place / "kept"), "--payload_rows", "20000", "--payload_seconds", "2")
        with running(on, folder / "log", *flags) as server:
            day = Day(on, server, time.monotonic() + 60 * asked.minutes)
            asyncio.run(live(day, place))
            dropped = server.metric("jackpot_payloads_dropped")
            taken, defects = len(server.lines("loaded")) - 1, len(server.lines("defect"))
    for kind, count in sorted(day.kinds.items()):
        print(f"  {kind}: {count:,}")
    for one in day.unexplained[:10]:
        print("unexplained:", one)
    plot(day, asked.plot)
    length = day.ends - day.began
    after = [s for at, s in day.seconds.items() if s.memory and WARM_UP * length <= at < 2 * WARM_UP * length]
    last = [s for at, s in day.seconds.items() if s.memory and at >= (1 - WARM_UP) * length]
    early, late = (statistics.median(s.memory for s in some) for some in (after, last))
    heap = [statistics.median(s.anonymous for s in some) for some in (after, last)]
    print(f"resident {early:.1f} to {late:.1f} MiB, anonymous {heap[0]:.1f} to {heap[1]:.1f} MiB")
    print(f"{day.kinds.total():,} answers, {taken} swaps, {dropped:,.0f} rows of the payload log dropped; {asked.plot}")
    finish("soak", [
        Figure("minutes", asked.minutes, "", ">= 15"),
        Figure("swaps", taken, "", f">= {int(0.8 * length / (SWAP_SECONDS * 1.1))}"),
        Figure("unexplained answers and defects", len(day.unexplained) + defects, "", "<= 0"),
        Figure("memory at the end over that after the warm-up", late / early, "", "<= 1.02"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()

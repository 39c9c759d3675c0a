"""The server beside others: an empty `kserve.Model`, MLflow's own, and a null server that shows the generator's limits.

    make bench-serving            (about three minutes)
    make bench-serving FULL=1     (longer rounds, and memory over a million requests)

All run on this machine, started by one harness, measured in alternating rounds by one open-loop generator. The empty
model has KServe's default settings and its logs go nowhere; ours checks its input, counts, and logs every request.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from jackpot.adapters.load import open_loop

from . import load, servers
from .batch import write_model
from .load import Target
from .memory import memory
from .report import Figure, finish

PREDICT, INFER = "/v1/models/england:predict", "/v2/models/england/infer"


def prepare(folder: Path) -> tuple[float, str]:
    """Leave a model and its store in a folder; return a jackpot and a draw date to ask for."""
    from jackpot.canonical import read_folder, sha256
    from jackpot.demand.storage import model_hash
    from jackpot.scoring.model import load_scoring_model
    from jackpot.steps.state import State
    from jackpot.store import FolderStore

    write_model(folder / "model")
    files = read_folder(folder / "model")
    loaded, store = load_scoring_model(files), FolderStore(folder / "store")
    state = State(
        market="england",
        model=model_hash(files),
        snapshot=sha256(files["snapshot.parquet"]),
        market_file=sha256(files["market.yaml"]),
        as_of=loaded.as_of.isoformat(),
    )
    (folder / "model" / "evaluation.json").write_text('{"market": "england"}')
    store.replace(f"markets/england/{state.market_file}.yaml", files["market.yaml"])
    store.replace(f"snapshots/england/{state.snapshot}.parquet", files["snapshot.parquet"])
    store.replace(f"states/england/{state.model}/latest.json", state.to_bytes())
    return 2e7, loaded.calendar[0].date().isoformat()


def v1_body(jackpots: list[float], date: str) -> bytes:
    """Return a V1 request."""
    return json.dumps({"instances": [{"jackpot": jackpot, "draw_date": date} for jackpot in jackpots]}).encode()


def v2_body(jackpots: list[float], date: str) -> bytes:
    """Return a V2 request of two columns."""
    columns = (("jackpot", "FP64", jackpots), ("draw_date", "BYTES", [date] * len(jackpots)))
    tensors = [{"name": name, "datatype": kind, "shape": [len(data)], "data": data} for name, kind, data in columns]
    return json.dumps({"inputs": tensors}).encode()


def throughput(folder: Path, jackpot: float, date: str, rounds: int, seconds: float) -> tuple[list[Figure], float]:
    """Measure capacity over V1 and V2, and latency at half of the empty model's; draw the ramps."""
    figures: list[Figure] = []
    v1, v2 = v1_body([jackpot], date), v2_body([jackpot], date)
    with contextlib.ExitStack() as stack:
        port = servers.free_port()
        ours = stack.enter_context(servers.server(servers.ours(folder, port), port, PREDICT, v1))
        port = servers.free_port()
        empty = stack.enter_context(servers.server(servers.empty(port), port, PREDICT, v1))
        port = servers.free_port()
        null = stack.enter_context(servers.server(servers.null(port), port, PREDICT, v1))
        ramps = {}
        capacity: dict[str, float] = {}
        for protocol, path, body in (("V1", PREDICT, v1), ("V2", INFER, v2)):
            targets = [
                Target("ours", ours.url, path, body),
                Target("empty kserve.Model", empty.url, path, body),
                Target("null", null.url, path, body),
            ]
            found = load.capacities(targets, rounds, seconds)
            for name, (rate, steps) in found.items():
                capacity[f"{name} {protocol}"] = rate
                ramps[f"{name} {protocol}"] = steps
            print(f"{protocol}: " + ", ".join(f"{name} {rate:,.0f}/s" for name, (rate, _) in found.items()))
            ratio = found["ours"][0] / found["empty kserve.Model"][0]
            figures.append(Figure(f"requests/s, one instance, {protocol}, over an empty model", ratio, "", ">= 1.7"))
        load.plot({name: steps for name, steps in ramps.items() if name.endswith("V1")}, Path("out/bench-serving.png"))
        rate = capacity["empty kserve.Model V1"] / 2
        # The median of the rounds: one stall of the machine would decide a p99 over all of them.
        found_p99: dict[str, list[float]] = {name: [] for name in ("ours", "empty", "null")}
        for round_ in range(rounds * 2):
            for name, running in (("ours", ours), ("empty", empty), ("null", null)):
                step = load.at_rate(Target(name, running.url, PREDICT, v1), rate, seconds, seed=round_)
                found_p99[name].append(1000 * step.latencies.quantile(0.99))
        p99 = {name: statistics.median(values) for name, values in found_p99.items()}
        print(f"p99 at {rate:,.0f}/s: " + ", ".join(f"{name} {value:.2f} ms" for name, value in p99.items()))
        figures.append(Figure("p99 at half of the empty model's capacity, over its own", p99["ours"] / p99["empty"], "",
                              "<= 1.0"))  # fmt: skip
        figures.append(Figure("the generator's own p99 at that rate", p99["null"], "ms", ">= 0"))
    return figures, capacity["ours V1"]


def many_at_once(folder: Path, date: str, repeats: int) -> list[Figure]:
    """Measure 1,000 instances in a request, against the same work in one process."""
    import orjson

    from jackpot.store import FolderStore
    from serving.loading import in_folder
    from serving.loading import load as load_version
    from serving.settings import Settings
    from serving.version import Question

    settings = Settings()
    assignment = in_folder("england", folder / "model", "v1", None)
    version = load_version(assignment, FolderStore(folder / "store"), settings)
    jackpots = np.round(np.geomspace(5e6, 4e7, 1000), 2).tolist()
    body = v1_body(jackpots, date)
    question = Question(np.array(jackpots), [date] * 1000, (0.05, 0.95), "")

    def numpy_call() -> Any:
        return version.forecast(question, in_loop=False)

    def in_process() -> bytes:
        rows = orjson.loads(body)["instances"]
        asked = Question(
            np.array([row["jackpot"] for row in rows]), [row["draw_date"] for row in rows], (0.05, 0.95), ""
        )
        found = version.forecast(asked, in_loop=False)
        columns = (found.mean, found.median, found.quantiles.T, found.elasticity, found.extrapolated)
        names = ("mean", "median", "quantiles", "elasticity", "extrapolated")
        answers = [dict(zip(names, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]
        return orjson.dumps({"predictions": answers})

    binary, headers = _binary(jackpots, date)
    port = servers.free_port()
    with servers.server(servers.ours(folder, port), port, PREDICT, v1_body([2e7], date)) as running:
        sides: dict[str, Callable[[], Any]] = {
            "V1": _caller(running.url, PREDICT, body, {"content-type": "application/json"}),
            "in process": in_process,
            "V2": _caller(running.url, INFER, binary, headers),
            "numpy": numpy_call,
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(repeats):
            for name, call in sides.items():
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    median = {name: statistics.median(values[len(values) // 10 :]) for name, values in times.items()}
    print("1,000 instances: " + ", ".join(f"{name} {1000 * value:.2f} ms" for name, value in median.items()))
    return [
        Figure("1,000 instances, V1, over loads, numpy and dumps in process", median["V1"] / median["in process"], "",
               "<= 2"),
        Figure("1,000 instances, V2 binary, over the numpy call", median["V2"] / median["numpy"], "", "<= 5"),
    ]  # fmt: skip


def _binary(jackpots: list[float], date: str) -> tuple[bytes, dict[str, str]]:
    import struct

    texts = (struct.pack("<I", len(date)) + date.encode()) * len(jackpots)
    raw = (np.array(jackpots, dtype="<f8").tobytes(), texts)
    tensors = [
        {"name": name, "datatype": kind, "shape": [len(jackpots)], "parameters": {"binary_data_size": len(data)}}
        for (name, kind), data in zip((("jackpot", "FP64"), ("draw_date", "BYTES")), raw, strict=True)
    ]
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    return b"".join([head, *raw]), headers


def _caller(url: str, path: str, body: bytes, headers: dict[str, str]) -> Callable[[], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)

    def call() -> bytes:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            sys.exit(f"{path} answered {answer.status}: {data[:300]!r}")
        return data

    return call


def starts(folder: Path, date: str, runs: int) -> list[Figure]:
    """Measure from the command to the first answer."""
    body, seconds = v1_body([2e7], date), {"ours": [0.0] * 0, "empty": [0.0] * 0}
    for _ in range(runs):
        for name in seconds:
            port = servers.free_port()
            command = servers.ours(folder, port) if name == "ours" else servers.empty(port)
            with servers.server(command, port, PREDICT, body) as running:
                seconds[name].append(running.seconds_to_first_answer)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print("start to first answer: " + ", ".join(f"{name} {value:.2f} s" for name, value in median.items()))
    return [Figure("start to first answer, over an empty model", median["ours"] / median["empty"], "", "<= 1.1")]


def against_mlflow(folder: Path, date: str, rounds: int, seconds: float) -> list[Figure]:
    """Measure requests a second against MLflow's server of the same model."""
    what = "requests/s, one instance, V1, over mlflow models serve"
    import mlflow

    from jackpot.adapters.mlflow_registry import MODEL_CODE

    saved = folder / "mlflow-model"
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.pyfunc.save_model(
        str(saved), python_model=str(MODEL_CODE), artifacts={"model": str(folder / "model")}, pip_requirements=[]
    )
    record = json.dumps({"dataframe_records": [{"jackpot": 2e7, "draw_date": date}]}).encode()
    body = v1_body([2e7], date)
    port, other = servers.free_port(), servers.free_port()
    try:
        with (
            servers.server(servers.mlflow(saved, port), port, "/invocations", record) as theirs,
            servers.server(servers.ours(folder, other), other, PREDICT, body) as running,
        ):
            targets = [
                Target("mlflow", theirs.url, "/invocations", record),
                Target("ours", running.url, PREDICT, body),
            ]
            # Tens of requests a second: its ramp begins low.
            slow = load.ramp(targets[0], start=5.0, seconds=2.0)
            most = max(step.answered for step in slow)
            their_rate = statistics.median(
                load.at_rate(targets[0], most * 1.2, seconds).answered for _ in range(rounds)
            )
            our_rate = load.capacities(targets[1:], rounds, seconds)["ours"][0]
    except RuntimeError as error:
        print(error)
        return [Figure(what, None, "", ">= 5")]
    print(f"mlflow models serve {their_rate:,.0f}/s, ours {our_rate:,.0f}/s")
    return [Figure(what, our_rate / their_rate, "", ">= 5")]


def memory_over(folder: Path, date: str, rate: float, requests: int) -> list[Figure]:
    """Measure resident memory after many requests against after 50,000."""
    body, port = v1_body([2e7], date), servers.free_port()
    with servers.server(servers.ours(folder, port), port, PREDICT, body) as running:
        open_loop(running.url, PREDICT, body, rate, 50_000 / rate)
        early = memory(running.pid, "Rss")
        open_loop(running.url, PREDICT, body, rate, (requests - 50_000) / rate)
        late = memory(running.pid, "Rss")
    print(f"memory: {early / 2**20:.1f} MiB after 50,000 requests, {late / 2**20:.1f} after {requests:,}")
    return [Figure(f"memory after {requests:,} requests over after 50,000", late / early, "", "<= 1.02")]


def main() -> None:
    """Print what each part found, then all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="Longer rounds, and memory over a million requests.")
    full = parser.parse_args().full
    rounds, seconds = (5, 6.0) if full else (3, 2.0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        jackpot, date = prepare(folder)
        figures, capacity = throughput(folder, jackpot, date, rounds, seconds)
        figures += against_mlflow(folder, date, rounds, seconds)
        figures.append(Figure("requests/s, one instance, over MLServer (an environment of its own)", None, "", ">= 2"))
        figures += many_at_once(folder, date, 1000 if full else 200)
        figures += starts(folder, date, 9 if full else 3)
        if full:
            figures += memory_over(folder, date, capacity / 2, 1_000_000)
        else:
            figures.append(Figure("memory after 1,000,000 requests over after 50,000 (--full)", None, "", "<= 1.02"))
    finish("serving", figures)


if __name__ == "__main__":
    main()

"""Batch scoring: ten million rows by two processes, beside the same read, numpy call and write without anything else.

    make bench-batch

The bare run reads the same chunks, calls the same forecast and writes with the same settings, in two processes of its
own, each taking every second shard: no checks of rows, no hashes, no records, no manifest. Both include their start.
Memory is the largest sum, over all processes of a command, of what each holds alone and its part of what they share.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .memory import peak_memory
from .report import Figure, finish

SHARD_ROWS, CHUNK_ROWS = 262_144, 65_536


def write_model(folder: Path, market: str = "england") -> None:
    """Fit a market's model on its synthetic history and leave its files in a folder."""
    from jackpot.demand.models import new_model
    from jackpot.demand.storage import model_files
    from jackpot.history.snapshot import snapshot_bytes
    from jackpot.history.source import read_local
    from jackpot.market.loading import load_market
    from jackpot.steps.preprocess import read_source
    from jackpot.steps.weekly import week_in_memory

    loaded = load_market(market)
    week = week_in_memory(loaded, read_source(loaded, "", read_local, True), None)
    model = new_model(loaded.market.demand.model).fit(week.history.draws, loaded.market)
    folder.mkdir(parents=True, exist_ok=True)
    files = {**model_files(model), "market.yaml": loaded.data, "snapshot.parquet": snapshot_bytes(week.history)}
    for name, data in files.items():
        (folder / name).write_bytes(data)


def write_input(path: Path, model: Path, rows: int) -> None:
    """Write rows of jackpots between a fifth of the largest seen and all of it, on the next year's draw dates."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from jackpot.canonical import read_folder
    from jackpot.market.calendar import draw_dates
    from jackpot.market.loading import parse_market
    from jackpot.scoring.model import load_scoring_model

    files = read_folder(model)
    loaded = load_scoring_model(files)
    dates = np.array(draw_dates(parse_market(files["market.yaml"], "market.yaml"), loaded.as_of, 52))
    schema = pa.schema([("id", pa.int64()), ("jackpot", pa.float64()), ("draw_date", pa.date32())])
    generator = np.random.default_rng(1)
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for start in range(0, rows, CHUNK_ROWS):
            n = min(CHUNK_ROWS, rows - start)
            jackpots = loaded.demand.largest_seen * generator.uniform(0.2, 1.0, n)
            days = pa.array(dates[generator.integers(0, len(dates), n)], type=pa.date32())
            writer.write_table(pa.table([pa.array(np.arange(start, start + n)), jackpots, days], schema=schema))


def bare(path: str, model: str, out: str, processes: int, mine: int) -> None:
    """Read, forecast and write every shard of one process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from jackpot.canonical import read_folder
    from jackpot.scoring.curves import Curves
    from jackpot.scoring.model import load_scoring_model
    from jackpot.scoring.shard import COMPRESSION, with_forecasts

    q = (0.05, 0.95)
    loaded = load_scoring_model(read_folder(Path(model)))
    curves = Curves(loaded.demand, np.array([0.5, *q]), loaded.calendar)
    file = pq.ParquetFile(path, pre_buffer=False)
    groups = SHARD_ROWS // CHUNK_ROWS
    for number, first in enumerate(range(0, file.num_row_groups, groups)):
        if number % processes != mine:
            continue
        some = list(range(first, min(first + groups, file.num_row_groups)))
        writer = None
        for batch in file.iter_batches(CHUNK_ROWS, row_groups=some, use_threads=False):
            jackpots = batch.column("jackpot").to_numpy()
            days = batch.column("draw_date").cast(pa.int32()).to_numpy()
            made = with_forecasts(batch, curves.forecast(jackpots, days), q)
            writer = writer or pq.ParquetWriter(
                f"{out}/{number:05d}.parquet",
                made.schema,
                compression=COMPRESSION,
                use_dictionary=False,
                write_statistics=False,
            )
            writer.write_batch(made)
        if writer is not None:
            writer.close()


def timed(*commands: list[str]) -> float:
    """Run commands beside each other; return the seconds to the end of the last."""
    began = time.perf_counter()
    running = [_started(command) for command in commands]
    for process in running:
        _ended(process)
    return time.perf_counter() - began


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _ended(process: subprocess.Popen[bytes]) -> None:
    error = process.communicate()[1]
    if process.returncode:
        sys.exit(f"{process.args!r} failed:\n{error.decode()[-2000:]}")


def main() -> None:
    """Print both rates and the memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bare", nargs=5, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.bare:
        path, model, out, processes, mine = asked.bare
        bare(path, model, out, int(processes), int(mine))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model, source = folder / "model", folder / "input.parquet"
        write_model(model)
        write_input(source, model, asked.rows)
        ours: list[float] = []
        others: list[float] = []
        jackpot = str(Path(sys.executable).parent / "jackpot")

        def score(out: str) -> list[str]:
            words = [jackpot, "score", "england", str(source), str(folder / out), "--model", str(model)]
            return [*words, "--processes", str(asked.processes), "--json"]

        for run in range(asked.runs):
            out = folder / f"bare-{run}"
            out.mkdir()
            each = [sys.executable, "-m", "benchmarks.batch", "--bare", str(source), str(model), str(out)]
            others.append(timed(*([*each, str(asked.processes), str(i)] for i in range(asked.processes))))
            ours.append(timed(score(f"ours-{run}")))
            (manifest,) = (folder / f"ours-{run}").glob("*/manifest.json")
            if json.loads(manifest.read_bytes())["scored"] != asked.rows:
                sys.exit("not every row was scored")
            for made in (out, manifest.parent):
                shutil.rmtree(made)
        watched = _started(score("watched"))
        peak = peak_memory(watched.pid, 0.1)
        _ended(watched)
        rate, bare_rate = (asked.rows / statistics.median(times) for times in (ours, others))
    print(f"ours {rate:,.0f} rows/s, bare {bare_rate:,.0f} rows/s; runs (s): {ours} {others}")
    finish(
        "batch",
        [
            Figure(
                f"{asked.rows:,} rows, {asked.processes} processes, against the bare run",
                rate / bare_rate,
                "",
                ">= 0.7",
            ),
            Figure("rows a second", rate, "", ">= 0"),
            Figure("peak memory of all processes", peak() / 2**20, "MiB", "<= 1024"),
        ],
    )


if __name__ == "__main__":
    main()

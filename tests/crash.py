"""`jackpot score` killed at a random moment, again and again: what is left at the end is the one correct result."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from jackpot.canonical import sha256
from tests.scoring import csv_lines, write_model

KILLS = int(os.environ.get("KILLS", "50"))
ROWS = 60_000


def words(folder: Path, out: str) -> list[str]:
    jackpot = str(Path(sys.executable).parent / "jackpot")
    paths = [str(folder / "rows.csv"), str(folder / out), "--model", str(folder / "model")]
    return [
        jackpot,
        "score",
        "england",
        *paths,
        "--format",
        "parquet",
        "--shard-rows",
        "4000",
        "--processes",
        "2",
        "--json",
    ]


def files(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): sha256(path.read_bytes()) for path in out.rglob("*") if path.is_file()}


def check(folder: Path, kills: int, seed: int) -> None:
    """Kill the process group of a job `kills` times, then let it end; raise AssertionError unless all is as it was."""
    write_model(folder / "model")
    lines = csv_lines(ROWS)
    lines[17], lines[40_000] = "x,abc,2026-01-17", "x,1"
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    began = time.monotonic()
    subprocess.run(words(folder, "whole"), check=True, capture_output=True, timeout=300)
    whole = time.monotonic() - began
    generator = random.Random(seed)
    out = folder / "out"
    for _ in range(kills):
        process = subprocess.Popen(
            words(folder, "out"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(generator.uniform(0.2, 0.9) * whole)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not any(out.glob("*/shards/*")) or (list(out.glob("*/manifest.json")) and generator.random() < 0.5):
            continue
        # A job that has ended begins anew, with a few shards gone.
        for record in list(out.glob("*/shards/*"))[::2] if list(out.glob("*/manifest.json")) else []:
            record.unlink()
    subprocess.run(words(folder, "out"), check=True, capture_output=True, timeout=300)
    found = {name: digest for name, digest in files(out).items() if "/." not in name}
    assert found == files(folder / "whole")
    (manifest,) = out.glob("*/manifest.json")
    record = json.loads(manifest.read_bytes())
    ids = [i for part in record["forecasts"] for i in pq.read_table(out / part["key"]).column("id").to_pylist()]
    assert [int(i) for i in ids] == [i for i in range(ROWS) if i + 1 not in {17, 40_000}]
    assert (record["rows"], record["rejected"]) == (ROWS, 2)


def test_killed_at_random_points_and_run_again_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    check(tmp_path, KILLS, seed=11)

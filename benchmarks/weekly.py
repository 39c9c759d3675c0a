"""The weekly pipeline on this machine: each step's time, split into imports and work, and the whole beside the work.

    make bench

Imports are measured by Python itself (`-X importtime`) in a run of their own, since measuring them slows them; the
steps' times are the medians of the runs without it. Every run starts from a new, empty environment.
"""

from __future__ import annotations

import re
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from jackpot.adapters.kfp_local import LocalRun, run_pipeline
from jackpot.cli.output import Output, table

from .report import Figure, finish

ROOT = Path(__file__).resolve().parent.parent
COMPILED = ROOT / "pipelines" / "compiled" / "weekly.yaml"
RUNS = 3
_IMPORT = re.compile(r"import time:\s+(\d+) \|")
_STEP = re.compile(r"Executing task \S*?'([^'\x1b]+)'")


def once(folder: Path, importtime: bool = False) -> tuple[LocalRun, dict[str, float]]:
    """Run england's week in an environment of its own; return it and, where measured, each step's import seconds."""
    folder.mkdir(parents=True)
    environment = folder / "bench.yaml"
    environment.write_text(
        "environment: bench\nstore: store\nrestricted_store: restricted\nsynthetic_allowed: true\nbootstrap: true\n"
        "cash_required: false\nregistry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}\nnotify: [file]\n"
    )
    imports: dict[str, float] = defaultdict(float)
    step = ""

    def follow(line: str) -> None:
        nonlocal step
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if started := _STEP.search(plain):
            step = started[1]
        elif step and (seen := _IMPORT.search(plain)):
            imports[step] += int(seen[1]) / 1e6

    run = run_pipeline(
        COMPILED,
        {"market": "england", "environment": str(environment)},
        folder / "log",
        on_line=follow if importtime else None,
        environment={"PYTHONPROFILEIMPORTTIME": "1"} if importtime else None,
    )
    if not run.succeeded:
        sys.exit(f"the run failed:\n{(folder / 'log').read_text()[-3000:]}")
    return run, dict(imports)


def main() -> None:
    """Print a line a step and the figures."""
    output = Output(as_json=False)
    with tempfile.TemporaryDirectory() as scratch, output.working("timing the weekly pipeline"):
        _, imports = once(Path(scratch) / "imports", importtime=True)
        runs = [once(Path(scratch) / str(number))[0] for number in range(RUNS)]
    names = [step.name for step in runs[0].steps]
    seconds = {
        name: statistics.median(
            (step.finished or 0.0) - step.started for run in runs for step in run.steps if step.name == name
        )
        for name in names
    }
    work = {name: max(seconds[name] - imports.get(name, 0.0), 0.0) for name in names}
    rows = table("step", "seconds", "imports", "work")
    for name in names:
        rows.add_row(name, f"{seconds[name]:.2f}", f"{imports.get(name, 0.0):.2f}", f"{work[name]:.2f}")
    whole = statistics.median(run.seconds for run in runs)
    rows.add_row("[bold]whole", f"{whole:.2f}", f"{sum(imports.values()):.2f}", f"{sum(work.values()):.2f}")
    output.results.print(rows)
    finish(
        "weekly",
        [
            Figure("the weekly pipeline, installed", whole, "s", "<= 20"),
            Figure("whole run over the sum of its steps' work", whole - sum(work.values()), "s", "<= 10"),
        ],
    )


if __name__ == "__main__":
    main()

"""A model's whole life on this machine, by the commands that a person would type: `make demo`, under three minutes.

A synthetic market: England as shipped, seed 2, whose first model is made weak on purpose and whose players later care
half as much for large jackpots. Everything lies in a folder of its own (--out); what is printed after `$` was run
there. Exits with 1 where the story takes another turn than the one told in docs/lifecycle.md.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import queue
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
SEED: Final = 2
KNOWN: Final = 492
"""Draws in the first file; the next two have one more each."""
DRIFTED: Final = 18
"""Draws after those, in which the elasticity is halved."""
PATIENCE: Final = 300.0
"""Seconds that a run may take before the demo gives up."""
ENVIRONMENT: Final = """\
environment: demo
store: store
restricted_store: restricted
registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}
audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}
approval: {approvers: {"*": ["local:*"]}}
cash_required: false
bootstrap: true # the first model that passes its gates becomes champion
notify: [file]
system_test: {rate: 10, seconds: 2, p50_ms: 200, p95_ms: 2000, p99_ms: 5000} # a laptop that is busy
"""
SETTINGS: Final = """
demand: {model: log_log_ols} # a straight line: weak on purpose
monitoring: {tuning_trials: 4} # as many as there is time for here
"""


class Demo:
    """A folder in which commands are run and shown."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: queue.Queue[str] = queue.Queue()
        self._watcher: subprocess.Popen[str] | None = None
        self._steps = 0

    def step(self, title: str, *words: str) -> None:
        """Begin another part of the story."""
        self._steps += 1
        print(f"\n== {self._steps}. {title}", *words, sep="\n", flush=True)

    def type(self, command: str) -> None:
        """Show a command as a person would type it."""
        print(f"\n$ {command}", flush=True)

    def run(self, command: str) -> str:
        """Run a command of `jackpot` in the folder, show both it and what it prints, and return that."""
        self.type(command)
        done = subprocess.run(self._words(command), cwd=self.folder, text=True, capture_output=True)
        print(done.stdout.strip(), flush=True)
        if done.returncode != 0:
            raise SystemExit(f"{command} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done.stdout

    def ask(self, command: str) -> Any:
        """Run a command with --json, unseen, and return what it says."""
        done = subprocess.run(
            self._words(f"{command} --json"), cwd=self.folder, text=True, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    def watch(self, command: str) -> None:
        """Start a command that goes on beside the others."""
        self.type(f"{command} &")
        self._watcher = subprocess.Popen(
            self._words(command), cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in (self._watcher.stdout if self._watcher else None) or ():
            self._lines.put(line.rstrip())

    def hear(self, what: str) -> None:
        """Show what the watcher says until a run of this kind has succeeded."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                line = self._lines.get(timeout=1.0)
            except queue.Empty:
                if self._watcher is None or self._watcher.poll() is not None:
                    break
                continue
            print(f"[watch] {line}", flush=True)
            if line.startswith(f"ran: {what}/"):
                return
            if line.startswith("failed:"):
                break
        raise SystemExit(f"no run of {what} succeeded")

    def put(self, name: str, rows: str) -> None:
        """Let a file of draws arrive in the watched folder, whole."""
        self.type(f"mv {name} inbox/england.csv")
        (self.folder / name).write_text(rows)
        (self.folder / name).replace(self.folder / "inbox" / "england.csv")

    def stop(self) -> None:
        """End the watcher."""
        if self._watcher is not None:
            self._watcher.terminate()
            self._watcher.wait(timeout=30)

    def _words(self, command: str) -> list[str]:
        name, *rest = shlex.split(command)
        return [str(BIN / name), *rest]


def halved_elasticity(rows: list[dict[str, str]], first: int) -> list[dict[str, str]]:
    """Return the draws with sales from `first` on that follow the jackpot half as much: elasticity 0.5 becomes 0.25."""

    def weakened(row: dict[str, str]) -> dict[str, str]:
        factor = (float(row["jackpot"]) / 15_000_000) ** -0.25
        tickets = round(float(row["sales"]) * factor / 2.5)
        return {**row, "sales": f"{2.5 * tickets:.2f}"}

    return [row if number < first else weakened(row) for number, row in enumerate(rows)]


def table(rows: list[dict[str, str]]) -> str:
    """Return rows as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def prepared(folder: Path) -> list[dict[str, str]]:
    """Make the folder anew with its environment, market file and history; return the history's rows."""
    if folder.exists() and not (folder / "demo.yaml").is_file():
        raise SystemExit(f"{folder} is there and is no demo's: choose another with --out")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "inbox").mkdir(parents=True)
    (folder / "demo.yaml").write_text(ENVIRONMENT)
    (folder / "england.yaml").write_text((ROOT / "configs/markets/england.yaml").read_text() + SETTINGS)
    words = ["simulate", "england.yaml", "--seed", str(SEED), "--out", "history.csv"]
    subprocess.run([str(BIN / "jackpot"), *words], cwd=folder, check=True, capture_output=True)
    with (folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def expect(true: bool, what: str) -> None:
    """End the demo where the story takes another turn."""
    if not true:
        raise SystemExit(f"not as told: {what}")


def story(demo: Demo, rows: list[dict[str, str]]) -> None:
    """Tell it."""
    here = "--environment demo.yaml"
    demo.step(
        "New data arrives, and the run starts by itself",
        "A folder is watched; the operator's file of past draws is put there. The environment says `bootstrap: true`:",
        "the first model that passes its gates becomes champion unasked, and the log says so.",
    )
    demo.watch(f"jackpot watch inbox --market england.yaml {here} --settle 0.5")
    demo.put(f"draws-{KNOWN}.csv", table(rows[:KNOWN]))
    demo.hear("weekly")
    demo.run(f"jackpot models list england {here}")
    first = demo.ask(f"jackpot audit show england --kind recommendation {here}")[0]

    demo.step(
        "A better challenger",
        "The line that chose the weak model leaves the market file; the next draw arrives.",
    )
    demo.type("sed -i /^demand:/d england.yaml")
    market = demo.folder / "england.yaml"
    market.write_text("".join(line for line in market.open() if not line.startswith("demand:")))
    demo.put(f"draws-{KNOWN + 1}.csv", table(rows[: KNOWN + 1]))
    demo.hear("weekly")
    demo.run(f"jackpot approvals england {here}")

    demo.step("Approval and promotion")
    demo.run(f'jackpot approve england --reason "errs far less, and not by chance" {here}')
    stands = {row["version"]: row["stands"] for row in demo.ask(f"jackpot models list england {here}")}
    expect(stands == {"v1": ["previous"], "v2": ["champion"]}, f"v2 is champion and v1 the one before, not {stands}")

    demo.step("The next recommendation rests on the new champion")
    demo.put(f"draws-{KNOWN + 2}.csv", table(rows[: KNOWN + 2]))
    demo.hear("weekly")
    demo.run(f"jackpot outcomes england.yaml --history inbox/england.csv --draws {here}")

    demo.step(
        "The market drifts",
        f"{DRIFTED} draws in which players care half as much for a large jackpot as they did.",
    )
    end = KNOWN + 2 + DRIFTED
    demo.put(f"draws-{end}.csv", table(halved_elasticity(rows, KNOWN + 2)[:end]))
    demo.hear("weekly")
    demo.run(f"jackpot monitor england.yaml --history inbox/england.csv --out monitor {here}")
    verdict = json.loads((demo.folder / "monitor/monitor.json").read_bytes())["verdict"]
    expect(verdict in {"retrain", "stop"}, f"the monitor asks for a retraining, not {verdict}")

    demo.step("The retraining starts by the same trigger", "Nobody typed anything: the verdict is a record of the log.")
    demo.hear("retrain")
    demo.run(f"jackpot models list england {here}")
    demo.run(f'jackpot approve england --reason "fitted to how players are now" {here}')
    stands = {row["version"]: row["stands"] for row in demo.ask(f"jackpot models list england {here}")}
    expect(stands.get("v3") == ["champion"], f"v3 is champion, not {stands}")

    demo.step("A year later: the first recommendation, computed anew")
    said = demo.run(f"jackpot replay {first['body']['prefix']} {here}")
    expect("identical" in said, "the replay is identical")

    demo.step("The log is whole, and goes to the regulator")
    demo.run(f"jackpot audit show england {here}")
    demo.run(f"jackpot audit verify england --files {here}")
    demo.run(f"jackpot audit export england --out export.zip {here}")


def main() -> None:
    """Tell the story in a folder, and how long it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path("out/demo"), help="folder, made anew")
    began = time.monotonic()
    os.environ["COLUMNS"] = "110"
    folder = options.parse_args().out.resolve()
    demo = Demo(folder)
    try:
        story(demo, prepared(folder))
    finally:
        demo.stop()
    print(f"\nThe whole story took {time.monotonic() - began:.0f} s; what it left lies in {folder}")


if __name__ == "__main__":
    main()

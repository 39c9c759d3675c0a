"""Run a compiled pipeline on this machine under kfp.local: the same file that a cluster runs.

`run_pipeline` starts this module as a process of its own, so that kfp's chatter goes to a log file, its leaked
temporary folders go with the run, and the caller imports no kfp.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .events import MARK

_STARTED = re.compile(r"Executing task '([^']+)'")
_FINISHED = re.compile(r"Task '([^']+)' finished with status (\w+)")
_RETRIES = re.compile(r"^( +maxRetryCount: )\d+$", re.MULTILINE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class StepTime:
    """A step of a local run: when it began and ended, in seconds since the run's start, and how."""

    name: str
    started: float
    finished: float | None = None
    status: str = "RUNNING"


@dataclass
class LocalRun:
    """A finished local run: its steps, what they emitted, and whether all of them succeeded."""

    succeeded: bool
    seconds: float
    log: Path
    steps: list[StepTime] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def run_id(self) -> str | None:
        """The id under which the steps left their records."""
        return next((event["run_id"] for event in self.events if "run_id" in event), None)

    def failures(self) -> list[dict[str, Any]]:
        """What the failed steps said, each once: a step that was tried again said it again."""
        said = {event["step"]: event for event in self.events if event["event"] == "step-failed"}
        return list(said.values())


def run_pipeline(
    compiled: Path,
    arguments: Mapping[str, Any],
    log: Path,
    on_change: Callable[[LocalRun], None] | None = None,
    on_line: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> LocalRun:
    """Run a compiled pipeline to its end; `on_change` hears of each step that starts or finishes, `on_line` each line.

    All that kfp and the steps print goes to `log`. Nothing is raised where a step fails: `succeeded` tells.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    run = LocalRun(succeeded=False, seconds=0.0, log=log)
    with tempfile.TemporaryDirectory(prefix="jackpot-run-") as scratch, log.open("w", encoding="utf-8") as record:
        settings = {**os.environ, **(environment or {}), "TMPDIR": scratch, "PYTHONUNBUFFERED": "1"}
        settings["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), settings.get("PATH", "")])
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, str(compiled.resolve()), json.dumps(dict(arguments)), scratch],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=settings,
            start_new_session=True,
        )
        try:
            for line in process.stdout or ():
                record.write(line)
                if on_line is not None:
                    on_line(line)
                if _follow(run, _COLOUR.sub("", line), time.monotonic() - began) and on_change is not None:
                    on_change(run)
        except BaseException:
            # The steps are processes of their own: all of the run ends, or its orphans would go on writing.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        run.succeeded = process.wait() == 0
    run.seconds = time.monotonic() - began
    return run


def _follow(run: LocalRun, line: str, now: float) -> bool:
    if started := _STARTED.search(line):
        run.steps.append(StepTime(started[1], now))
        return True
    if finished := _FINISHED.search(line):
        for step in reversed(run.steps):
            if step.name == finished[1] and step.finished is None:
                step.finished, step.status = now, finished[2]
                return True
    elif MARK in line:
        run.events.append(json.loads(line.split(MARK, 1)[1]))
        return True
    return False


def _main(compiled: str, arguments: str, scratch: str) -> None:
    from kfp import components, local

    # kfp puts this name in place of every `python3` in a step's command, its arguments among them, without quotes: the
    # same name changes nothing, and PATH (see run_pipeline) leads it to this interpreter.
    sys.executable = "python3"
    local.init(local.SubprocessRunner(use_venv=False), pipeline_root=f"{scratch}/root")
    # Retries are for the pods that a cluster loses. Here they would only keep whoever waits from reading what is wrong:
    # what may pass is tried again where it is called, and a trigger starts a failed run anew.
    text = _RETRIES.sub(r"\g<1>0", Path(compiled).read_text(encoding="utf-8"))
    pipeline = components.load_component_from_text(text)
    try:
        pipeline(**json.loads(arguments))
    except RuntimeError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    _main(*sys.argv[1:])

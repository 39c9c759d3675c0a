"""What every step of a pipeline runs inside: its environment, its record of failure, its lines in the log."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from ..canonical import json_bytes
from ..collecting import collect_seldom
from ..errors import InputError, JackpotError
from .events import MARK, emit

if TYPE_CHECKING:
    from .places import Places

LAST_LINES = 12
LONGEST_LINE = 300


class _Tail:
    """The end of what a step printed, for whoever is told that it failed."""

    def __init__(self) -> None:
        self._text = ""

    def write(self, text: str) -> None:
        self._text = (self._text + text)[-2 * LAST_LINES * LONGEST_LINE :]

    def lines(self) -> list[str]:
        said = (line.strip() for line in self._text.splitlines())
        return [line[:LONGEST_LINE] for line in said if line and MARK not in line][-LAST_LINES:]


class _Copy:
    """A text stream that is written on, with a copy of it kept."""

    def __init__(self, stream: TextIO, tail: _Tail) -> None:
        self._stream, self._tail = stream, tail

    def write(self, text: str) -> int:
        self._tail.write(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def open_step(name: str, environment: str, run_id: str) -> Iterator[Places]:
    """Open an environment for a step; record a failure where the exit handler finds it, and end the step with it.

    Raises SystemExit with 2 for bad input, of which the log shows the problems alone, and with 1 for all else.
    """
    from .places import open_places

    collect_seldom()
    # One thread a step: the arithmetic, and so the last digit, does not depend on the number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    places: Places | None = None
    started = time.perf_counter()
    tail = _Tail()
    try:
        with (
            redirect_stdout(cast(TextIO, _Copy(sys.stdout, tail))),
            redirect_stderr(cast(TextIO, _Copy(sys.stderr, tail))),
        ):
            places = open_places(environment)
            yield places
    except Exception as error:
        from ..steps.notify import redacted

        bad_input = isinstance(error, InputError)
        if not isinstance(error, JackpotError):
            traceback.print_exc()
            tail.write("".join(traceback.format_exception_only(error)))
        failure = {
            "step": name,
            "run_id": run_id,
            "kind": "input" if bad_input else "failure",
            "message": redacted(str(error) if isinstance(error, JackpotError) else f"{type(error).__name__}: {error}"),
            "problems": [str(problem) for problem in error.problems] if isinstance(error, InputError) else [],
            "log": [redacted(line) for line in tail.lines()],
        }
        emit("step-failed", **failure)
        if places is not None:
            try:
                places.store.replace(f"runs/{run_id}/failure-{name}.json", json_bytes(failure))
            except Exception:
                traceback.print_exc()
        sys.exit(2 if bad_input else 1)
    used = {"cpu_seconds": round(time.process_time(), 2), "memory_mib": peak_memory_mib()}
    emit("step-done", step=name, run_id=run_id, seconds=round(time.perf_counter() - started, 3), **used)


def peak_memory_mib() -> int | None:
    """Return the most memory that this process has held; None where the system does not say.

    Not `getrusage`, whose figure starts from that of the process it was forked from.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:")), None)

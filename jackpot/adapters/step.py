"""What every step of a pipeline runs inside: its environment, its record of failure, its lines in the log."""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..canonical import json_bytes
from ..errors import InputError, JackpotError

if TYPE_CHECKING:
    from .places import Places

MARK = "jackpot-event: "
"""What a step's log lines for programs begin with; the rest of the line is one JSON object."""


def emit(event: str, **fields: Any) -> None:
    """Print one line for programs into the step's log."""
    print(MARK + json.dumps({"event": event, **fields}, ensure_ascii=True, allow_nan=False), flush=True)


@contextmanager
def open_step(name: str, environment: str, run_id: str) -> Iterator[Places]:
    """Open an environment for a step; record a failure where the exit handler finds it, and end the step with it.

    Raises SystemExit with 2 for bad input, of which the log shows the problems alone, and with 1 for all else.
    """
    from .places import open_places

    # One thread a step: the arithmetic, and so the last digit, does not depend on the number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    places: Places | None = None
    started = time.perf_counter()
    try:
        places = open_places(environment)
        yield places
    except Exception as error:
        bad_input = isinstance(error, InputError)
        if not isinstance(error, JackpotError):
            traceback.print_exc()
        failure = {
            "step": name,
            "run_id": run_id,
            "kind": "input" if bad_input else "failure",
            "message": str(error) if isinstance(error, JackpotError) else f"{type(error).__name__}: {error}",
            "problems": [str(problem) for problem in error.problems] if isinstance(error, InputError) else [],
        }
        emit("step-failed", **failure)
        if places is not None:
            try:
                places.store.replace(f"runs/{run_id}/failure-{name}.json", json_bytes(failure))
            except Exception:
                traceback.print_exc()
        sys.exit(2 if bad_input else 1)
    emit("step-done", step=name, run_id=run_id, seconds=round(time.perf_counter() - started, 3))

"""What runs, and since when: git, the image, the lock, the clock."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from pathlib import Path

from ..canonical import json_bytes, sha256
from ..lineage import CodeVersion
from ..steps.publish import Run
from ..store import MissingObjectError, Store

PROJECT = Path(__file__).resolve().parent.parent.parent


def code_version() -> CodeVersion:
    """Return the commit, image digest and lock hash; an image carries commit and digest in its environment."""
    commit = os.environ.get("JACKPOT_COMMIT") or _git("rev-parse", "HEAD")
    status = None if os.environ.get("JACKPOT_COMMIT") else _git("status", "--porcelain", "--untracked-files=no")
    lock = PROJECT / "requirements.lock"
    return CodeVersion(
        commit=commit,
        dirty=None if status is None else bool(status),
        image=os.environ.get("JACKPOT_IMAGE") or None,
        lock_sha256=sha256(lock.read_bytes()) if lock.is_file() else None,
        python=platform.python_version(),
    )


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(PROJECT), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def start_run(store: Store, run_id: str) -> bool:
    """Record when a run began, once; False where it had begun already: a first step is tried again."""
    return store.put_new(_started_key(run_id), json_bytes({"started_at": _now().isoformat()}))


def run_record(store: Store, run_id: str, environment: str) -> Run:
    """Return who publishes now: the run, its environment, its times (UTC) and the code."""
    finished = _now()
    try:
        started = dt.datetime.fromisoformat(json.loads(store.read(_started_key(run_id)))["started_at"])
    except MissingObjectError:
        started = finished
    return Run(run_id, environment, started, finished, code_version())


def _started_key(run_id: str) -> str:
    return f"runs/{run_id}/started.json"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)

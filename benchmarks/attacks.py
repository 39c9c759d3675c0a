"""What must hold whatever is done to it: kills, races, tamperings, forgeries. Each is a test, run for its verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from .report import Figure

ROOT: Final = Path(__file__).resolve().parents[1]
TESTS: Final = {
    "kill -9 at every write of promote, roll-back, backfill: one champion, whole outputs, whole log": (
        "tests/pipelines/test_killed.py",
    ),
    "kill -9 at every write of publish, approve: once or not at all": ("tests/core/audit/test_crashes.py",),
    "50 weekly runs, approvals, promotions at once: one winner each, no record lost": (
        "tests/pipelines/test_at_once.py",
    ),
    "1,000 random tamperings found, the first bad record named": (
        "tests/core/audit/test_log.py::test_any_tampering_is_found_and_the_first_bad_record_named",
    ),
    "1,000 forged, expired, replayed, re-targeted approvals: none accepted": (
        "tests/serving/test_approvals.py::test_of_a_thousand_attacks_none_is_accepted",
    ),
}


def rows() -> list[Figure]:
    """Return 1 for each that held, 0 for each that did not; pytest's own words are printed for the latter."""
    figures = []
    for what, tests in TESTS.items():
        command = [sys.executable, "-m", "pytest", "-m", "", *tests]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        held = done.returncode == 0 and "skipped" not in done.stdout
        if not held:
            print(done.stdout[-3000:])
        figures.append(Figure(what, float(held), "", ">= 1"))
    return figures

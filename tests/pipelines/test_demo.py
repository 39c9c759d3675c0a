"""`make demo`: the story that docs/lifecycle.md tells happens as it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parent.parent.parent


def test_a_models_whole_life_goes_as_it_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for said in (
        "v2 is champion",
        "asked",
        "(p = 0.0",
        "ran: retrain/england/elasticity/",
        "v3 is champion",
        "identical",
        "whole",
    ):
        assert said in done.stdout
    # The hashes of what was recommended are this kind of machine's.
    told = [
        line.split("recommendations/")[0]
        for line in (ROOT / "docs/lifecycle.md").read_text().splitlines()
        if line.startswith("$ ")
    ]
    assert told
    assert not [line for line in told if line not in done.stdout]
    assert (tmp_path / "demo/export.zip").is_file()

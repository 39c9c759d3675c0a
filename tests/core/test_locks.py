"""The locks: one resolution, hashed, that names no registry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def pins(name: str) -> dict[str, frozenset[str]]:
    """Return each pinned requirement, e.g. "numpy==2.4.6", with its hashes."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {line.split()[0]: frozenset(re.findall(r"--hash=(\S+)", line)) for line in lines}


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("requirements-serving.lock", "requirements.lock"),
        ("requirements.lock", "requirements-dev.lock"),
        ("requirements-uv.lock", "requirements-dev.lock"),
    ],
)
def test_every_lock_is_a_part_of_one_resolution(smaller: str, larger: str) -> None:
    assert pins(smaller).items() <= pins(larger).items()


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_every_pin_is_hashed_and_no_registry_is_named(path: Path) -> None:
    assert all(hashes and "==" in pin for pin, hashes in pins(path.name).items())
    assert "://" not in path.read_text()


def test_what_serves_neither_trains_nor_registers() -> None:
    names = {pin.split("==")[0] for pin in pins("requirements-serving.lock")}
    assert not names & {"mlflow", "kfp", "scikit-learn", "matplotlib"}

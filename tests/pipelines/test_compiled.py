"""The compiled files: golden, self-contained, cached where that is right and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compiling import COMPILED, PIPELINES, compile_pipelines

ROOT = Path(__file__).resolve().parent.parent.parent
DIGEST = "registry.example.com/jackpot@sha256:" + "0" * 64


def tasks(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every task of a compiled pipeline by its component's executor name, through all nested graphs."""
    graphs = [spec["root"], *spec["components"].values()]
    return {
        task["taskInfo"]["name"]: task
        for graph in graphs
        for task in graph.get("dag", {}).get("tasks", {}).values()
        if "dag" not in spec["components"][task["componentRef"]["name"]]
    }


def load(path: Path) -> dict[str, Any]:
    return next(iter(yaml.safe_load_all(path.read_text())))


@pytest.mark.parametrize("name", PIPELINES)
def test_compiled_files_are_what_the_code_compiles_to(name: str, tmp_path: Path) -> None:
    compile_pipelines(tmp_path, None)
    assert (tmp_path / f"{name}.yaml").read_text() == (COMPILED / f"{name}.yaml").read_text(), "run: make compile"


def test_the_bytes_depend_on_neither_folder_nor_hash_seed(tmp_path: Path) -> None:
    code = (
        f"from pathlib import Path; from pipelines.compiling import *; compile_pipelines(Path({str(tmp_path)!r}), None)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    for name in PIPELINES:
        assert (tmp_path / f"{name}.yaml").read_bytes() == (COMPILED / f"{name}.yaml").read_bytes()


@pytest.mark.parametrize("name", PIPELINES)
def test_no_step_installs_anything(name: str) -> None:
    text = (COMPILED / f"{name}.yaml").read_text()
    assert "pip install" not in text
    assert "packages_to_install" not in text


@pytest.mark.parametrize("name", PIPELINES)
def test_nothing_is_cached(name: str) -> None:
    """preprocess has the same parameters every week: a cached result would be last week's."""
    found = tasks(load(COMPILED / f"{name}.yaml"))
    assert {"weekly": {"preprocess", "optimise", "publish", "notify"}}.get(name, set()) < set(found)
    assert not [task for task, spec in found.items() if spec.get("cachingOptions")]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_parameter_has_a_type_and_a_default(name: str) -> None:
    for parameter in load(COMPILED / f"{name}.yaml")["root"]["inputDefinitions"]["parameters"].values():
        assert parameter["parameterType"] in {"STRING", "BOOLEAN", "NUMBER_INTEGER", "NUMBER_DOUBLE"}
        assert parameter["isOptional"]
        assert "defaultValue" in parameter


def test_an_image_by_digest_is_the_image_of_every_step(tmp_path: Path) -> None:
    compile_pipelines(tmp_path, DIGEST)
    for name in PIPELINES:
        executors = load(tmp_path / f"{name}.yaml")["deploymentSpec"]["executors"].values()
        assert {executor["container"]["image"] for executor in executors} == {DIGEST}

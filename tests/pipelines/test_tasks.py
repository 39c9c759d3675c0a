"""What every task asks of a cluster, as it stands in the compiled files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.compiling import COMPILED, PIPELINES, compile_manifests, compile_pipelines
from pipelines.tasks import AUDIT, CASH, MLFLOW, SLACK, TASKS, VOLUMES, step_of

ROOT = Path(__file__).resolve().parent.parent.parent
DIGEST = "registry.example.com/jackpot@sha256:" + "0" * 64
CALLS = {
    r"places\.(past_)?cash\(": CASH,
    r"places\.(audit|promoter)\(": AUDIT,
    r"places\.tell\(": SLACK,
    r"places\.(registry|promoter)\b": MLFLOW,
}
"""What a component calls, and the secret behind it."""


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    spec, platform = yaml.safe_load_all(path.read_text())
    return spec, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def mebibytes(quantity: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", quantity).groups()  # type: ignore[union-attr]
    return float(number) * {"Mi": 1, "Gi": 1024}[unit]


@pytest.mark.parametrize("name", PIPELINES)
def test_every_task_has_limits_a_deadline_and_a_user_that_is_not_root(name: str) -> None:
    spec, platform = load(COMPILED / f"{name}.yaml")
    executors = spec["deploymentSpec"]["executors"]
    assert executors.keys() == platform.keys()
    for label, executor in executors.items():
        resources = executor["container"]["resources"]
        assert set(resources) == {
            f"resource{what}{kind}" for what in ("Cpu", "Memory") for kind in ("Request", "Limit")
        }
        assert platform[label]["securityContext"] == {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
        assert 300 <= int(platform[label]["activeDeadlineSeconds"]) <= 7200
        (settings,) = platform[label]["configMapAsVolume"]
        assert (settings["configMapName"], settings["mountPath"]) == ("environments", "/app/configs/environments")


@pytest.mark.parametrize("name", PIPELINES)
def test_a_task_is_tried_again_with_growing_pauses_unless_its_failure_is_a_verdict(name: str) -> None:
    spec, _ = load(COMPILED / f"{name}.yaml")
    for graph in (spec["root"], *spec["components"].values()):
        for task in graph.get("dag", {}).get("tasks", {}).values():
            component = spec["components"][task["componentRef"]["name"]]
            wanted = TASKS[step_of(component["executorLabel"])].retries if "executorLabel" in component else 0
            policy = task.get("retryPolicy", {"maxRetryCount": 0, "backoffFactor": 2.0})
            assert (policy["maxRetryCount"], policy["backoffFactor"]) == (wanted, 2.0)
    assert not [name for name in ("deploy", "system_test", "begin_promotion") if TASKS[name].retries]


def test_a_step_gets_the_secrets_that_its_code_asks_for_and_no_other() -> None:
    for name, task in TASKS.items():
        code = (ROOT / "components" / name / "component.py").read_text()
        needed = {secret for call, secret in CALLS.items() if re.search(call, code)}
        if name == "backfill_draw":
            needed.remove(CASH)  # past figures come by URI, never today's
        assert set(task.secrets) == needed, name
    assert {path.parent.name for path in (ROOT / "components").glob("*/component.py")} == TASKS.keys()


@pytest.mark.parametrize("name", PIPELINES)
def test_secrets_are_mounted_by_reference_and_none_has_a_value(name: str) -> None:
    _, platform = load(COMPILED / f"{name}.yaml")
    for label, config in platform.items():
        mounted = {one["secretName"]: one["mountPath"] for one in config.get("secretAsVolume", [])}
        as_environment = {one["secretName"] for one in config.get("secretAsEnv", [])}
        wanted = set(TASKS[step_of(label)].secrets)
        assert mounted == {secret: path for secret, path in VOLUMES.items() if secret in wanted}
        assert as_environment == wanted & {MLFLOW}
        assert all(one["optional"] for one in (*config.get("secretAsVolume", []), *config.get("secretAsEnv", [])))


def test_limits_leave_room_over_what_was_measured() -> None:
    """KFP's launcher runs in the same container (about 60 MiB), and a history may be several times longer."""
    for name, task in TASKS.items():
        assert task.measured > 0, name
        assert mebibytes(task.size.memory) >= task.measured + 60, name
        assert mebibytes(task.size.most_memory) >= 2 * (task.measured + 60), name


def test_the_image_is_known_to_the_steps_where_it_is_named_by_digest(tmp_path: Path) -> None:
    compile_pipelines(tmp_path, DIGEST)
    for name in PIPELINES:
        for executor in load(tmp_path / f"{name}.yaml")[0]["deploymentSpec"]["executors"].values():
            assert executor["container"]["env"] == [{"name": "JACKPOT_IMAGE", "value": DIGEST}]
        for executor in load(COMPILED / f"{name}.yaml")[0]["deploymentSpec"]["executors"].values():
            assert "env" not in executor["container"]


def test_objects_name_a_version_by_its_content(tmp_path: Path) -> None:
    named = []
    for folder, image in (("a", DIGEST), ("b", DIGEST), ("c", DIGEST.replace("0" * 64, "1" * 64))):
        for path in compile_manifests(tmp_path / folder, image):
            pipeline, version = yaml.safe_load_all(path.read_text())
            assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
            assert pipeline["metadata"] == {"name": path.stem, "namespace": "kubeflow"}
            assert version["spec"]["pipelineName"] == path.stem
            assert re.fullmatch(rf"{path.stem}-[0-9a-f]{{12}}", version["metadata"]["name"])
            named.append((folder, version["metadata"]["name"], path.read_bytes()))
    by_folder = {folder: [row[1:] for row in named if row[0] == folder] for folder in "abc"}
    assert by_folder["a"] == by_folder["b"]
    assert not {name for name, _ in by_folder["a"]} & {name for name, _ in by_folder["c"]}


def test_objects_hold_what_the_files_hold(tmp_path: Path) -> None:
    compile_manifests(tmp_path, None)
    for name in PIPELINES:
        spec, platform = yaml.safe_load_all((COMPILED / f"{name}.yaml").read_text())
        _, version = yaml.safe_load_all((tmp_path / f"{name}.yaml").read_text())
        assert (version["spec"]["pipelineSpec"], version["spec"]["platformSpec"]) == (spec, platform)

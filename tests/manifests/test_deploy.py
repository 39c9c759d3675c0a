"""The deploy script, with a kubectl that writes down what it is asked: order, refusals, and once per image."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"

KUBECTL = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    *"-f -") cat > "$LOG.given" ;;
    *"can-i create roles"*) [ "$MAY" = yes ] ;;
    *"get job "*jsonpath*) cat "$DONE" 2>/dev/null ;;
    *"get job "*) [ -f "$DONE" ] ;;
    *"delete job "*) rm "$DONE" ;;
    *"get deployments"*) echo deployment.apps/mlflow ;;
esac
"""


def run(tmp_path: Path, environment: str, may: str = "yes", done: bool = False) -> tuple[int, list[str], str]:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    if done:
        (tmp_path / "done").touch()
    log = tmp_path / "log"
    log.write_text("")
    settings = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log), "MAY": may, "DONE": str(tmp_path / "done")}
    script = tmp_path / "manifests" / "deploy.sh"
    ended = subprocess.run(["sh", str(script), environment], env=settings, capture_output=True, text=True, check=False)
    return ended.returncode, log.read_text().splitlines(), ended.stdout + ended.stderr


@pytest.fixture
def released(tmp_path: Path) -> Path:
    shutil.copytree(MANIFESTS, tmp_path / "manifests", ignore=shutil.ignore_patterns("__pycache__"))
    images = tmp_path / "manifests" / "overlays" / "staging" / "images" / "kustomization.yaml"
    images.write_text(images.read_text().replace("sha256:" + "0" * 64, "sha256:" + "ab" * 32))
    return tmp_path


def test_rights_first_then_services_then_the_database_then_schedules(released: Path) -> None:
    code, asked, _ = run(released, "staging")
    assert code == 0
    order = [next(i for i, line in enumerate(asked) if part in line) for part in (
        "staging/foundation", "staging/services", "create job mlflow-upgrade-abababababab",
        "rollout status", "create job schedules-abababababab",
    )]  # fmt: skip
    assert order == sorted(order)
    assert all("--server-side" in line for line in asked if line.startswith("apply"))


def test_a_second_run_starts_no_job_again(released: Path) -> None:
    code, asked, _ = run(released, "staging", done=True)
    assert code == 0
    assert not [line for line in asked if "create job" in line]


def test_a_job_that_failed_is_tried_again(released: Path) -> None:
    (released / "done").write_text("True")
    code, asked, _ = run(released, "staging")
    assert code == 0
    (deleted,) = [i for i, line in enumerate(asked) if "delete job mlflow-upgrade-abababababab" in line]
    assert "create job mlflow-upgrade-abababababab" in " ".join(asked[deleted:])


def test_with_irsa_each_account_gets_its_role_before_a_pod_starts(released: Path) -> None:
    place = released / "manifests" / "overlays" / "staging" / "services" / "place.env"
    assert not [line for line in run(released, "staging")[1] if "identities" in line], "Pod Identity needs none"
    place.write_text(place.read_text() + "IDENTITY=irsa\n")
    code, asked, _ = run(released, "staging")
    assert code == 0
    (named,) = [i for i, line in enumerate(asked) if "--field-manager=jackpot-identities" in line]
    assert "staging/foundation" in asked[named - 1]
    assert "staging/services" in asked[named + 1]
    given = json.loads((released / "log.given").read_text())["items"]
    roles = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["metadata"]["annotations"]
        for one in given
        if one["kind"] == "ServiceAccount"
    }
    arn = "arn:aws:iam::111122223333:role/jackpot-staging-weekly"
    assert roles["kubeflow", "pipeline-runner"] == {"eks.amazonaws.com/role-arn": arn}
    assert not [line for line in run(released, "staging", may="no")[1] if "identities" in line], (
        "a right, not a release's"
    )


def test_a_release_leaves_rights_alone(released: Path) -> None:
    code, asked, said = run(released, "staging", may="no")
    assert code == 0
    assert not [line for line in asked if "foundation" in line]
    assert "not allowed to change rights" in said


def test_an_environment_without_images_or_a_wrong_name_is_refused_before_anything_is_applied(released: Path) -> None:
    for environment, reason in (
        ("production", "names no image yet"),
        ("prod", "no environment 'prod'; there are: local production staging"),
    ):
        code, asked, said = run(released, environment)
        assert code == 2
        assert asked == []
        assert reason in said


def test_digests_are_written_in_the_one_place_and_nothing_else_is(tmp_path: Path) -> None:
    from manifests.images import name_images

    file = tmp_path / "kustomization.yaml"
    before = (MANIFESTS / "overlays" / "staging" / "images" / "kustomization.yaml").read_text()
    file.write_text(before)
    pipeline, serving = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    name_images(file, {"jackpot-optimiser/pipeline": pipeline, "jackpot-optimiser/serving": serving})
    changed = [new for old, new in zip(before.splitlines(), file.read_text().splitlines(), strict=True) if old != new]
    assert [line.strip() for line in changed] == [f"digest: {pipeline}", f"digest: {serving}"]
    for digest in ("latest", "sha256:12", ""):
        with pytest.raises(ValueError, match="no digest"):
            name_images(file, {"jackpot-optimiser/pipeline": digest})
    assert pipeline in file.read_text()

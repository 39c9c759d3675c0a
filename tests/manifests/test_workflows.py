"""The release: actions pinned by commit, least rights, and production only what staging ran."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"
NAMES = sorted(path.name for path in WORKFLOWS.glob("*.yaml"))
ROOT = WORKFLOWS.parents[1]
TOOLS = Path(sysconfig.get_path("scripts"))


def load(name: str) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    workflow: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    workflow["on"] = workflow.pop(True)
    return workflow


def actionlint(text: str) -> str:
    """Return what actionlint finds in a workflow, and shellcheck in its scripts: one line each, none if it is clean."""
    command = [str(TOOLS / "actionlint"), "-shellcheck", str(TOOLS / "shellcheck"), "-pyflakes", "", "-oneline", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_actionlint_finds_nothing(name: str) -> None:
    assert actionlint((WORKFLOWS / name).read_text()) == ""


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("run: echo ${{ steps.none.outputs.digest }}", "[expression]"),
        ("runs: echo", "[syntax-check]"),
        ("run: echo $HOME/$(pwd)", "SC2046"),
    ],
)
def test_actionlint_and_its_shellcheck_do_look(wrong: str, found: str) -> None:
    assert found in actionlint(f"on: push\njobs:\n  one:\n    runs-on: ubuntu-24.04\n    steps:\n      - {wrong}\n")


@pytest.mark.parametrize("script", ["manifests/deploy.sh", "manifests/platform/apply.sh", "requirements.sh", ".ci/run"])
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run([TOOLS / "shellcheck", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_fails_with_any_of_its_commands(name: str) -> None:
    """GitHub runs a script by `bash -e` unless `bash` is asked for by name: then with pipefail too."""
    assert load(name)["defaults"] == {"run": {"shell": "bash"}}


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_by_commit_and_say_their_version(name: str) -> None:
    used = re.findall(r"uses: (\S+)(.*)", (WORKFLOWS / name).read_text())
    assert used
    for action, rest in used:
        if action.startswith("./"):
            assert (WORKFLOWS.parents[1] / action).is_file()
        else:
            assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", rest), action


@pytest.mark.parametrize("name", NAMES)
def test_rights_are_the_least_and_jobs_end(name: str) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert set(job.get("permissions", {}).items()) <= {("contents", "read"), ("id-token", "write")}
        assert "uses" in job or job["timeout-minutes"] <= 90
        for step in job.get("steps", []):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", NAMES)
def test_no_script_takes_in_text_from_outside(name: str) -> None:
    """`${{ }}` inside `run` is put into the shell's text; values come as environment instead."""
    for job in load(name)["jobs"].values():
        for step in job.get("steps", []):
            assert "${{" not in step.get("run", ""), step


def test_the_same_pin_stands_everywhere() -> None:
    text = "".join((WORKFLOWS / name).read_text() for name in NAMES)
    pins: dict[str, set[str]] = {}
    for action, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", text):
        pins.setdefault(action, set()).add(commit)
    assert {action: len(commits) for action, commits in pins.items()} == dict.fromkeys(pins, 1)


def test_production_comes_after_staging_with_the_digests_that_were_built() -> None:
    jobs = load("release.yaml")["jobs"]
    assert jobs["build"]["needs"] == "test"
    assert jobs["staging"]["needs"] == "build"
    assert jobs["production"]["needs"] == "staging"
    deploy = load("deploy.yaml")["jobs"]["deploy"]
    assert deploy["environment"] == "${{ inputs.environment }}"
    text = str(deploy["steps"])
    assert "docker build-push" not in text
    assert "digests/pipeline" in text
    assert text.index("cosign copy") < text.index("cosign verify") < text.index("make deploy")


def test_a_signature_is_copied_with_its_image_and_checked_where_the_image_runs() -> None:
    steps = {step.get("name"): step for step in load("deploy.yaml")["jobs"]["deploy"]["steps"]}
    here = "${{ steps.registry.outputs.registry }}"
    copied = steps["Copy the images as they are, with their signatures"]
    assert copied["env"]["HERE"] == here
    assert "--only" not in copied["run"], "the image too, which has no other way"
    checked = steps["The images that will run are signed by this repository's release"]
    assert "if" not in checked
    assert checked["env"] == {"HERE": here}
    assert '"$HERE/jackpot-optimiser/$target@$(cat "digests/$target")"' in checked["run"]

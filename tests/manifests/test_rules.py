"""Alerts are valid Prometheus rules, and fire when they should."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from manifests.reading import Object


def test_alerts_fire_when_they_should_and_not_before(production: list[Object], tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: Debian's package `prometheus` has it")
    (rules,) = [item for item in production if item["kind"] == "PrometheusRule"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules["spec"]))
    cases = tmp_path / "rules_test.yaml"
    cases.write_text((Path(__file__).parent / "rules_test.yaml").read_text())
    checks: tuple[list[str], ...] = (["check", "rules", "rules.yaml"], ["test", "rules", cases.name])
    for command in checks:
        done = subprocess.run([promtool, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

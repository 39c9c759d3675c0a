"""What tests share: a place of their own to run in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Place:
    """A folder with an environment file: everything a run keeps lies under it."""

    root: Path
    environment: Path

    def market(self, name: str = "england", changes: dict[str, str] | None = None, rename: str | None = None) -> Path:
        """Return a copy of a shipped market file with some lines of text replaced."""
        text = (ROOT / "configs" / "markets" / f"{name}.yaml").read_text()
        new = rename or name
        for old, replacement in {f"market: {name}": f"market: {new}", **(changes or {})}.items():
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}.yaml"
            text = text.replace(old, replacement)
        path = self.root / f"{new}.yaml"
        path.write_text(text)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    path = tmp_path / "test.yaml"
    path.write_text(
        "environment: test\nstore: store\nrestricted_store: restricted\n"
        "registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}\n"
        "audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}\n"
        'approval: {approvers: {"*": ["local:*"]}}\n'
        "cash_uri: cash/{market}.json\ncash_required: false\nsynthetic_allowed: true\nbootstrap: true\n"
        "system_test: {seconds: 1, p50_ms: 1000, p95_ms: 5000, p99_ms: 5000}\n"
        "run_link: https://kubeflow.example.com/runs/{run_id}\n"
    )
    return Place(tmp_path, path)

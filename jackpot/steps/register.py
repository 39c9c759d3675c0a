"""register: a model that passed its gates becomes a version in the registry."""

from __future__ import annotations

from pathlib import Path

from ..ports import Registry
from .week import Week


def register(week: Week, candidate: Path, logged: str, registry: Registry, bootstrap: bool) -> tuple[str, str]:
    """Register the logged candidate; return its version (v3) and its alias, champion or challenger."""
    from ..demand.storage import model_hash

    files = {path.name: path.read_bytes() for path in sorted(candidate.iterdir())}
    tags = {
        "market": week.market.market,
        "as_of": week.checks.as_of,
        "snapshot": week.checks.snapshot,
        "market_file": week.checks.market_file,
    }
    return registry.register(week.market.market, logged, model_hash(files), tags, bootstrap)

"""register: a model that passed its gates becomes a version in the registry."""

from __future__ import annotations

from pathlib import Path

from ..canonical import read_folder
from ..demand.storage import model_hash
from ..ports import Registry
from ..records import Checks


def register(checks: Checks, candidate: Path, logged: str, registry: Registry, bootstrap: bool) -> tuple[str, str]:
    """Register the logged candidate; return its version (v3) and its alias, champion or challenger."""
    tags = {
        "market": checks.market,
        "as_of": checks.as_of,
        "snapshot": checks.snapshot,
        "market_file": checks.market_file,
    }
    return registry.register(checks.model_name, logged, model_hash(read_folder(candidate)), tags, bootstrap)

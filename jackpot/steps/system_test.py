"""system_test: test a server against a model and its state."""

from __future__ import annotations

from dataclasses import replace

from ..environment import SystemTest
from ..ports import Registry
from ..promotion import Version
from ..promotion.versions import load_version
from ..scoring.model import load_scoring_model
from ..store import Store
from ..system_test.contract import Report, Server
from ..system_test.run import system_test
from .batch import GivenModel, in_newest_state


def registered_model(market: str, name: str, version: Version, store: Store, registry: Registry) -> GivenModel:
    """Return a registered version as a server should serve it: in its newest state, else its own.

    Raises JackpotError where it cannot be had, or is not the model of that hash.
    """
    files = load_version(name, version, store, registry).files
    return replace(in_newest_state(files, market, store), version=version.version)


def run_system_test(url: str, server: Server, name: str, given: GivenModel, limits: SystemTest) -> Report:
    """Test what a server serves under a name against a model's files."""
    return system_test(url, server, name, given.files, load_scoring_model(given.files, given.as_of), limits)

"""Promotion and backfill killed by SIGKILL at every write of the stores and the registry, all of them enumerated.

Just after a write is just before the next. Approval and publishing are killed in tests/core/audit/test_crashes.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from jackpot.canonical import json_bytes
from jackpot.errors import InputError
from jackpot.steps.backfill import backfill, conclude
from jackpot.store import FolderStore
from tests.core.promotion.conftest import MemoryRegistry, Scene
from tests.core.promotion.test_promote import ACTS
from tests.desk import AS_OF, CODE, Desk, a_week, evaluated  # noqa: F401
from tests.killing import killed

pytestmark = pytest.mark.integration


class FolderRegistry(MemoryRegistry):
    """Aliases that outlive the process: each change of one is a write of a folder store."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._kept = FolderStore(root / "registry")

    def set_aliases(self, name: str, aliases: Mapping[str, str | None]) -> None:
        for alias, version in aliases.items():
            held = {**self.aliases, alias: version}
            self.aliases = {each: at for each, at in held.items() if at is not None}
            if self.read() != self.aliases:
                self._kept.replace("aliases.json", json_bytes(self.aliases))

    def read(self) -> dict[str, str]:
        if not list(self._kept.keys("")):
            return {}
        return dict(json.loads(self._kept.read("aliases.json")))


@pytest.mark.parametrize("act", ACTS)
def test_a_promotion_killed_at_any_write_is_finished_or_undone_by_the_next(tmp_path: Path, act: str) -> None:
    call, (champion, previous) = ACTS[act]
    writes, died = 0, True
    while died:
        writes += 1
        root = tmp_path / str(writes)
        registry = FolderRegistry(root)
        scene = Scene(root, registry)
        first = scene.add(1, None)
        if act != "bootstrap":
            scene.promoter(0).bootstrap(first)
            scene.approve(scene.add(2, first))
        if act == "rollback":
            scene.promoter().promote("v2")
        died = killed(lambda scene=scene: call(scene), writes, after=False)
        registry.aliases = registry.read()
        assert not [fault for fault in scene.log.verify() if "missing" not in fault.what]
        if died:
            # A rollback that was killed after its last write has nothing left to do.
            with suppress(InputError):
                call(scene)
        scene.check(champion, previous)
    assert writes > 4


def test_a_backfill_killed_at_any_write_gives_the_same_bytes_when_it_is_run_again(
    tmp_path: Path,
    evaluated: object,  # noqa: F811
) -> None:
    _, champion = Desk(tmp_path / "desk").prepare(AS_OF, evaluated)  # type: ignore[arg-type]
    week = a_week(AS_OF)

    def run(store: FolderStore) -> None:
        conclude("england", [backfill(week, champion, None, CODE, store).prefix], "run", store)

    def contents(store: FolderStore) -> dict[str, bytes]:
        return {key: store.read(key) for key in store.keys("")}

    whole = FolderStore(tmp_path / "whole")
    run(whole)
    expected = contents(whole)
    assert {key.split("/")[0] for key in expected} == {"backfills", "runs"}
    writes, died = 0, True
    while died:
        writes += 1
        store = FolderStore(tmp_path / str(writes))
        died = killed(partial(run, store), writes, after=False)
        run(store)
        assert contents(store) == expected
    assert writes == len(expected) + 1

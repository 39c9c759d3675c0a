"""Versions of a small market's model, an in-memory registry, and a promoter over real stores and a real audit log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jackpot.approval import Caller, Rules, answer, request
from jackpot.audit import AuditLog, Keyring
from jackpot.environment import Approval
from jackpot.errors import InputError, JackpotError
from jackpot.ports import Files, RegisteredModel, TrialRun, VersionNote
from jackpot.promotion import Promoter, Version
from jackpot.promotion.local import RecordDeployer
from jackpot.promotion.versions import file_hashes, keep_version
from jackpot.records import AgainstChampion, Gates
from jackpot.store import FolderStore, Store

NAME = "england-synthetic"
AT = "2026-11-21T12:00:00+00:00"
BOB = Caller("bob")
ANYBODY = Approval(approvers={"*": ("*",)})
LATER = "2026-11-21T15:00:00+00:00"


def at(hours: float) -> str:
    return (dt.datetime.fromisoformat(AT) + dt.timedelta(hours=hours)).isoformat()


@cache
def fitted(number: int) -> tuple[Files, str]:
    """Return the files of a fitted model and its hash; each number gives another."""
    from jackpot.demand.models import new_model
    from jackpot.demand.storage import model_files, model_hash
    from jackpot.history.source import Source
    from jackpot.market.loading import load_market
    from jackpot.simulation.history import synthetic_csv
    from jackpot.steps.weekly import week_in_memory

    market = load_market("england")
    week = week_in_memory(market, Source("synthetic", synthetic_csv(market.market), None), None)
    draws = week.history.draws
    files = model_files(new_model("log_log_ols").fit(draws.iloc[: 100 + number], market.market))
    return {
        **files,
        "card.md": b"# Card",
        "evaluation.json": b"{}",
        "market.yaml": week.market_data,
        "snapshot.parquet": week.snapshot_data,
    }, model_hash(files)


@dataclass
class MemoryRegistry:
    """What MLflow keeps, in memory; `write` is called before each change of it."""

    write: Callable[[], None] = lambda: None
    runs: dict[str, Files] = field(default_factory=dict)
    files: dict[str, tuple[str, Files]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)

    def champion(self, name: str) -> RegisteredModel | None:
        return self.load(name, self.aliases["champion"]) if "champion" in self.aliases else None

    def log(
        self,
        name: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        pages: Files = {},  # noqa: B006
        trials: Sequence[TrialRun] = (),
    ) -> str:
        self.runs[run_id] = files
        return run_id

    def register(self, name: str, logged: str, sha256: str, tags: Mapping[str, str]) -> str:
        version = f"v{len(self.files) + 1}"
        self.restore(name, version, sha256, self.runs[logged], tags)
        return version

    def restore(self, name: str, version: str, sha256: str, files: Files, tags: Mapping[str, str]) -> None:
        self.write()
        self.files[version] = (sha256, files)

    def versions(self, name: str) -> list[VersionNote]:
        return [
            VersionNote(version, sha256, AT, tuple(a for a, held in self.aliases.items() if held == version), {})
            for version, (sha256, _) in self.files.items()
        ]

    def load(self, name: str, version: str) -> RegisteredModel:
        if version not in self.files:
            raise InputError("no such version")
        sha256, files = self.files[version]
        return RegisteredModel(version, sha256, "2025-12-14", files)

    def set_aliases(self, name: str, aliases: Mapping[str, str | None]) -> None:
        for alias, version in aliases.items():
            if self.aliases.get(alias) != version:
                self.write()
                if version is None:
                    del self.aliases[alias]
                else:
                    self.aliases[alias] = version


@dataclass
class Scene:
    """A market with stores under a folder."""

    root: Path
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    wrap: Callable[[Store], Store] = lambda store: store

    @property
    def store(self) -> Store:
        return self.wrap(FolderStore(self.root / "store"))

    @property
    def log(self) -> AuditLog:
        records, heads = (self.wrap(FolderStore(self.root / name)) for name in ("records", "heads"))
        return AuditLog("england", records, heads, Keyring(b"k" * 32))

    def promoter(
        self, hours: float = 1, by: str = "run:1", deployer: Any = None, people: Approval = ANYBODY
    ) -> Promoter:
        store = self.store
        return Promoter(
            "england", NAME, self.log, self.registry, store, deployer or RecordDeployer(store), people, by, at(hours)
        )

    def add(self, number: int, against: Version | None, passed: bool = True) -> Version:
        """Register a version, of the model of that number, which was compared with a champion; keep its files."""
        files, sha256 = fitted(number)
        champion = (
            AgainstChampion(version=against.version, model_sha256=against.sha256, same_settings=False, draws_since=30)
            if against
            else None
        )
        gates = Gates(
            market="england", model_name=NAME, model_sha256=sha256, snapshot="0" * 64, market_file="0" * 64,
            as_of="2025-12-14", outcome="challenger_better", summary="better", champion=champion, decision=None,
            lines=(), passed=passed,
        )  # fmt: skip
        whole = {**files, "gates.json": gates.to_bytes()}
        logged = self.registry.log(NAME, "run:1", sha256, whole, {}, {})
        version = Version(self.registry.register(NAME, logged, sha256, {}), sha256)
        keep_version(NAME, version, whole, FolderStore(self.root / "store"))
        return version

    def ask(self, version: Version, hours: float = 0, four_eyes: bool = False, trained_by: Caller = BOB) -> str:
        files = self.registry.files[version.version][1]
        return request(
            self.log, model_name=NAME, version=version.version, model_sha256=version.sha256,
            evidence={"files": dict(file_hashes(files))}, trained_by=trained_by, four_eyes=four_eyes, at=at(hours),
            expires_at=at(hours + 100),
        ).subject  # fmt: skip

    def approve(self, version: Version, hours: float = 0) -> None:
        rules = Rules("england", ("*",), False)
        answer(self.log, self.ask(version, hours), "approved", "good", Caller("alice"), at(hours + 0.5), rules)

    def check(self, champion: Version, previous: Version | None) -> None:
        """Assert one champion everywhere: in the log, by traffic, by alias; and a log that is whole."""
        from jackpot.promotion import standings

        stand = standings(self.log, NAME)
        assert (stand.champion, stand.previous, stand.claim) == (champion, previous, None)
        assert RecordDeployer(self.store).served("england") == champion.sha256
        named = {alias: held for alias, held in self.registry.aliases.items() if alias in ("champion", "previous")}
        assert named == {"champion": champion.version, **({"previous": previous.version} if previous else {})}
        assert self.log.verify() == []


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A market whose champion is v1, and whose challenger v2 is approved."""
    made = Scene(tmp_path)
    first = made.add(1, None)
    assert made.promoter(0).bootstrap(first)
    made.approve(made.add(2, first))
    return made


class FailingDeployer(RecordDeployer):
    """Gives a version some traffic, then fails."""

    def roll_out(self, service: str, target: Any) -> None:
        self.serve(service, target)
        raise JackpotError("too slow")

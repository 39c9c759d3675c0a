"""A registry that lost versions is filled again from the store and the audit log, which have them all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ..audit import AuditLog, Kind
from ..audit.files import contradicted, recorded_tags
from ..audit.turns import Version
from ..canonical import sha256
from ..demand.storage import model_hash
from ..errors import JackpotError
from ..ports import Files, Registry, VersionNote
from ..records import Gates
from ..store import MissingObjectError, Store
from .versions import GATES, HASH_DIGITS, stored_files, tags_key, version_prefix

ABOUT_VERSIONS: Final[tuple[Kind, ...]] = ("approval_request", "claim", "promotion", "rollback")


@dataclass(frozen=True)
class Restored:
    """What was registered again, and why the others could not be."""

    model_name: str
    again: tuple[str, ...]
    failed: Mapping[str, str]

    def __str__(self) -> str:
        said = []
        if self.again:
            said.append(
                f"the registry has lost {', '.join(self.again)} of {self.model_name}: registered again from the store"
            )
        said += [
            f"{version} of {self.model_name} cannot be registered again: {why}" for version, why in self.failed.items()
        ]
        return "; ".join(said)


def model_names(market: str, log: AuditLog) -> list[str]:
    """Return the model names that a market's log is about, or the market's own."""
    named = (entry.body.get("model_name") for entry in log.entries(*ABOUT_VERSIONS))
    return sorted({str(name) for name in named if name}) or [market]


def lost_versions(log: AuditLog, model_name: str, store: Store, notes: Iterable[VersionNote]) -> list[Version]:
    """Return the versions that the log or the store has and a registry's list has not; their hashes are cut off.

    Of two models under one number it is the log's; where the log has neither, none. A number under which the registry
    has another model is no loss but another's doing: it stays, and is refused where it is used.
    """
    known: dict[str, set[str]] = {}
    folder = re.compile(rf"models/{re.escape(model_name)}/(v[1-9][0-9]*)-([0-9a-f]{{{HASH_DIGITS}}})/")
    for key in store.keys(f"models/{model_name}"):
        if match := folder.match(key):
            known.setdefault(match[1], set()).add(match[2])
    for entry in log.entries(*ABOUT_VERSIONS):
        if entry.body.get("model_name") == model_name:
            version = Version.of(entry.body)
            known[version.version] = {version.sha256[:HASH_DIGITS]}
    held = {note.version for note in notes}
    return [
        Version(version, next(iter(hashes)))
        for version, hashes in sorted(known.items(), key=lambda item: int(item[0].removeprefix("v")))
        if len(hashes) == 1 and version not in held
    ]


def restore_versions(log: AuditLog, model_name: str, store: Store, registry: Registry) -> Restored | None:
    """Register again what a registry has lost, oldest first, under the names that the log knows; None: nothing is lost.

    Aliases are the promoter's to set. Raises JackpotError where the registry cannot be read or written.
    """
    lost = lost_versions(log, model_name, store, registry.versions(model_name))
    again, failed = [], {}
    for version in lost:
        try:
            files = stored_files(version_prefix(model_name, version), store)
            whole = Version(version.version, model_hash(files))
            if not whole.sha256.startswith(version.sha256):
                raise JackpotError(f"its files in {store.uri(version_prefix(model_name, version))} are damaged")
            tags = _tags(model_name, whole, files, store, log)
        except (JackpotError, ValueError) as error:
            failed[version.version] = f"{error}; put back a back-up of its files"
            continue
        registry.restore(model_name, version.version, whole.sha256, files, tags)
        again.append(version.version)
    return Restored(model_name, tuple(again), failed) if lost else None


def _tags(model_name: str, version: Version, files: Files, store: Store, log: AuditLog) -> dict[str, str]:
    """Return the tags that a version was registered with; of one older than their copy, what its gates say."""
    about = (entry for entry in log.entries(*ABOUT_VERSIONS) if entry.body.get("model_name") == model_name)
    recorded = recorded_tags(entry for entry in about if Version.of(entry.body) == version)
    key = tags_key(model_name, version)
    try:
        data = store.read(key)
        tags = {str(tag): str(said) for tag, said in json.loads(data).items()}
    except (ValueError, AttributeError):
        raise JackpotError(f"{store.uri(key)} is damaged") from None
    except MissingObjectError:
        gates = Gates.model_validate_json(files[GATES])
        told = {name: getattr(gates, name) for name in ("market", "as_of", "snapshot", "market_file")}
        return {**told, "gates": sha256(files[GATES])}
    if recorded not in (None, sha256(data)) or contradicted(tags, files[GATES]):
        raise JackpotError(f"{store.uri(key)} was changed since the version was registered")
    return tags

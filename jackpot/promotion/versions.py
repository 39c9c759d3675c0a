"""A registered version's files: kept in the store under the model's hash, and in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ..audit import AuditLog
from ..audit.turns import Version, standings
from ..canonical import json_bytes, sha256
from ..demand.storage import ARRAYS, SCALARS, model_hash
from ..errors import InputError, JackpotError
from ..ports import Files, RegisteredModel, Registry
from ..records import Gates
from ..store import MissingObjectError, Store

GATES: Final = "gates.json"
FILES: Final = (SCALARS, ARRAYS, "card.md", "evaluation.json", GATES, "market.yaml", "snapshot.parquet")
"""What a version is made of: the model's own files, and what it was fitted and judged on."""
HASH_DIGITS: Final = 16
"""So many digits of a model's hash stand in keys."""


def version_prefix(model_name: str, version: Version) -> str:
    """Return the key under which a version's files lie: immutable, named by number and hash."""
    return f"models/{model_name}/{version.version}-{version.sha256[:HASH_DIGITS]}"


def tags_key(model_name: str, version: Version) -> str:
    """Return the key of the tags that a version was registered with: not among its files, which are approved."""
    return f"models/{model_name}/tags/{version.version}-{version.sha256[:HASH_DIGITS]}.json"


def roll_out_key(service: str, version: Version) -> str:
    """Return the key of what the analysis of a version's last roll-out found, step by step."""
    return f"rollouts/{service}/{version.version}-{version.sha256[:HASH_DIGITS]}.json"


def keep_version(
    model_name: str, version: Version, files: Files, store: Store, tags: Mapping[str, str] | None = None
) -> str:
    """Keep a version's files, and its tags, in the store and return the prefix of the files."""
    prefix = version_prefix(model_name, version)
    for name, data in files.items():
        store.put_new(f"{prefix}/{name}", data)
    if tags is not None:
        store.put_new(tags_key(model_name, version), json_bytes(tags))
    return prefix


def tags_hash(model_name: str, version: Version, store: Store) -> dict[str, str]:
    """Return the hash of a version's tags, for a record, as `tags`; empty where none are kept."""
    try:
        return {"tags": sha256(store.read(tags_key(model_name, version)))}
    except MissingObjectError:
        return {}


def stored_files(prefix: str, store: Store) -> Files:
    """Return the files under a version's prefix; raise MissingObjectError where one of FILES is not there."""
    found = {key.rpartition("/")[2]: store.read(key) for key in store.keys(prefix)}
    missing = sorted(set(FILES) - set(found))
    if missing:
        raise MissingObjectError(f"{store.uri(prefix)} lacks {', '.join(missing)}")
    return found


def load_version(
    model_name: str,
    version: Version,
    store: Store,
    registry: Registry,
    hashes: Mapping[str, str] | None = None,
    mended: Callable[[str], None] | None = None,
) -> RegisteredModel:
    """Return a version with its files, from the store, or the registry where they are not there or damaged.

    `hashes` are those of an approval, of every file; without them the model's own says what is damaged. With `mended`
    the registry's files are put in the place of a damaged copy in the store, and `mended` is told of it. Raises
    JackpotError, with files and remedy, where neither has the model of that hash.
    """
    prefix = version_prefix(model_name, version)
    try:
        files = stored_files(prefix, store)
        wrong = _damaged(files, version, hashes)
        if not wrong:
            return RegisteredModel(version.version, version.sha256, _as_of(files), files)
    except MissingObjectError as error:
        wrong = str(error).removeprefix(f"{store.uri(prefix)} ")
    here = f"{store.uri(prefix)}: {wrong}"
    try:
        files = registry.load(model_name, version.version).files
        there = _damaged(files, version, hashes)
    except JackpotError as error:
        there = str(error)
    if there:
        raise JackpotError(
            f"the files of {version.version} of {model_name} are not those that were "
            f"{'approved' if hashes else 'registered'} ({here}; in the registry: {there}): put a back-up of them in "
            "either place, or let the next weekly run register another version"
        )
    if mended is not None:
        for name, data in files.items():
            store.replace(f"{prefix}/{name}", data)
        mended(f"{here}: put right from the registry")
    return RegisteredModel(version.version, version.sha256, _as_of(files), files)


def _damaged(files: Files, version: Version, hashes: Mapping[str, str] | None) -> str:
    """Return what is wrong with a version's files, or nothing."""
    wrong = sorted(name for name, expected in (hashes or {}).items() if sha256(files.get(name, b"")) != expected)
    try:
        if not wrong and model_hash(files) != version.sha256:
            wrong = [f"{SCALARS} or {ARRAYS}"]
        _as_of(files)
    except InputError as error:
        return str(error)
    except (KeyError, ValueError):
        wrong = sorted({*wrong, GATES})
    return f"{', '.join(wrong)} is damaged" if wrong else ""


class ChampionLostError(JackpotError):
    """The champion cannot be loaded; `stand_in` is the champion before it, where that can."""

    def __init__(self, why: str, stand_in: RegisteredModel | None) -> None:
        self.stand_in = stand_in
        super().__init__(why)


def load_champion(log: AuditLog, model_name: str, store: Store, registry: Registry) -> RegisteredModel | None:
    """Return the champion that the audit log names, or None; raise ChampionLostError where it cannot be loaded."""
    stand = standings(log, model_name)
    if stand.champion is None:
        return None
    try:
        return load_version(model_name, stand.champion, store, registry)
    except JackpotError as error:
        why = f"champion {stand.champion.version} of {model_name} cannot be loaded: {error}"
        try:
            stand_in = load_version(model_name, stand.previous, store, registry) if stand.previous else None
        except JackpotError:
            stand_in = None
        raise ChampionLostError(why, stand_in) from error


def champion_or_error(
    log: AuditLog, model_name: str, store: Store, registry: Registry
) -> RegisteredModel | ChampionLostError | None:
    """Return the champion as `load_champion` does, and why it cannot be loaded in place of raising it."""
    try:
        return load_champion(log, model_name, store, registry)
    except ChampionLostError as error:
        return error


def file_hashes(files: Files) -> Mapping[str, str]:
    """Return the hash of each of a version's files, as approvals name them."""
    return {name: sha256(data) for name, data in sorted(files.items())}


def _as_of(files: Files) -> str:
    return Gates.model_validate_json(files[GATES]).as_of

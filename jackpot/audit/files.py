"""What stands in the store beside the log: the files that records name, and what ought to have a record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from ..canonical import json_bytes, sha256
from ..errors import JackpotError
from ..store import MissingObjectError, Store
from .export import recommendation_files
from .log import PARALLEL_READS, AuditLog, Entry, Fault
from .turns import Version, standings

MODEL: Final = ("model.json", "arrays.npz")
"""The files whose hashes make a model's."""
VERSION: Final = (*MODEL, "card.md", "evaluation.json", "gates.json", "market.yaml", "snapshot.parquet")
FROM_GATES: Final = ("market", "as_of", "snapshot", "market_file")
"""The tags of a version that its gates.json says too."""
OF_THE_RUN: Final = frozenset(
    {
        *("run_id", "environment", "started_at", "finished_at", "source_uri", "source_version"),
        *("code_commit", "code_dirty", "image", "lock", "python", "model_version", "model_standing"),
    }
)
"""What metadata.json says of the latest run that gave the same recommendation; all else is as recorded."""


def file_faults(log: AuditLog, store: Store) -> list[Fault]:
    """Return what is wrong with the store of a log that is whole.

    Checked are the files of every recommendation; of every model version that a record names; every snapshot, market
    file and monitor's record; and whether what was published, promoted, deployed or monitored has its record: where it
    has none, the end of the log was cut off, or a run was killed before it wrote the record. The fault's number is that
    of the record that names the file, else that of the record that would come next.
    """
    entries = list(log.entries())
    beyond = len(entries) + 1
    faults = [Fault(entry.number, what) for entry in entries for what in _of_record(entry, store)]
    faults += [Fault(entry.number, what) for entry, what in _versions(entries, store)]
    faults += [Fault(beyond, what) for what in _misnamed(log.market, store)]
    # A run that published meanwhile has its record by now.
    if any(_unrecorded(log, store)):
        faults += [Fault(beyond, what) for what in _unrecorded(log, store)]
    return faults


def _of_record(entry: Entry, store: Store) -> Iterator[str]:
    body: dict[str, Any] = entry.body
    if entry.kind == "recommendation":
        try:
            recommendation_files(entry, store)
        except JackpotError as error:
            yield str(error)
        yield from _published(body, store)
    elif entry.kind == "monitor_verdict" and "monitor" in body:
        yield from _differs(body["monitor"], body["sha256"], store)


def _published(body: dict[str, Any], store: Store) -> Iterator[str]:
    """Check what is not recorded byte for byte: metadata.json and gates.json are those of the latest run."""
    recorded, prefix = body["metadata"], body["prefix"]
    if "market_file" in recorded:
        yield from _differs(recorded["market_file"], recorded["inputs"]["market_file"], store)
    metadata = _json(f"{prefix}/metadata.json", store)
    if isinstance(metadata, str):
        yield metadata
        return
    run = metadata.get("run_id")
    of_run = {"finished_at"} if run == recorded.get("run_id") else OF_THE_RUN
    changed = [name for name in {**recorded, **metadata} if metadata.get(name) != recorded.get(name)]
    if not of_run.issuperset(changed):
        names = ", ".join(sorted(set(changed) - of_run))
        yield f"{store.uri(f'{prefix}/metadata.json')} was changed: {names}"
    for name in ("metadata.json", "gates.json"):
        try:
            own = sha256(store.read(f"runs/{run}/{name}"))
        except JackpotError:
            yield f"{store.uri(f'runs/{run}/{name}')} is missing"
        else:
            for what in _differs(f"{prefix}/{name}", own, store):
                yield f"{what}: it is not what run {run} wrote"


def _versions(entries: Iterable[Entry], store: Store) -> Iterator[tuple[Entry, str]]:
    """Check the folder of each model version that a request, an answer, a claim, a promotion or a rollback names."""
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        prefix = _prefix(entry.body)
        if prefix is not None:
            named.setdefault(prefix, []).append(entry)
    for prefix, of_it in named.items():
        known = _approved_files(of_it)
        found = {}
        for name in sorted({*VERSION, *known}):
            try:
                found[name] = store.read(f"{prefix}/{name}")
            except MissingObjectError:
                yield of_it[0], f"{store.uri(f'{prefix}/{name}')} is missing"
        for name, recorded in known.items():
            if name in found and sha256(found[name]) != recorded:
                yield of_it[0], f"{store.uri(f'{prefix}/{name}')} was changed"
        model = {name: sha256(found[name]) for name in MODEL if name in found}
        if len(model) == len(MODEL) and sha256(json_bytes(model)) != of_it[0].body["model_sha256"]:
            yield of_it[0], f"{store.uri(prefix)} was changed: model.json and arrays.npz are not the model recorded"
        yield from ((of_it[0], what) for what in _gated(prefix, found, of_it[0], store))
        yield from ((of_it[0], what) for what in _tagged(prefix, found, recorded_tags(of_it), store))
        for name in sorted(key.removeprefix(f"{prefix}/") for key in store.keys(prefix)):
            if known and name not in known:
                yield of_it[0], f"{store.uri(f'{prefix}/{name}')} is no file of the version that was to be approved"


def _gated(prefix: str, found: dict[str, bytes], entry: Entry, store: Store) -> Iterator[str]:
    """Check a version's gates.json, of the model, and the market file and snapshot that it names by hash."""
    if "gates.json" not in found:
        return
    gates = _json(f"{prefix}/gates.json", store)
    if isinstance(gates, str):
        yield gates
        return
    if gates.get("model_sha256") != entry.body["model_sha256"]:
        yield f"{store.uri(f'{prefix}/gates.json')} was changed: it is of another model"
    for name, field in (("snapshot.parquet", "snapshot"), ("market.yaml", "market_file")):
        if name in found and sha256(found[name]) != gates.get(field):
            yield f"{store.uri(f'{prefix}/{name}')} is not the file that gates.json beside it names"


def _tagged(prefix: str, found: Mapping[str, bytes], recorded: str | None, store: Store) -> Iterator[str]:
    """Check the tags that a version was registered with, by their recorded hash, or what gates.json says of it."""
    folder, _, name = prefix.rpartition("/")
    key = f"{folder}/tags/{name}.json"
    if recorded is not None:
        yield from _differs(key, recorded, store)
    elif key in store.keys(f"{folder}/tags"):
        tags = _json(key, store)
        wrong = [tags] if isinstance(tags, str) else contradicted(tags, found.get("gates.json", b"{}"))
        if wrong:
            yield f"{store.uri(key)} was changed: {', '.join(wrong)}"


def contradicted(tags: Mapping[str, Any], gates: bytes) -> list[str]:
    """Return the tags of a version that are not what its gates.json, whose hash approvals name, says."""
    try:
        told = json.loads(gates)
    except ValueError:
        return []
    known = {name: told.get(name) for name in FROM_GATES if name in told} | {"gates": sha256(gates)}
    return sorted(name for name, said in known.items() if name in tags and tags[name] != said)


def recorded_tags(entries: Iterable[Entry]) -> str | None:
    """Return the hash of a version's tags as the first record that says it; None where none does."""
    for entry in entries:
        evidence = entry.body.get("evidence")
        told = entry.body.get("tags") or (evidence.get("tags") if isinstance(evidence, dict) else None)
        if isinstance(told, str):
            return told
    return None


def _approved_files(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the hashes of a version's files as the request for its approval names them; empty where none does."""
    for entry in entries:
        evidence = entry.body.get("evidence")
        files = evidence.get("files") if isinstance(evidence, dict) else None
        if isinstance(files, dict):
            return {name: str(sha) for name, sha in files.items()}
    return {}


def _misnamed(market: str, store: Store) -> Iterator[str]:
    """Check what is named by its own hash: snapshots, rows set aside beside them, market files."""
    keys = [key for folder in ("snapshots", "markets") for key in store.keys(f"{folder}/{market}")]
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        for key, found in zip(keys, pool.map(lambda key: sha256(store.read(key)), keys), strict=True):
            stem = key.rpartition("/")[2].partition(".")
            own = re.search(r"quarantine-([0-9a-f]+)", stem[2])
            if not found.startswith(own[1] if own else stem[0]):
                yield f"{store.uri(key)} was changed: its bytes are not those that its name says"


def _unrecorded(log: AuditLog, store: Store) -> Iterator[str]:
    """Look for what a run leaves only beside a record: published, monitored, promoted, served."""
    market, entries = log.market, list(log.entries())
    recorded = {entry.body["prefix"] for entry in entries if entry.kind == "recommendation"}
    for key in store.keys(f"recommendations/{market}"):
        prefix, _, name = key.rpartition("/")
        if name == "metadata.json" and prefix not in recorded:
            yield f"{store.uri(prefix)} was published, and no record names it"
    verdicts = {entry.subject for entry in entries if entry.kind == "monitor_verdict"}
    for key in store.keys(f"monitoring/{market}"):
        found = _json(key, store)
        if isinstance(found, str):
            yield found
        elif f"{found.get('as_of')}/{_start(found, 'snapshot')}/{_start(found, 'model')}" not in verdicts:
            yield f"{store.uri(key)} is a verdict that no record names"
    promoted = [entry.body for entry in entries if entry.kind == "promotion" and entry.body["outcome"] == "promoted"]
    champions = {f"{body['model_name']}/{body['version']}" for body in promoted}
    ended = [key for key in store.keys("runs") if key.endswith(("/result.json", "/promotion.json"))]
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        for key, told in zip(ended, pool.map(lambda key: _json(key, store), ended), strict=True):
            if isinstance(told, str):
                yield told
            elif told.get("market") != market:
                continue
            elif key.endswith("/promotion.json") and f"{told.get('model_name')}/{told.get('version')}" not in champions:
                yield f"{store.uri(key)} tells of the promotion of {told.get('version')}, and no record does"
            elif "prefix" in told and str(told["prefix"]) not in recorded:
                yield f"{store.uri(key)} tells of {told['prefix']}, and no record names it"
    yield from served_faults(log, store)


def served_faults(log: AuditLog, store: Store) -> Iterator[str]:
    """Say what a market serves where it is not the log's champion, or the version whose promotion is under way."""
    key = f"deployments/{log.market}.json"
    if key not in store.keys("deployments"):
        return
    target = _json(key, store)
    if isinstance(target, str):
        yield target
        return
    name, version = target.get("model_name"), target.get("version")
    stand = standings(log, str(name))
    allowed = [stand.champion, Version.of(stand.claim.body) if stand.claim else None]
    if Version(str(version), str(target.get("model_sha256"))) not in allowed:
        champion = f"the log's champion is {stand.champion.version}" if stand.champion else "the log has no champion"
        yield f"{store.uri(key)} serves {name} {version}, and {champion}: jackpot models restore puts it right"
    elif target.get("prefix") != _prefix(target):
        yield f"{store.uri(key)} serves {target.get('prefix')}, where {name} {version} does not lie"


def unnamed_versions(log: AuditLog, store: Store) -> list[str]:
    """Return where model versions lie that no record names: registered and never asked for, or their records cut off.

    Registering writes no record, so that this alone is no fault.
    """
    entries = list(log.entries())
    known = {_prefix(entry.body) for entry in entries}
    names = {log.market, f"{log.market}-synthetic"} | {prefix.split("/")[1] for prefix in known if prefix}
    folders = {key.rpartition("/")[0] for name in names for key in store.keys(f"models/{name}")}
    tags = {f"models/{name}/tags" for name in names}
    return [store.uri(folder) for folder in sorted(folders - known - tags)]


def _prefix(body: Mapping[str, Any]) -> str | None:
    """Return the key under which the files of the version lie that a record is about, or None."""
    name, version, model = (body.get(field) for field in ("model_name", "version", "model_sha256"))
    if not (isinstance(name, str) and isinstance(version, str) and isinstance(model, str)):
        return None
    return f"models/{name}/{version}-{model[:16]}"


def _differs(key: str, recorded: str, store: Store) -> Iterator[str]:
    try:
        if sha256(store.read(key)) != recorded:
            yield f"{store.uri(key)} was changed"
    except MissingObjectError:
        yield f"{store.uri(key)} is missing"


def _json(key: str, store: Store) -> dict[str, Any] | str:
    """Return a JSON object from the store, or why it is none."""
    try:
        found = json.loads(store.read(key))
    except MissingObjectError:
        return f"{store.uri(key)} is missing"
    except ValueError:
        return f"{store.uri(key)} was changed: it is no JSON"
    return found if isinstance(found, dict) else f"{store.uri(key)} was changed: it is no record"


def _start(record: Mapping[str, Any], name: str) -> str:
    return str(record.get(name))[:16]

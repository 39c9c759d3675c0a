"""A stored recommendation with what was recorded of it, and the inputs as they are found today."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ..audit import AuditLog, Entry
from ..canonical import sha256
from ..demand.storage import ARRAYS, SCALARS
from ..errors import InputError, Problem
from ..lineage import recommendation_prefix
from ..records import Metadata, Recommendation
from ..store import MissingObjectError, Store

RECOMMENDATION: Final = "recommendation.json"
INPUTS: Final = ("market.yaml", "checks.json", f"model/{SCALARS}", f"model/{ARRAYS}", "model/evaluation.json")
LARGEST: Final = 10_000_000


@dataclass(frozen=True)
class Stored:
    """What was recorded, and what is there."""

    metadata: Metadata
    """As the audit log signed it, else as metadata.json says."""
    hashes: Mapping[str, str]
    """SHA-256 of each file as the audit log signed it; empty without an entry."""
    entry: Entry | None
    prefix: str
    recommendation: bytes
    files: Mapping[str, bytes | None]
    """INPUTS and `snapshot` by name; None for one that is missing."""
    copies: Mapping[str, bytes]
    """Those of them that are kept under their hash elsewhere: to tell by how much a changed one differs."""
    told: Metadata | None
    """metadata.json beside the recommendation, where it says otherwise than the log."""
    cash: bytes | None


def find(
    reference: str, log_of: Callable[[str], AuditLog], markets: Iterable[str], store: Store, restricted: Store
) -> Stored:
    """Return a stored recommendation by its key in the store, its hash (8 digits or more), or a path.

    A path is a recommendation.json or its folder: files beside it go before those in the store. Raises InputError
    where there is no such recommendation.
    """
    folder = _folder(reference)
    entry: Entry | None
    if folder is not None:
        data = _read(folder / RECOMMENDATION)
        beside = _read(folder / "metadata.json")
        if data is None:
            said = f"the file is no {RECOMMENDATION}, and none lies beside it"
            raise _unknown(reference, said if Path(reference).is_file() else f"the folder holds no {RECOMMENDATION}")
        metadata = _metadata(beside, str(folder / "metadata.json")) if beside is not None else None
        record = _recommendation(data, str(folder / RECOMMENDATION))
        identity = metadata.recommendation if metadata is not None else sha256(data)
        entry = next(_entries(log_of(record.market), identity), None)
    else:
        entry = _named(reference, log_of, markets)
        prefix = str(entry.body["prefix"])
        metadata = None
        try:
            data = store.read(f"{prefix}/{RECOMMENDATION}")
            metadata = _metadata(store.read(f"{prefix}/metadata.json"), f"{prefix}/metadata.json")
        except MissingObjectError as error:
            raise InputError(Problem(str(error), hint="jackpot audit verify --files names all that is gone")) from None
    recorded = Metadata.model_validate(entry.body["metadata"]) if entry is not None else metadata
    if recorded is None:
        raise _unknown(reference, "neither the audit log nor a metadata.json beside it says where it comes from")
    market = Path(recorded.snapshot_uri).parent.name
    prefix = (
        str(entry.body["prefix"])
        if entry is not None
        else recommendation_prefix(
            market, _recommendation(data, reference).draw_date, recorded.inputs.snapshot, recorded.recommendation
        )
    )

    def got(name: str, key: str) -> bytes | None:
        if folder is not None:
            for place in (folder, *list(folder.resolve().parents)[:5]):
                local = _read(place / (name if place is folder else key))
                if local is not None:
                    return local
        return _kept(store, key)

    files = {name: got(name, f"{prefix}/{name}") for name in INPUTS}
    files["snapshot"] = got("snapshot.parquet", recorded.snapshot_uri)
    kept = {
        **{name: _kept(store, f"{prefix}/{name}") for name in INPUTS[1:]},
        "market.yaml": _kept(store, recorded.market_file),
        "snapshot": _kept(store, recorded.snapshot_uri),
    }
    hashes: dict[str, str] = dict(entry.body["files"]) if entry is not None else {}  # type: ignore[arg-type]
    hashes |= {"market.yaml": recorded.inputs.market_file, "snapshot": recorded.inputs.snapshot}
    cash = recorded.inputs.cash_figures
    return Stored(
        metadata=recorded,
        hashes=hashes,
        entry=entry,
        prefix=prefix,
        recommendation=data,
        files=files,
        copies={name: copy for name, copy in kept.items() if copy is not None and sha256(copy) == hashes.get(name)},
        told=metadata,
        cash=_kept(restricted, f"cash/{market}/{cash}.json") if cash is not None else None,
    )


def _folder(reference: str) -> Path | None:
    path = Path(reference)
    try:
        if path.is_dir():
            return path
        return path.parent if path.is_file() else None
    except (OSError, ValueError):
        return None


def _named(reference: str, log_of: Callable[[str], AuditLog], markets: Iterable[str]) -> Entry:
    if re.fullmatch(r"[0-9a-f]{8,64}", reference):
        found = [entry for market in markets for entry in _entries(log_of(market), reference)]
    else:
        parts = reference.strip("/").split("/")
        if parts[0] != "recommendations" or len(parts) != 5:
            raise _unknown(reference, "this is neither a path, nor a hash, nor a key of the store")
        found = [entry for entry in _entries(log_of(parts[1]), parts[4]) if entry.body["prefix"] == "/".join(parts)]
    if len(found) != 1:
        raise _unknown(reference, f"the audit log knows {len(found) or 'no'} such recommendations")
    return found[0]


def _entries(log: AuditLog, identity: str) -> Iterator[Entry]:
    return (e for e in log.entries("recommendation") if e.subject.rpartition("/")[2].startswith(identity))


def _unknown(reference: str, why: str) -> InputError:
    return InputError(
        Problem(
            why,
            found=reference[:200],
            allowed="a recommendation.json, its folder, its key recommendations/MARKET/DATE/…/…, or its hash",
            hint="jackpot audit show MARKET --kind recommendation lists them",
        )
    )


def _metadata(data: bytes, where: str) -> Metadata:
    try:
        return Metadata.model_validate_json(data)
    except ValidationError as error:
        raise InputError(Problem("this is no metadata.json", where=where, found=_first(error))) from None


def _recommendation(data: bytes, where: str) -> Recommendation:
    try:
        return Recommendation.model_validate_json(data)
    except ValidationError as error:
        raise InputError(Problem("this is no recommendation.json", where=where, found=_first(error))) from None


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}"


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(Problem("the file is too large to be part of a recommendation", where=str(path)))
        return path.read_bytes()
    except OSError:
        return None


def _kept(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except MissingObjectError:
        return None

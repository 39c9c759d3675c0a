"""One zip for a regulator: the whole chain, what was recommended in a period with all it rests on, and a verifier."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Final

from ..canonical import json_bytes, sha256
from ..errors import JackpotError
from ..store import MissingObjectError, Store
from .log import AuditLog, Entry
from .verifier import index, readme

VERIFIER: Final = Path(__file__).with_name("verifier.py")


def export(log: AuditLog, store: Store, first: dt.date, last: dt.date) -> bytes:
    """Return the zip of a market's log with the records written from `first` to `last` (UTC), the same bytes each time.

    Raises JackpotError where the log is damaged, or a file of a recommendation is missing or not the one recorded.
    """
    records, heads = log.contents()
    faults = log.verify()
    if faults:
        raise JackpotError(f"the audit log of {log.market} is damaged at record {faults[0].number}: {faults[0].what}")
    files = {f"records/{key}": data for key, data in records.items()}
    files |= {f"heads/{key}": data for key, data in heads.items()}
    files["README.txt"] = readme(log.market, str(first), str(last))
    files["index.csv"] = index([json.loads(records[key]) for key in sorted(records)], str(first), str(last))
    files["verify.py"] = VERIFIER.read_bytes()
    for entry in map(Entry.model_validate_json, records.values()):
        if entry.kind == "recommendation" and str(first) <= entry.at[:10] <= str(last):
            files |= recommendation_files(entry, store)
    manifest = {
        "market": log.market,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "count": len(records),
        "last_record": sha256(records[max(records)]) if records else None,
        "files": {name: sha256(data) for name, data in files.items()},
    }
    return _zip({**files, "manifest.json": log.sealed(manifest)})


def recommendation_files(entry: Entry, store: Store) -> dict[str, bytes]:
    """Return a recorded recommendation's files and its snapshot by key, each the very bytes that were recorded.

    Raises JackpotError, naming the file, where one is missing or was changed.
    """
    body: dict[str, Any] = entry.body
    metadata = body["metadata"]
    named = {f"{body['prefix']}/{name}": sha for name, sha in body["files"].items()}
    named[metadata["snapshot_uri"]] = metadata["inputs"]["snapshot"]
    files = {}
    for key, recorded in named.items():
        try:
            files[key] = store.read(key)
        except MissingObjectError:
            raise JackpotError(f"record {entry.number} of {entry.market}: {store.uri(key)} is missing") from None
        if sha256(files[key]) != recorded:
            raise JackpotError(f"record {entry.number} of {entry.market}: {store.uri(key)} was changed")
    return {**files, f"{body['prefix']}/metadata.json": json_bytes(metadata)}


def _zip(files: dict[str, bytes]) -> bytes:
    """Return a zip whose bytes depend on the files alone: no time of day, and stored as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()

"""Check an export of the audit log with nothing but Python 3.8 or later: python verify.py [FOLDER] [--key FILE]

Checks that every record follows the one before it, that every head counts and names its record, that every file
is the one that the log and the manifest name, and that table and README say what the records say. With the key (one a
line, as the operator keeps it) it checks every signature too, the manifest's with them; without it, whoever held the
whole log could have written it anew, so compare the last record's hash, which is printed, with the one that the
operator told you at the time. Ends with 0 where all holds, 1 where anything does not, 2 where it could not check.
"""

import argparse
import csv
import hashlib
import hmac
import io
import json
import sys
from pathlib import Path
from typing import Any

README = """Audit log of {market}: recommendations from {first} to {last}

records/, heads/       the whole log, record by record, with its signed heads: a part of a chain proves nothing
index.csv              the records of the period as a table
recommendations/       each recommendation of the period: recommendation.json, metadata.json, the market file, checks,
                       evaluation, the tables behind the report, and the model
snapshots/             the draws that they rest on (Parquet)
verify.py              checks all of this with nothing but Python: python verify.py [--key FILE]
manifest.json          the SHA-256 of every file, signed with the log's key

Cash figures are no part of it; a recommendation names the cash file that it used by hash.
To compute a recommendation anew: jackpot replay recommendations/.../recommendation.json
"""


def digest(data: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: object) -> bytes:
    """Return JSON as the log writes it."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def signed(data: bytes, keys: "dict[str, bytes]") -> "tuple[dict[str, Any], str]":
    """Return a record and what is wrong with its form or signature, if anything."""
    try:
        record = json.loads(data)
        content = {name: value for name, value in record.items() if name != "signature"}
        if canonical(record) != data:
            return record, "it is not written as the log writes"
        if not keys:
            return record, ""
        if record["key"] not in keys:
            return record, "it is signed with a key that was not given"
        expected = hmac.new(keys[record["key"]], canonical(content), hashlib.sha256).hexdigest()
        return record, "" if hmac.compare_digest(expected, record["signature"]) else "its signature does not hold"
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}, "it is no record"


def readme(market: str, first: str, last: str) -> bytes:
    """Return README.txt."""
    return README.format(market=market, first=first, last=last).encode()


def index(records: "list[dict[str, Any]]", first: str, last: str) -> bytes:
    """Return the table of the records written from `first` to `last`, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("number", "at", "kind", "subject", "by", "said"))
    for record in records:
        if first <= record["at"][:10] <= last:
            body = record["body"]
            said = [f"{name}: {body[name]}" for name in ("verdict", "jackpot", "reason", "result") if name in body]
            writer.writerow((*(record[name] for name in ("number", "at", "kind", "subject", "by")), "; ".join(said)))
    return text.getvalue().encode()


def check(folder: Path, keys: "dict[str, bytes]") -> "tuple[list[str], str]":
    """Return all that is wrong, the first bad record first, and the hash of the last record."""
    present = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    if "manifest.json" not in present:
        return ["manifest.json: missing"], "unknown"
    manifest, unsigned = signed(present["manifest.json"].read_bytes(), keys)
    try:
        market, count, files = str(manifest["market"]), int(manifest["count"]), dict(manifest["files"])
        first, last = str(manifest["from"]), str(manifest["to"])
    except (KeyError, TypeError, ValueError):
        return ["manifest.json: it is no manifest"], "unknown"
    wrong: list[str] = []
    previous, named = None, {}
    whole = {"README.txt": readme(market, first, last)}
    records = []
    # No more records than files can be there, whatever the manifest counts.
    numbers = range(1, min(count, len(present) + 1) + 1)
    for number in numbers:
        name = f"{market}/{number:08d}.json"
        if f"records/{name}" not in present:
            wrong.append(f"record {number}: it is missing")
            previous = None
            continue
        data = present[f"records/{name}"].read_bytes()
        record, fault = signed(data, keys)
        if not fault and (record.get("market"), record.get("number")) != (market, number):
            fault = "it is another record"
        if not fault and record.get("previous") != previous:
            fault = "it does not follow the record before it"
        previous = digest(data)
        try:
            index([record], first, last)
            of_this = recommended(record) if record["kind"] == "recommendation" else {}
        except (KeyError, TypeError, AttributeError):
            fault, of_this = fault or "it lacks what a record says", {}
        else:
            records.append(record)
        if fault:
            wrong.append(f"record {number}: {fault}")
        if f"heads/{name}" in present:
            said, other = signed(present[f"heads/{name}"].read_bytes(), keys)
            if not other and (said.get("market"), said.get("count"), said.get("entry")) != (market, number, previous):
                other = "it was signed for another record"
            if other:
                wrong.append(f"record {number}: its head: {other}")
        elif number < count:
            wrong.append(f"record {number}: its head is missing")
        named.update(of_this)
        if of_this and first <= record["at"][:10] <= last:
            wrong.extend(f"record {number}: {name} is not in the export" for name in sorted(set(of_this) - set(files)))
    if previous != manifest.get("last_record"):
        wrong.append(f"record {count}: it is not the last that the manifest names")
    whole["index.csv"] = index(records, first, last)
    chain = {f"{kind}/{market}/{number:08d}.json" for kind in ("records", "heads") for number in numbers}
    wrong.extend(
        f"{name}: no record of this log"
        for name in files
        if name.startswith(("records/", "heads/")) and name not in chain
    )
    wrong.extend(f"{name}: not part of the manifest" for name in sorted({*whole, "verify.py"} - set(files)))
    for name, sha in sorted(files.items()):
        if name not in present:
            wrong.append(f"{name}: missing")
            continue
        data = present[name].read_bytes()
        if digest(data) != sha:
            wrong.append(f"{name}: changed")
        elif named.get(name, sha) != sha:
            wrong.append(f"{name}: not the file that the log names")
        elif whole.get(name, data) != data:
            wrong.append(f"{name}: not what the records say")
        elif name.startswith(("recommendations/", "snapshots/")) and name not in named:
            wrong.append(f"{name}: no record names it")
    if unsigned:
        wrong.append(f"manifest.json: {unsigned}")
    wrong.extend(f"{name}: not part of the export" for name in present if name not in files and name != "manifest.json")
    return wrong, str(previous)


def recommended(record: "dict[str, Any]") -> "dict[str, str]":
    """Return the files that a recommendation's record names, by their hashes."""
    body = record["body"]
    metadata = body["metadata"]
    files = {f"{body['prefix']}/{name}": sha for name, sha in body["files"].items()}
    files[metadata["snapshot_uri"]] = metadata["inputs"]["snapshot"]
    files[f"{body['prefix']}/metadata.json"] = digest(canonical(metadata))
    return files


def main() -> int:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", type=Path, help="file with the log's keys, one a line")
    options = parser.parse_args()
    lines = []
    if options.key is not None:
        try:
            lines = [line.strip() for line in options.key.read_bytes().splitlines() if line.strip()]
        except OSError as error:
            print(f"not checked: the key file {options.key} cannot be read: {error.strerror}")
            return 2
        if not lines:
            print(f"not checked: there is no key in {options.key}")
            return 2
    wrong, last = check(options.folder, {digest(line)[:16]: line for line in lines})
    for line in wrong:
        print(line)
    said = "signatures too" if lines else "signatures not checked: no --key"
    print(f"{'DAMAGED' if wrong else 'whole'}: last record {last} ({said})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

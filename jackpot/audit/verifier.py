"""Check an export of the audit log with nothing but Python 3.8 or later: python verify.py [FOLDER] [--key FILE]

Checks that every record follows the one before it, that every head counts and names its record, and that every file
is the one that the log and the manifest name. With the key (one a line, as the operator keeps it) it checks
every signature too; without it, whoever held the whole log could have written it anew, so compare the last record's
hash, which is printed, with the one that the operator told you at the time. Ends with 0 where all holds, else with 1.
"""

import argparse
import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any


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


def check(folder: Path, keys: "dict[str, bytes]") -> "tuple[list[str], str]":
    """Return all that is wrong, the first bad record first, and the hash of the last record."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    market, count = manifest["market"], manifest["count"]
    wrong, previous, named = [], None, {}
    for number in range(1, count + 1):
        name = f"{market}/{number:08d}.json"
        try:
            data = (folder / "records" / name).read_bytes()
        except OSError:
            wrong.append(f"record {number}: it is missing")
            previous = None
            continue
        record, fault = signed(data, keys)
        if not fault and (record.get("market"), record.get("number")) != (market, number):
            fault = "it is another record"
        if not fault and record.get("previous") != previous:
            fault = "it does not follow the record before it"
        if fault:
            wrong.append(f"record {number}: {fault}")
        previous = digest(data)
        head = folder / "heads" / name
        if head.exists():
            said, fault = signed(head.read_bytes(), keys)
            if not fault and (said.get("market"), said.get("count"), said.get("entry")) != (market, number, previous):
                fault = "it was signed for another record"
            if fault:
                wrong.append(f"record {number}: its head: {fault}")
        elif number < count:
            wrong.append(f"record {number}: its head is missing")
        if record.get("kind") == "recommendation":
            metadata = record["body"]["metadata"]
            of_this = {metadata["snapshot_uri"]: metadata["inputs"]["snapshot"]}
            of_this[record["body"]["prefix"] + "/metadata.json"] = digest(canonical(metadata))
            of_this.update({f"{record['body']['prefix']}/{n}": sha for n, sha in record["body"]["files"].items()})
            named.update(of_this)
            if manifest["from"] <= record["at"][:10] <= manifest["to"]:
                lacking = sorted(set(of_this) - set(manifest["files"]))
                wrong.extend(f"record {number}: {name} is not in the export" for name in lacking)
    if previous != manifest["last_record"]:
        wrong.append(f"record {count}: it is not the last that the manifest names")
    for name, sha in sorted(manifest["files"].items()):
        try:
            found = digest((folder / name).read_bytes())
        except OSError:
            found = ""
        if found != sha:
            wrong.append(f"{name}: {'changed' if found else 'missing'}")
        elif named.get(name, sha) != sha:
            wrong.append(f"{name}: not the file that the log names")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in manifest["files"] and name != "manifest.json":
            wrong.append(f"{name}: not part of the export")
    return wrong, str(previous)


def main() -> int:
    """Check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", type=Path, help="file with the log's keys, one a line")
    options = parser.parse_args()
    lines = options.key.read_bytes().splitlines() if options.key else []
    wrong, last = check(options.folder, {digest(line.strip())[:16]: line.strip() for line in lines if line.strip()})
    for line in wrong:
        print(line)
    said = "signatures too" if lines else "signatures not checked: no --key"
    print(f"{'DAMAGED' if wrong else 'whole'}: last record {last} ({said})")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

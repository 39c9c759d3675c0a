"""An export holds what it says, is the same bytes each time, and shows any change to whoever has Python alone."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jackpot.audit import AuditLog, Keyring
from jackpot.audit.export import export
from jackpot.canonical import json_bytes, sha256
from jackpot.errors import JackpotError
from jackpot.store import FolderStore

KEY = b"k" * 32
FIRST, LAST = dt.date(2026, 11, 1), dt.date(2026, 11, 30)


def open_log(folder: Path, records: FolderStore | None = None) -> AuditLog:
    return AuditLog("england", records or FolderStore(folder / "records"), FolderStore(folder / "heads"), Keyring(KEY))


def recommend(folder: Path, month: int, day: int) -> None:
    store, data, snapshot = FolderStore(folder / "store"), json_bytes({"month": month, "day": day}), b"draws %d" % month
    prefix = f"recommendations/england/2026-{month}-{day:02}/{sha256(snapshot)[:16]}/{sha256(data)[:16]}"
    store.put_new(f"{prefix}/recommendation.json", data)
    store.put_new(f"snapshots/england/{sha256(snapshot)}.parquet", snapshot)
    body = {
        "prefix": prefix,
        "jackpot": 1.5e7,
        "files": {"recommendation.json": sha256(data)},
        "metadata": {
            "snapshot_uri": f"snapshots/england/{sha256(snapshot)}.parquet",
            "inputs": {"snapshot": sha256(snapshot)},
        },
    }
    at = f"2026-{month}-{day - 2:02}T09:00:00Z"
    open_log(folder).append("recommendation", f"2026-{month}-{day:02}/{sha256(data)}", at=at, by="run", body=body)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """A log with a recommendation a month, and the store that holds their files."""
    for month in (10, 11, 12):
        recommend(tmp_path, month, 7)
        open_log(tmp_path).append(
            "approval_answer", f"v{month}", at=f"2026-{month}-06T09:00:00Z", by="ada", body={"reason": 'é, "so"'}
        )
    return FolderStore(tmp_path / "store")


def unpacked(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


def verified(folder: Path, *more: str) -> tuple[int, str]:
    """Run the verifier that lies in the export, with nothing of this project or of any package in reach."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(folder / "verify.py"), *more], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_an_export_holds_the_chain_and_the_period_and_is_the_same_each_time(tmp_path: Path, store: FolderStore) -> None:
    data = export(open_log(tmp_path), store, FIRST, LAST)
    assert export(open_log(tmp_path), store, FIRST, LAST) == data
    folder = unpacked(data, tmp_path / "export")
    assert len(list((folder / "records" / "england").iterdir())) == 6
    assert [path.name for path in (folder / "recommendations" / "england").iterdir()] == ["2026-11-07"]
    assert len((folder / "index.csv").read_text().splitlines()) == 3
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert verified(folder)[0] == 0
    code, out = verified(folder, "--key", str(tmp_path / "key"))
    assert (code, "signatures too" in out) == (0, True)
    (tmp_path / "other").write_bytes(b"o" * 32)
    code, out = verified(folder, "--key", str(tmp_path / "other"))
    assert (code, out.splitlines()[0]) == (1, "record 1: it is signed with a key that was not given")


def test_any_change_to_an_export_is_found(tmp_path: Path, store: FolderStore) -> None:
    from jackpot.audit import verifier

    data = export(open_log(tmp_path), store, FIRST, LAST)
    folder = unpacked(data, tmp_path / "export")
    files = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    keys = {sha256(KEY)[:16]: KEY}
    assert verifier.check(folder, keys)[0] == []
    dice = random.Random(3)
    for _ in range(300):
        path = dice.choice([path for path in files if path.name not in ("manifest.json", "verify.py")])
        way = dice.choice(["flip", "remove", "add"])
        extra = folder / "records" / "england" / "00000007.json"
        if way == "flip":
            changed = bytearray(files[path])
            changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
            path.write_bytes(bytes(changed))
        elif way == "remove":
            path.unlink()
        else:
            extra.write_bytes(files[path])
        assert verifier.check(folder, keys)[0] != [], (way, path)
        extra.unlink(missing_ok=True)
        path.write_bytes(files[path])


def test_a_change_that_the_manifest_agrees_with_is_found_in_the_log(tmp_path: Path, store: FolderStore) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name in [name for name in manifest["files"] if name.startswith(("recommendations/", "snapshots/"))]:
        (folder / name).write_bytes(b"forged")
        (folder / "manifest.json").write_bytes(
            json_bytes({**manifest, "files": {**manifest["files"], name: sha256(b"forged")}})
        )
        assert f"{name}: not the file that the log names" in verified(folder)[1]
        (folder / name).unlink()
        less = {key: value for key, value in manifest["files"].items() if key != name}
        (folder / "manifest.json").write_bytes(json_bytes({**manifest, "files": less}))
        assert f"record 3: {name} is not in the export" in verified(folder)[1]
        unpacked(export(open_log(tmp_path), store, FIRST, LAST), folder)


def test_nothing_damaged_is_exported(tmp_path: Path, store: FolderStore) -> None:
    path = next((tmp_path / "store" / "recommendations" / "england" / "2026-11-07").rglob("recommendation.json"))
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(JackpotError, match=r"record 3 of england: .* was changed"):
        export(open_log(tmp_path), store, FIRST, LAST)
    path.unlink()
    with pytest.raises(JackpotError, match="is missing"):
        export(open_log(tmp_path), store, FIRST, LAST)
    export(open_log(tmp_path), store, FIRST.replace(month=12), LAST.replace(month=12))
    (tmp_path / "records" / "england" / "00000002.json").unlink()
    with pytest.raises(JackpotError, match="damaged at record 2"):
        export(open_log(tmp_path), store, FIRST, LAST)


def test_what_is_recorded_meanwhile_is_in_the_export_whole_or_not_at_all(tmp_path: Path, store: FolderStore) -> None:
    class Meanwhile(FolderStore):
        """A store of records in which, before it is listed for the n-th time, another process adds one."""

        listed, when = 0, 0

        def keys(self, prefix: str) -> Iterator[str]:
            self.listed += 1
            if self.listed == self.when:
                recommend(tmp_path, 11, 7 + self.when)
            return super().keys(prefix)

    for when in range(1, 10):
        records = Meanwhile(tmp_path / "records")
        records.when = when
        data = export(open_log(tmp_path, records), store, FIRST, LAST)
        code, out = verified(unpacked(data, tmp_path / str(when)))
        assert code == 0, out
        if records.listed < when:
            break
    assert 1 < when < 9


def test_table_and_readme_say_what_the_records_say(tmp_path: Path, store: FolderStore) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    (tmp_path / "key").write_bytes(KEY)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for name, old, new in (("index.csv", "ada", "eve"), ("README.txt", "2026-11-01", "2026-10-01")):
        kept = (folder / name).read_bytes()
        forged = kept.replace(old.encode(), new.encode())
        (folder / name).write_bytes(forged)
        files = {**manifest["files"], name: sha256(forged)}
        (folder / "manifest.json").write_bytes(json_bytes({**manifest, "files": files}))
        code, out = verified(folder)
        assert (code, f"{name}: not what the records say" in out) == (1, True)
        (folder / name).unlink()
        del files[name]
        (folder / "manifest.json").write_bytes(json_bytes({**manifest, "files": files}))
        assert f"{name}: not part of the manifest" in verified(folder)[1]
        (folder / name).write_bytes(kept)


def test_a_manifest_that_was_written_anew_is_found_with_the_key(tmp_path: Path, store: FolderStore) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    (tmp_path / "key").write_bytes(KEY)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    forged = (folder / "verify.py").read_bytes() + b"# forged\n"
    (folder / "verify.py").write_bytes(forged)
    files = {**manifest["files"], "verify.py": sha256(forged)}
    (folder / "manifest.json").write_bytes(json_bytes({**manifest, "files": files}))
    assert verified(folder)[0] == 0
    code, out = verified(folder, "--key", str(tmp_path / "key"))
    assert (code, out.splitlines()[0]) == (1, "manifest.json: its signature does not hold")


def test_a_shorter_count_does_not_hide_records(tmp_path: Path, store: FolderStore) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    last = sha256((folder / "records/england/00000004.json").read_bytes())
    (folder / "manifest.json").write_bytes(json_bytes({**manifest, "count": 4, "last_record": last}))
    code, out = verified(folder)
    assert (code, "records/england/00000006.json: no record of this log" in out) == (1, True)


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_a_key_file_without_a_key_checks_nothing(tmp_path: Path, store: FolderStore, content: bytes | None) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    code, out = verified(folder, "--key", str(tmp_path / "key"))
    assert (code, out[:12], "whole" in out) == (2, "not checked:", False)


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"market": 1, "files": [1], "count": "x"}', b"\xff"])
def test_an_export_without_its_manifest_is_damaged(tmp_path: Path, store: FolderStore, content: bytes | None) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    (folder / "manifest.json").unlink()
    if content is not None:
        (folder / "manifest.json").write_bytes(content)
    code, out = verified(folder)
    assert (code, out.splitlines()[0][:15], "DAMAGED" in out) == (1, "manifest.json: ", True)


def test_records_that_say_nothing_are_named(tmp_path: Path, store: FolderStore) -> None:
    folder = unpacked(export(open_log(tmp_path), store, FIRST, LAST), tmp_path / "export")
    path = folder / "records/england/00000003.json"
    for content in (b"[]\n", b"null\n", b"\xff", b'{"kind": "recommendation", "at": 7}', b'{"at": "", "body": []}'):
        path.write_bytes(content)
        assert (verified(folder)[0], "record 3: " in verified(folder)[1]) == (1, True)

"""Every change to a log is found, and of several writers at once none is lost."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jackpot.audit import AuditLog, Keyring
from jackpot.errors import InputError, JackpotError
from jackpot.store import FolderStore

KEYS = Keyring(b"k" * 32)
AT = "2026-11-21T12:00:00Z"


def open_log(folder: Path, keys: Keyring = KEYS) -> AuditLog:
    return AuditLog("england", FolderStore(folder / "records"), FolderStore(folder / "heads"), keys)


def filled(folder: Path, records: int = 8) -> AuditLog:
    log = open_log(folder)
    for number in range(records):
        log.append("decision", f"draw-{number}", at=AT, by="ada", body={"jackpot": 1e7 + number / 3})
    return log


def files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / kind / "england").iterdir())


def test_a_log_reads_back_in_order(tmp_path: Path) -> None:
    filled(tmp_path)
    log = open_log(tmp_path)
    assert [entry.subject for entry in log.entries("decision")] == [f"draw-{n}" for n in range(8)]
    assert list(log.entries("promotion")) == []
    found = log.find("decision", "draw-3")
    assert found is not None
    assert (found.number, found.by, found.body) == (4, "ada", {"jackpot": 10000001})
    assert log.verify() == []


def test_a_thing_that_happens_once_is_recorded_once(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    first, new = log.append("claim", "k", at=AT, by="a", body={}, once=True)
    again, repeated = open_log(tmp_path).append("claim", "k", at=AT, by="b", body={"x": 1}, once=True)
    assert (new, repeated, again) == (True, False, first)


def test_of_many_writers_one_wins_and_no_record_is_lost(tmp_path: Path) -> None:
    def write(number: int) -> tuple[bool, bool]:
        log = open_log(tmp_path)
        own = log.append("decision", f"d{number}", at=AT, by="x", body={})[1]
        return own, log.append("approval_answer", "request", at=AT, by=f"u{number}", body={}, once=True)[1]

    with ThreadPoolExecutor(16) as pool:
        written = list(pool.map(write, range(50)))
    log = open_log(tmp_path)
    assert all(own for own, _ in written)
    assert sum(answered for _, answered in written) == 1
    assert sorted(entry.subject for entry in log.entries("decision")) == sorted(f"d{n}" for n in range(50))
    assert len(list(log.entries())) == 51
    assert log.verify() == []


def test_any_tampering_is_found_and_the_first_bad_record_named(tmp_path: Path) -> None:
    dice = random.Random(7)
    filled(tmp_path)
    records, heads = files(tmp_path, "records"), files(tmp_path, "heads")
    original = {path: path.read_bytes() for path in (*records, *heads)}

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        path.write_bytes(bytes(data))

    for _ in range(1000):
        number = dice.randrange(8)
        way = dice.choice(("flip", "head", "remove", "swap", "cut", "cut-both-but-one", "insert", "space"))
        if way == "flip":
            flip(records[number])
        elif way == "head":
            flip(heads[number])
        elif way == "remove":
            records[number].unlink()
        elif way == "swap":
            other = dice.choice([n for n in range(8) if n != number])
            number = min(number, other)
            records[other].write_bytes(original[records[number]])
            records[number].write_bytes(original[records[max(number, other)]] if other > number else b"{}")
        elif way == "cut":
            for path in records[number:]:
                path.unlink()
        elif way == "cut-both-but-one":
            for path in (*records[number:], *heads[number + 1 :]):
                path.unlink()
        elif way == "insert":
            number = 8
            (tmp_path / "records/england/00000009.json").write_bytes(original[records[3]])
        else:
            records[number].write_bytes(original[records[number]] + b" ")
        faults = open_log(tmp_path).verify()
        assert faults, way
        assert faults[0].number == number + 1, (way, faults)
        (tmp_path / "records/england/00000009.json").unlink(missing_ok=True)
        for path, data in original.items():
            path.write_bytes(data)
    assert open_log(tmp_path).verify() == []


def test_nothing_is_added_to_a_damaged_log(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    last = files(tmp_path, "records")[-1]
    last.unlink()
    with pytest.raises(JackpotError, match="changed at record 3: it is gone"):
        open_log(tmp_path).append("decision", "x", at=AT, by="x", body={})
    assert not last.exists()


def test_a_record_whose_writer_died_before_its_head_is_taken_up(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    files(tmp_path, "heads")[-1].unlink()
    assert open_log(tmp_path).verify() == []
    open_log(tmp_path).append("decision", "next", at=AT, by="x", body={})
    assert len(files(tmp_path, "heads")) == 4
    assert open_log(tmp_path).verify() == []


def test_keys_rotate_and_an_unknown_key_does_not_verify(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    rotated = Keyring.parse(b"n" * 32 + b"\n" + b"k" * 32 + b"\n")
    open_log(tmp_path, rotated).append("decision", "new", at=AT, by="x", body={})
    assert open_log(tmp_path, rotated).verify() == []
    assert [fault.number for fault in open_log(tmp_path).verify()] == [3, 3]
    with pytest.raises(InputError, match="too short"):
        Keyring.parse(b"short\n")

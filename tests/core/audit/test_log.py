"""Every change to a log is found, and of several writers at once none is lost."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jackpot.audit import AuditLog, Keyring, Mark
from jackpot.audit.log import verify_contents
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
    whole = filled(tmp_path).contents()
    names = sorted(whole[0])

    def flip(contents: dict[str, bytes], name: str) -> None:
        data = bytearray(contents[name])
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        contents[name] = bytes(data)

    for _ in range(1000):
        records, heads = (dict(contents) for contents in whole)
        number = dice.randrange(8)
        way = dice.choice(("flip", "head", "remove", "swap", "cut", "cut-both-but-one", "insert", "space"))
        if way == "flip":
            flip(records, names[number])
        elif way == "head":
            flip(heads, names[number])
        elif way == "remove":
            del records[names[number]]
        elif way == "swap":
            number, other = sorted(dice.sample(range(8), 2))
            records[names[number]], records[names[other]] = records[names[other]], records[names[number]]
        elif way == "cut":
            for name in names[number:]:
                del records[name]
        elif way == "cut-both-but-one":
            for name in names[number:]:
                del records[name]
            for name in names[number + 1 :]:
                del heads[name]
        elif way == "insert":
            number = 8
            records["england/00000009.json"] = records[names[3]]
        else:
            records[names[number]] += b" "
        faults = verify_contents("england", records, heads, KEYS)
        assert faults, way
        assert faults[0].number == number + 1, (way, faults)
    assert verify_contents("england", *whole, KEYS) == []


def test_tampering_is_found_where_the_records_lie(tmp_path: Path) -> None:
    filled(tmp_path)
    path = files(tmp_path, "records")[4]
    path.write_bytes(path.read_bytes().replace(b"ada", b"eve"))
    assert [fault.number for fault in open_log(tmp_path).verify()] == [5, 5, 6]


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


def test_a_record_that_was_noted_down_shows_a_tail_cut_off_in_both_stores(tmp_path: Path) -> None:
    noted = filled(tmp_path).examine().last
    assert noted is not None
    assert Mark.parse(str(noted)) == noted
    log = open_log(tmp_path)
    log.append("decision", "later", at=AT, by="x", body={})
    assert log.examine([noted]).faults == []
    for kind in ("records", "heads"):
        for path in files(tmp_path, kind)[-3:]:
            path.unlink()
    assert open_log(tmp_path).verify() == []
    assert [fault.number for fault in open_log(tmp_path).examine([noted]).faults] == [8]
    # Whoever holds the key may write other records in their place.
    for number in range(2):
        open_log(tmp_path).append("decision", f"other-{number}", at=AT, by="x", body={})
    assert open_log(tmp_path).verify() == []
    assert [fault.number for fault in open_log(tmp_path).examine([noted]).faults] == [8]
    for text in ("", "8", f"0:{noted.sha256}", f"8:{noted.sha256[:-1]}", f"8:{noted.sha256}\n"):
        with pytest.raises(InputError, match="COUNT:HASH"):
            Mark.parse(text)

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jackpot.errors import JackpotError
from jackpot.store import FolderStore, MissingObjectError


def test_what_is_new_is_written_once_and_never_changed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_new("a/b", b"first")
    assert not store.put_new("a/b", b"second")
    assert store.read("a/b") == b"first"
    assert list(store.keys("a")) == ["a/b"]


def test_of_writers_at_once_one_wins_and_the_object_is_whole(tmp_path: Path) -> None:
    stores = [FolderStore(tmp_path) for _ in range(16)]
    won: list[bytes] = []
    barrier = threading.Barrier(16)

    def write(store: FolderStore, data: bytes) -> None:
        barrier.wait()
        if store.put_new("key", data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(store, bytes([n]) * 100_000)) for n, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [stores[0].read("key")]
    assert list(stores[0].keys("")) == ["key"]


def test_replacing_is_for_what_may_change(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.replace("a", b"1")
    store.replace("a", b"2")
    assert store.read("a") == b"2"


def test_a_missing_object_says_where_it_should_be(tmp_path: Path) -> None:
    with pytest.raises(MissingObjectError, match="a/b"):
        FolderStore(tmp_path).read("a/b")


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", "/etc/passwd"])
def test_no_key_leads_out(tmp_path: Path, key: str) -> None:
    store = FolderStore(tmp_path / "store")
    for call in (store.read, lambda key: store.put_new(key, b""), lambda key: store.replace(key, b"")):
        with pytest.raises(JackpotError, match="leads out"):
            call(key)
    assert not (tmp_path / "outside").exists()


def test_a_restricted_store_is_its_owners_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "restricted", mode=0o600)
    store.put_new("cash/a.json", b"{}")
    store.replace("cash/b.json", b"{}")
    assert (tmp_path / "restricted").stat().st_mode & 0o777 == 0o700
    for key in store.keys("cash"):
        assert (tmp_path / "restricted" / key).stat().st_mode & 0o777 == 0o600

"""The audit key is made once, with the first record of a place, and never where a log stands that it did not sign."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jackpot.adapters.places import Places, open_places
from jackpot.errors import InputError
from tests.conftest import Place

AT = "2026-11-21T12:00:00Z"


def key_of(place: Place) -> Path:
    return place.root / "keys" / "audit"


def opened(place: Place) -> Places:
    return open_places(str(place.environment))


def decide(places: Places, market: str, subject: str = "draw") -> None:
    places.audit(market).append("decision", subject, at=AT, by="ada", body={})


def test_looking_makes_no_key_and_the_first_record_does(place: Place) -> None:
    log = opened(place).audit("england")
    assert (log.verify(), list(log.entries())) == ([], [])
    assert not key_of(place).exists()
    decide(opened(place), "england")
    assert key_of(place).stat().st_mode & 0o777 == 0o600
    # A process that looked before the key was made takes up the one that another made.
    assert (log.verify(), len(list(log.entries()))) == ([], 1)


def test_of_many_first_records_one_makes_the_key(place: Place) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: decide(opened(place), "england", f"draw-{number}"), range(8)))
    log = opened(place).audit("england")
    assert (log.verify(), len(list(log.entries()))) == ([], 8)


@pytest.mark.parametrize("left", ["records", "heads"])
def test_no_key_is_made_where_any_market_has_a_log(place: Place, left: str) -> None:
    early = opened(place)
    early.audit("uk_lotto")  # Looked before anything was recorded.
    decide(opened(place), "england")
    key = key_of(place).read_bytes()
    key_of(place).unlink()
    gone = "heads" if left == "records" else "records"
    (place.root / "audit" / gone).rename(place.root / "elsewhere")
    for places, market in ((opened(place), "england"), (opened(place), "uk_lotto"), (early, "uk_lotto")):
        with pytest.raises(InputError, match=r"key of the audit log is missing.*restore that file") as told:
            decide(places, market)
        assert str(key_of(place)) in str(told.value)
    assert not key_of(place).exists()
    (place.root / "elsewhere").rename(place.root / "audit" / gone)
    key_of(place).write_bytes(key)
    decide(opened(place), "uk_lotto")
    assert [opened(place).audit(market).verify() for market in ("england", "uk_lotto")] == [[], []]


def test_a_record_of_another_key_is_told_from_a_changed_one(place: Place) -> None:
    decide(opened(place), "england")
    key_of(place).write_bytes(b"o" * 32)
    assert "which the key file does not hold" in opened(place).audit("england").verify()[0].what


def test_a_key_that_cannot_be_made_is_named(place: Place) -> None:
    (place.root / "keys").write_text("no folder")
    with pytest.raises(InputError, match="the key of the audit log cannot be"):
        decide(opened(place), "england")

"""Claims: one taker, whatever the order and the number; a dead one's claim is taken up."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jackpot.audit import AuditLog, Keyring
from jackpot.errors import InputError
from jackpot.market.loading import load_market
from jackpot.market.schema import Monitoring
from jackpot.store import FolderStore
from jackpot.triggers.claims import MOST_ATTEMPTS, Claim, Refusal, finish, take
from jackpot.triggers.deadline import due
from jackpot.triggers.keys import market_of, retrain_key, weekly_key
from jackpot.triggers.retraining import may_retrain

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
LEASE = dt.timedelta(minutes=30)
KEY = weekly_key("england", "2026-01-31", "a" * 64)


def log_at(folder: Path) -> AuditLog:
    """A log as another process would open it."""
    return AuditLog("england", FolderStore(folder / "records"), FolderStore(folder / "heads"), Keyring(b"k" * 32))


def ask(folder: Path, now: dt.datetime = NOON, by: str = "one", key: str = KEY) -> Claim | Refusal:
    return take(log_at(folder), key, now=now, lease=LEASE, by=by)


def test_of_many_at_once_one_gets_the_claim(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(tmp_path, by=f"{number}"), range(16)))
    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert not any(answer.final for answer in answers if isinstance(answer, Refusal))
    assert log_at(tmp_path).verify() == []


def test_what_is_done_is_done(tmp_path: Path) -> None:
    claim = ask(tmp_path)
    assert isinstance(claim, Claim)
    finish(log_at(tmp_path), claim, "succeeded", at=NOON, by="one")
    later = ask(tmp_path, NOON + dt.timedelta(days=300))
    assert isinstance(later, Refusal)
    assert later.final


def test_a_claim_whose_holder_died_is_taken_up_after_its_lease_and_not_before(tmp_path: Path) -> None:
    assert isinstance(ask(tmp_path), Claim)
    held = ask(tmp_path, NOON + LEASE - dt.timedelta(seconds=1), by="two")
    assert isinstance(held, Refusal)
    assert not held.final
    assert "one is at it" in held.reason
    taken = ask(tmp_path, NOON + LEASE, by="two")
    assert isinstance(taken, Claim)
    assert taken.attempt == 2


def test_what_fails_is_tried_three_times(tmp_path: Path) -> None:
    for attempt in range(1, MOST_ATTEMPTS + 1):
        claim = ask(tmp_path)
        assert isinstance(claim, Claim)
        assert claim.attempt == attempt
        finish(log_at(tmp_path), claim, "failed", at=NOON, by="one")
    assert ask(tmp_path) == Refusal("it was tried 3 times and failed", final=True)


def test_corrected_data_is_another_key(tmp_path: Path) -> None:
    assert isinstance(ask(tmp_path), Claim)
    assert isinstance(ask(tmp_path, key=weekly_key("england", "2026-01-31", "b" * 64)), Claim)


def test_retrainings_cool_down_and_have_a_budget(tmp_path: Path) -> None:
    settings = Monitoring(retrain_cooldown_days=28, retrains_a_year=2)
    log = log_at(tmp_path)
    assert may_retrain(log, "england", settings, NOON) == ""
    # A promotion's turn is a claim too, and no retraining.
    log.append("claim", "england/turn-1", at=NOON.isoformat(), by="run:1", body={"model_name": "england"})
    assert may_retrain(log, "england", settings, NOON) == ""
    ask(tmp_path, key=retrain_key("england", "level", "a" * 64))
    assert "the next may on 2026-02-28" in may_retrain(log, "england", settings, NOON + dt.timedelta(days=27))
    assert may_retrain(log, "england", settings, NOON + dt.timedelta(days=28)) == ""
    ask(tmp_path, NOON + dt.timedelta(days=28), key=retrain_key("england", "level", "b" * 64))
    assert "2 retrainings" in may_retrain(log, "england", settings, NOON + dt.timedelta(days=90))
    assert may_retrain(log, "england", settings, NOON + dt.timedelta(days=366)) == ""


@pytest.mark.parametrize(
    ("path", "market"),
    [
        ("in/england.csv", "england"),
        ("bucket/draws/england/2026-01-31.parquet", "england"),
        ("england-2026-01-31.csv", "england"),
        ("england_realised.csv", "england_realised"),
    ],
)
def test_a_file_belongs_to_the_market_that_its_path_names(path: str, market: str) -> None:
    assert market_of(path, ["england", "england_realised", "megasena"]) == market


@pytest.mark.parametrize("path", ["draws.csv", "englandia.csv", "england_other.csv", ""])
def test_a_file_that_names_no_market_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="whose draws"):
        market_of(path, ["england", "england_realised"])


def test_a_recommendation_is_due_hours_before_the_end_of_the_draws_day() -> None:
    market = load_market("england").market  # draws on Saturdays
    draw, deadline = due(market, dt.datetime(2026, 7, 1, tzinfo=dt.UTC))
    assert draw == dt.date(2026, 7, 4)
    # Midnight after Saturday is 23:00 UTC in summer, and 48 hours before that is Thursday.
    assert deadline == dt.datetime(2026, 7, 2, 23, tzinfo=dt.UTC)
    assert due(market, dt.datetime(2026, 7, 4, 22, tzinfo=dt.UTC))[0] == dt.date(2026, 7, 4)
    assert due(market, dt.datetime(2026, 7, 4, 23, 30, tzinfo=dt.UTC))[0] == dt.date(2026, 7, 11)

"""Decisions stand until superseded, and outcomes add up to what the history says."""

from __future__ import annotations

import datetime as dt
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jackpot.approval import Caller
from jackpot.audit import AuditLog, Entry, Keyring
from jackpot.errors import InputError, JackpotError
from jackpot.evaluation.backtest import Backtest
from jackpot.market.loading import load_market
from jackpot.outcomes import decide, decision_for, in_words, outcomes, waits_for_second
from jackpot.store import FolderStore
from tests.desk import AS_OF, ROOT, Desk

MARKET = load_market(str(ROOT / "configs" / "markets" / "england.yaml")).market
DRAW, AT = dt.date(2025, 6, 7), "2025-06-03T10:00:00+00:00"


def open_log(folder: Path) -> AuditLog:
    return AuditLog("england", FolderStore(folder / "r"), FolderStore(folder / "h"), Keyring(b"k" * 32))


def say(log: AuditLog, jackpot: float, **changes: Any) -> Entry:
    fields = {"draw_date": DRAW, "reason": "as the board wished", "by": "alice", "at": AT} | changes
    by, market = fields.pop("by"), fields.pop("market", MARKET)
    return decide(log, market, jackpot=jackpot, by=by if isinstance(by, Caller) else Caller(by), **fields)


def test_a_second_name_of_the_same_identity_confirms_nothing(tmp_path: Path) -> None:
    """Who is called bob stands in a file; by which identity he came does not."""
    log = open_log(tmp_path)
    market = MARKET.model_copy(update={"governance": MARKET.governance.model_copy(update={"four_eyes": True})})
    first = say(log, 2e7, market=market, by=Caller("alice", "local:ann"))
    for by in (Caller("alice", "local:ann"), Caller("bob", "local:ann"), Caller("alice", "local:zoe")):
        assert say(log, 2e7, market=market, by=by) == first
        assert waits_for_second(log, market, first)
    say(log, 2e7, market=market, by=Caller("bob", "local:bob"))
    assert not waits_for_second(log, market, first)
    assert log.find("decision_confirmation", first.subject).body["identity"] == "local:bob"


def test_a_decision_stands_until_it_is_superseded_and_both_are_kept(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    first = say(log, 2e7)
    assert say(log, 2e7, by="bob") == first
    with pytest.raises(JackpotError, match=r"20,000,000 was decided .* by alice"):
        say(log, 2.1e7)
    second = say(log, 2.1e7, supersede=True)
    assert (second.body["supersedes"], second.body["override"]) == (first.number, False)
    assert decision_for(log, DRAW.isoformat()) == second
    assert decision_for(log, "2025-06-14") is None
    assert say(log, 2e7, supersede=True).body["supersedes"] == second.number
    assert len(list(log.entries("decision"))) == 3
    restated = say(log, 2e7, supersede=True, reason="what the board meant")
    assert (restated.body["reason"], restated.body["jackpot"]) == ("what the board meant", 2e7)
    assert say(log, 2e7, supersede=True, reason="what the board meant ") == restated
    assert say(log, 2e7, reason="something else") == restated


@pytest.mark.parametrize(
    ("jackpot", "changes", "says"),
    [
        (20.0, {}, "not in millions"),
        (5.1e7, {}, "cannot be announced"),
        (float("nan"), {}, "cannot be announced"),
        (19_000_001.0, {}, "steps of 100,000.*19,000,000 or 19,100,000"),
        (2e7, {"draw_date": dt.date(2025, 6, 6)}, "no draw on this day.*2025-06-07"),
        (2e7, {"reason": "\u200b –"}, "no recommendation for this draw.*needs a reason"),
        (2e7, {"reason": "x" * 2001}, "longer"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(tmp_path: Path, jackpot: float, changes: Any, says: str) -> None:
    log = open_log(tmp_path)
    with pytest.raises(InputError, match=says):
        say(log, jackpot, **changes)
    assert list(log.entries()) == []


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2025-06-07T22:59:00+00:00", "there was no recommendation"),
        ("2025-06-07T23:01:00+00:00", "there was no recommendation; late"),
    ],
)
def test_a_decision_says_that_nothing_was_recommended_and_that_it_is_late_by_the_clock_of_its_market(
    tmp_path: Path, at: str, said: str
) -> None:
    assert in_words(MARKET, say(open_log(tmp_path), 2e7, at=at)).partition(":")[0] == said


def test_of_many_decisions_at_once_one_stands(tmp_path: Path) -> None:
    def one(number: int) -> bool:
        try:
            say(open_log(tmp_path), 1e7 + 1e5 * number, by=f"u{number}")
        except JackpotError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(20))) == 1
    assert len(list(open_log(tmp_path).entries("decision"))) == 1


@pytest.mark.slow
def test_outcomes_tell_recommended_decided_and_happened(desk: Desk) -> None:
    log = desk.log("england")
    recommended = next(log.entries("recommendation")).body["jackpot"]
    assert isinstance(recommended, int | float)
    draws = pd.DataFrame(
        {
            "draw_date": pd.to_datetime(["2025-05-31", "2025-06-07"]),
            "jackpot": [1.5e7, 2.0e7],
            "sales": [1.1e7, 1.2e7],
            "jackpot_paid": [0.0, 0.0],
            "secondary_paid": [3e6, 3e6],
        }
    )
    (row,) = outcomes(log, desk.store, MARKET, draws.iloc[:1]).draws
    assert (row.decided, row.announced, row.adopted, row.sales, row.value_decided) == (None,) * 5

    assert not say(log, recommended, reason="").body["override"]
    say(log, 2.0e7, supersede=True, at="2025-06-09T10:00:00+00:00")
    found = outcomes(log, desk.store, MARKET, draws)
    (row,) = found.draws
    assert (row.recommended, row.decided, row.override, row.late) == (recommended, 2.0e7, True, True)
    # What was decided in time counts, and nothing that was recorded afterwards.
    assert (row.supersessions, row.announced, row.adopted) == (1, 2.0e7, True)
    assert row.remarks == ("override", "decided late")
    assert row.forecast is not None
    assert row.error_pct == pytest.approx(100 * (1.2e7 / row.forecast - 1))
    assert row.value_realised == pytest.approx(1.2e7 * 0.7 - 3e6)
    assert row.value_recommended is not None
    assert row.value_decided is not None
    assert row.value_decided < row.value_recommended
    (month,) = found.months
    assert (month.month, month.draws, month.decided, month.overrides, month.adoption_pct) == ("2025-06", 1, 1, 1, 100.0)
    assert month.wmape_pct == pytest.approx(100 * abs(1.2e7 - row.forecast) / 1.2e7)
    assert month.bias_pct == pytest.approx(100 * (row.forecast - 1.2e7) / 1.2e7)
    assert month.decided_below_recommended == pytest.approx(row.value_recommended - row.value_decided)


@pytest.mark.slow
def test_a_decision_after_the_draw_adopts_nothing_and_another_announcement_is_told(desk: Desk) -> None:
    log = desk.log("england")
    recommended = float(str(next(log.entries("recommendation")).body["jackpot"]))
    figures = {"jackpot": [2.0e7], "sales": [1.2e7], "jackpot_paid": [0.0], "secondary_paid": [3e6]}
    draws = pd.DataFrame({"draw_date": pd.to_datetime(["2025-06-07"]), **figures})
    say(log, recommended, reason="", at="2026-11-20T10:00:00+00:00")
    (row,) = outcomes(log, desk.store, MARKET, draws).draws
    assert (row.decided, row.late, row.announced_otherwise, row.adopted) == (recommended, True, True, False)
    assert row.remarks == ("decided late", "announced otherwise")
    (unknown,) = outcomes(log, desk.store, MARKET, draws.iloc[:0]).draws
    assert (unknown.adopted, unknown.announced_otherwise) == (None, False)


@pytest.mark.integration
@pytest.mark.slow
def test_the_next_report_says_what_became_of_the_recommendation_and_is_made_without_one_that_is_lost(
    desk: Desk, evaluated: Backtest
) -> None:
    earlier = "What became of earlier recommendations"
    assert earlier not in (desk.root / "work" / "dashboard.html").read_text()
    desk.recommend(AS_OF + dt.timedelta(weeks=1), "two", evaluated)
    assert earlier in (desk.root / "work" / "dashboard.html").read_text()
    assert "| 2025-06 | 1 |" in (desk.root / "work" / "summary.md").read_text()

    shutil.rmtree(desk.root / "store" / desk.prefixes()[0])
    desk.recommend(AS_OF + dt.timedelta(weeks=2), "three", evaluated)
    assert earlier not in (desk.root / "work" / "dashboard.html").read_text()
    assert len(desk.prefixes()) == 3

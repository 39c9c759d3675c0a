"""One request, one answer, by someone who may, about the very model that was shown."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from jackpot.approval import AnsweredError, Caller, Rules, answer, approved, pending, request, stale, unpromoted
from jackpot.audit import AuditLog, Entry, Keyring
from jackpot.errors import InputError, JackpotError
from jackpot.store import FolderStore

MODEL, OTHER = "a" * 64, "b" * 64
ASKED, NOW, ENDS, LATE = (f"2026-11-{day}T12:00:00+00:00" for day in (20, 21, 27, 28))
FAR = "2026-12-31T12:00:00+00:00"
RULES = Rules("england", ("alice", "bob", "local:*"), four_eyes=True)


def open_log(folder: Path) -> AuditLog:
    return AuditLog("england", FolderStore(folder / "r"), FolderStore(folder / "h"), Keyring(b"k" * 32))


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return open_log(tmp_path)


def ask(log: AuditLog, **changes: Any) -> Entry:
    fields = {
        "model_name": "england",
        "version": "v4",
        "model_sha256": MODEL,
        "evidence": {"gain_pct": 3.2},
        "trained_by": Caller("bob"),
        "four_eyes": False,
        "at": ASKED,
        "expires_at": ENDS,
    }
    return request(log, **{**fields, **changes})


def test_a_request_waits_until_it_is_answered_and_the_approval_is_for_that_model(log: AuditLog) -> None:
    asked = ask(log)
    assert asked.subject == f"england/v4/{MODEL[:16]}"
    assert pending(log, NOW) == [asked]
    with pytest.raises(JackpotError, match="it waits"):
        approved(log, asked.subject, MODEL, NOW)
    given = answer(log, asked.subject, "approved", " better by 3% ", Caller("alice"), NOW, RULES)
    assert (given.by, given.body["verdict"], given.body["reason"]) == ("alice", "approved", "better by 3%")
    assert pending(log, NOW) == []
    assert approved(log, asked.subject, MODEL, NOW) == given
    with pytest.raises(JackpotError, match=f"not {OTHER}"):
        approved(log, asked.subject, OTHER, NOW)
    with pytest.raises(JackpotError, match=r"held until 2026-11-28.*jackpot run england"):
        approved(log, asked.subject, MODEL, "2026-12-09T00:00:00+00:00")


def test_an_approval_that_no_promotion_followed_is_found_while_it_holds(log: AuditLog) -> None:
    given = answer(log, ask(log).subject, "approved", "good", Caller("alice"), NOW, RULES)
    answer(log, ask(log, version="v5").subject, "rejected", "bad", Caller("alice"), NOW, RULES)
    assert unpromoted(log, NOW) == [given]
    assert unpromoted(log, "2026-12-09T00:00:00+00:00") == []
    log.append("promotion", "england/turn-1", at=NOW, by="run:1", body={"model_name": "england", "outcome": "promoted"})
    assert unpromoted(log, NOW) == []


def test_an_approval_that_ran_out_unused_is_asked_for_anew(log: AuditLog) -> None:
    asked = ask(log)
    given = answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, RULES)
    assert ask(log, at="2026-11-28T11:59:59+00:00", expires_at=FAR) == asked
    renewed = ask(log, at=LATE, expires_at=FAR)
    assert renewed.subject == f"{asked.subject}/2"
    assert pending(log, LATE) == [renewed]
    used = {"model_name": "england", "outcome": "promoted", "approval": given.number}
    log.append("promotion", "england/turn-1", at=NOW, by="run:1", body=used)
    assert ask(log, at=LATE, expires_at=FAR) == asked
    rejected = ask(log, version="v5")
    answer(log, rejected.subject, "rejected", "bad", Caller("alice"), NOW, RULES)
    assert ask(log, version="v5", at=LATE, expires_at=FAR) == rejected


def test_a_rejection_is_told_with_its_reason(log: AuditLog) -> None:
    asked = ask(log)
    answer(log, asked.subject, "rejected", "the price changes in May", Caller("alice"), NOW, RULES)
    with pytest.raises(JackpotError, match=r"rejected by alice .* the price changes in May"):
        approved(log, asked.subject, MODEL, NOW)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"request_id": "england/v5/" + "a" * 16}, "no such request"),
        ({"by": Caller("mallory")}, "may not answer"),
        ({"by": Caller("Alice")}, "may not answer"),
        ({"by": Caller("bob")}, "four eyes"),
        ({"at": LATE}, "not open"),
        ({"at": ENDS}, "not open"),
        ({"at": "2026-11-19T12:00:00+00:00"}, "not open"),
        ({"at": "2026-11-21T12:00:00"}, "no moment"),
        ({"reason": " \n"}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"evidence_sha256": "0" * 64}, "evidence"),
    ],
)
def test_an_answer_that_may_not_be_given_leaves_nothing(log: AuditLog, changes: dict[str, Any], says: str) -> None:
    asked = ask(log)
    fields = {"request_id": asked.subject, "verdict": "approved", "reason": "good", "by": Caller("alice"), "at": NOW}
    with pytest.raises(InputError, match=says):
        answer(log, rules=RULES, **{**fields, **changes})
    assert list(log.entries()) == [asked]


def test_four_eyes_ask_who_trained(log: AuditLog) -> None:
    asked = ask(log, trained_by=Caller(""))
    with pytest.raises(InputError, match="not recorded"):
        answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, RULES)
    two = Rules("england", ("alice",), four_eyes=False)
    assert answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, two).by == "alice"


@pytest.mark.parametrize("by", [Caller("bob", "local:root"), Caller("root", "slack:U1"), Caller("bob", "root")])
def test_neither_the_person_nor_the_identity_that_trained_may_answer(log: AuditLog, by: Caller) -> None:
    asked = ask(log, trained_by=Caller("root", "local:root"))
    with pytest.raises(InputError, match=r"four eyes.*trained by root \(local:root\)"):
        answer(log, asked.subject, "approved", "mine", by, NOW, Rules("england", ("*",), four_eyes=True))
    given = answer(log, asked.subject, "approved", "good", Caller("alice", "slack:U2"), NOW, RULES)
    assert (given.by, given.body["identity"]) == ("alice", "slack:U2")
    assert (asked.by, asked.body["trained_by_identity"]) == ("root", "local:root")


def test_of_a_request_that_says_no_identity_the_name_it_says_may_not_answer(log: AuditLog) -> None:
    asked = ask(log, trained_by=Caller("local:root"))
    with pytest.raises(InputError, match="four eyes"):
        answer(log, asked.subject, "approved", "mine", Caller("bob", "local:root"), NOW, RULES)


def test_four_eyes_that_were_asked_for_hold_whatever_the_answerer_says(log: AuditLog) -> None:
    asked, lax = ask(log, four_eyes=True), Rules("england", ("alice", "bob"), four_eyes=False)
    for by, trained in (("bob", asked), ("alice", ask(log, version="v5", trained_by=Caller(""), four_eyes=True))):
        with pytest.raises(InputError, match="four eyes"):
            answer(log, trained.subject, "approved", "mine", Caller(by), NOW, lax)
    assert list(log.entries("approval_answer")) == []
    assert answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, lax).by == "alice"


def test_an_approval_is_spent_once_another_champion_followed_the_one_it_made(log: AuditLog) -> None:
    asked = ask(log)
    given = answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, RULES)
    about = {"model_name": "england", "version": "v4", "model_sha256": MODEL}
    for turn, (name, body) in enumerate(
        [
            ("england", {"outcome": "failed"}),
            ("england", {"outcome": "promoted", "approval": given.number}),
            ("england", {"outcome": "failed"}),
            ("another", {"outcome": "promoted"}),
        ]
    ):
        log.append("promotion", f"{name}/turn-{turn}", at=NOW, by="run:1", body={**about, "model_name": name, **body})
        assert approved(log, asked.subject, MODEL, NOW) == given
        assert ask(log, at=NOW) == asked
    log.append("rollback", "england/turn-9", at=NOW, by="alice", body={**about, "version": "v3"})
    with pytest.raises(JackpotError, match=r"was used, .*jackpot run england"):
        approved(log, asked.subject, MODEL, NOW)
    renewed = ask(log, at=NOW)
    assert renewed.subject == f"{asked.subject}/2"
    assert pending(log, NOW) == [renewed]
    anew = answer(log, renewed.subject, "approved", "still good", Caller("alice"), NOW, RULES)
    assert approved(log, renewed.subject, MODEL, NOW) == anew
    assert ask(log, at=NOW) == renewed


def test_a_request_that_another_champion_overtook_waits_no_more(log: AuditLog) -> None:
    def promoted(turn: int, version: str) -> None:
        body = {"model_name": "england", "version": version, "model_sha256": version[1] * 64, "outcome": "promoted"}
        log.append("promotion", f"england/turn-{turn}", at=NOW, by="run:1", body=body)

    first = ask(log, evidence={"comparison": None})
    assert (pending(log, NOW), stale(log, first)) == ([first], "")
    promoted(1, "v1")
    asked = ask(log, version="v5", evidence={"comparison": {"version": "v1", "model_sha256": "1" * 64}})
    assert (pending(log, NOW), stale(log, asked)) == ([asked], "")
    assert stale(log, first) == "v4 was compared with no champion, and v1 is champion now"
    promoted(2, "v2")
    assert pending(log, NOW) == []
    for verdict in ("approved", "rejected"):
        with pytest.raises(InputError, match=r"v5 was compared with champion v1, and v2 is champion now.*jackpot run"):
            answer(log, asked.subject, verdict, "good", Caller("alice"), NOW, RULES)  # type: ignore[arg-type]
    assert list(log.entries("approval_answer")) == []
    body = {"model_name": "england", "version": "v1", "model_sha256": "1" * 64}
    log.append("rollback", "england/turn-3", at=NOW, by="alice", body=body)
    assert pending(log, NOW) == [asked]
    given = answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, RULES)
    promoted(4, "v5")
    with pytest.raises(AnsweredError) as told:
        answer(log, asked.subject, "approved", "good", Caller("alice"), NOW, RULES)
    assert told.value.entry == given


def test_a_market_of_its_own_name_has_its_own_approvers() -> None:
    approvers = {"*": ("alice",), "england": ("bob",)}
    Rules.of("freedonia", approvers, False).check(Caller("alice"), Caller("x"))
    Rules.of("england", approvers, False).check(Caller("bob"), Caller("x"))
    for market, by in (("england", "alice"), ("freedonia", "bob")):
        with pytest.raises(InputError, match="may not answer"):
            Rules.of(market, approvers, False).check(Caller(by), Caller("x"))
    with pytest.raises(InputError, match="nobody yet"):
        Rules.of("england", {}, False).check(Caller("alice"), Caller("x"))


def test_asking_again_changes_nothing_until_the_request_has_expired(log: AuditLog) -> None:
    first = ask(log)
    assert ask(log, evidence={"other": 1}, at=NOW) == first
    renewed = ask(log, at=LATE, expires_at="2026-12-05T12:00:00+00:00")
    assert renewed.subject == first.subject + "/2"
    assert pending(log, LATE) == [renewed]
    with pytest.raises(JackpotError, match="expired"):
        approved(log, first.subject, MODEL, LATE)
    given = answer(log, renewed.subject, "approved", "good", Caller("alice"), LATE, RULES)
    assert ask(log, at="2026-12-04T12:00:00+00:00", expires_at="2026-12-31T12:00:00+00:00") == renewed
    assert approved(log, renewed.subject, MODEL, LATE) == given
    with pytest.raises(InputError, match="after it is made"):
        ask(log, expires_at=ASKED)


def test_of_fifty_answers_at_once_one_wins_and_the_others_are_told_whose(tmp_path: Path) -> None:
    asked = ask(open_log(tmp_path))

    def say(number: int) -> Entry | AnsweredError:
        verdict: Any = ("approved", "rejected")[number % 2]
        try:
            return answer(open_log(tmp_path), asked.subject, verdict, "mine", Caller(f"local:u{number}"), NOW, RULES)
        except AnsweredError as error:
            return error

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(say, range(50)))
    (winner,) = [each for each in said if isinstance(each, Entry)]
    assert all(each.entry == winner for each in said if isinstance(each, AnsweredError))
    assert list(open_log(tmp_path).entries("approval_answer")) == [winner]
    assert open_log(tmp_path).verify() == []

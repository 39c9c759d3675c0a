"""Approving, deciding, replaying and reading the log from the command line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.places import open_places
from jackpot.approval import Caller, request
from jackpot.audit import AuditLog, Entry
from jackpot.evaluation.backtest import Backtest, backtest
from tests.conftest import Place
from tests.desk import AS_OF, Desk, a_week

JACKPOT = str(Path(sys.executable).parent / "jackpot")


EVIDENCE = {"gates": [{"name": "skill", "passed": True, "reason": "12% [better]"}], "gain_pct": 3.25}


def jackpot(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [JACKPOT, *words, "--environment", str(place.environment)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=place.root,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def told(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def on_a_full_disk(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file of more than 64 bytes."""
    limited = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)); from jackpot.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, *words, "--environment", str(place.environment)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=place.root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def log_of(place: Place) -> AuditLog:
    return open_places(str(place.environment)).audit("england")


def ask(
    place: Place,
    version: str = "v2",
    trained_by: str = "run:7",
    four_eyes: bool = False,
    hours: float = 0,
    evidence: Any = None,
) -> Entry:
    now = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    return request(
        log_of(place),
        model_name="england",
        version=version,
        model_sha256="a" * 64,
        evidence=EVIDENCE | (evidence or {}),
        trained_by=Caller(trained_by, trained_by),
        four_eyes=four_eyes,
        at=(now - dt.timedelta(hours=1)).isoformat(),
        expires_at=(now + dt.timedelta(days=7)).isoformat(),
    )


def test_what_waits_is_shown_with_its_evidence_and_answered_once(place: Place) -> None:
    assert "nothing waits" in jackpot(place, "approvals").stdout
    none = jackpot(place, "approve", "england", "--reason", "good", "--json")
    assert (none.returncode, told(none)["error"]) == (2, "bad input")
    asked = ask(place)
    shown = jackpot(place, "approvals", "england").stdout
    for words in (asked.subject, "12% [better]", "3.25", "Next: jackpot approve england"):
        assert words in shown
    assert told(jackpot(place, "approvals", "--json"))[0]["request"] == asked.subject

    assert jackpot(place, "approve", "england", "--reason", " ").returncode == 2
    yes = jackpot(place, "approve", "england", "--reason", "better", "--no-promote", "--json")
    assert yes.returncode == 0, yes.stderr
    answer = told(yes)
    left = jackpot(place, "approvals", "england").stdout
    assert "but not promoted" in left
    assert "Next: jackpot promote england england/v2" in left
    assert (answer["verdict"], answer["reason"], answer["by"].split(":")[0]) == ("approved", "better", "local")
    again = jackpot(place, "approve", "england", asked.subject, "--reason", "still", "--no-promote", "--json")
    assert (again.returncode, told(again)["number"]) == (0, answer["number"])
    no = jackpot(place, "reject", "england", asked.subject, "--reason", "worse")
    assert no.returncode == 1
    assert "was approved by local:" in no.stderr
    assert len(list(log_of(place).entries("approval_answer"))) == 1


def test_the_identity_is_the_systems_and_not_what_a_variable_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask(place)
    text = place.environment.read_text()
    place.environment.write_text(text.replace('"local:*"', "alice"))
    for variable in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "alice")
    refused = jackpot(place, "approve", "england", "--reason", "mine")
    assert refused.returncode == 2
    assert "may not answer" in refused.stderr
    import pwd

    own = f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    place.environment.write_text(text.replace('{"*": ["local:*"]}', f'{{"*": [alice]}}, people: {{"{own}": alice}}'))
    assert told(jackpot(place, "reject", "england", asked.subject, "--reason", "no", "--json"))["by"] == "alice"


def test_four_eyes_is_a_setting_of_the_market(place: Place) -> None:
    import pwd

    market = place.market(changes={"history:\n": "governance: {four_eyes: true}\nhistory:\n"})
    ask(place, trained_by=f"local:{pwd.getpwuid(os.getuid()).pw_name}")
    refused = jackpot(place, "approve", str(market), "--reason", "mine")
    assert refused.returncode == 2
    assert "four eyes" in refused.stderr


def test_four_eyes_are_those_of_the_request_and_not_of_the_file_that_is_named(place: Place) -> None:
    import pwd

    asked = ask(place, trained_by=f"local:{pwd.getpwuid(os.getuid()).pw_name}", four_eyes=True)
    for market in ("england", str(place.market())):
        refused = jackpot(place, "approve", market, asked.subject, "--reason", "mine")
        assert refused.returncode == 2
        assert "four eyes" in refused.stderr
    assert list(log_of(place).entries("approval_answer")) == []


def test_four_eyes_are_not_another_name_for_oneself_in_the_file_that_is_named(place: Place) -> None:
    import pwd

    own = f"local:{pwd.getpwuid(os.getuid()).pw_name}"
    asked = ask(place, trained_by=own, four_eyes=True)
    text = place.environment.read_text()
    place.environment.write_text(text.replace('{"*": ["local:*"]}', f'{{"*": [bob]}}, people: {{"{own}": bob}}'))
    refused = jackpot(place, "approve", "england", asked.subject, "--reason", "mine")
    assert refused.returncode == 2
    assert "four eyes" in refused.stderr
    assert list(log_of(place).entries("approval_answer")) == []


def test_a_request_that_a_new_champion_overtook_is_said_to_wait_no_more(place: Place) -> None:
    asked = ask(place, evidence={"comparison": None})
    named = jackpot(place, "approvals", str(place.market()))
    assert f"jackpot approve {place.market()} {asked.subject} --environment {place.environment}" in named.stdout
    champion = {"model_name": "england", "version": "v1", "model_sha256": "b" * 64, "outcome": "promoted"}
    log_of(place).append("promotion", "england/turn-1", at=asked.at, by="run:1", body=champion)
    shown = jackpot(place, "approvals", "england").stdout
    assert "v2 was compared with no champion, and v1 is champion now" in shown
    assert "jackpot approve" not in shown
    for which in ((), (asked.subject,)):
        refused = jackpot(place, "approve", "england", *which, "--reason", "good")
        assert (refused.returncode, "waits no more" in refused.stderr) == (2, True)
    assert list(log_of(place).entries("approval_answer")) == []


def test_who_lost_a_race_is_told_whose_answer_stands(place: Place) -> None:
    ask(place)
    assert jackpot(place, "reject", "england", "--reason", "no").returncode == 0
    lost = jackpot(place, "approve", "england", "--reason", "good")
    assert lost.returncode == 2
    assert "has its answer" in lost.stderr
    assert "rejected by local:" in lost.stderr


def test_who_may_decide_is_the_same_at_the_command_line_as_in_the_console(place: Place) -> None:
    place.environment.write_text(place.environment.read_text() + 'console: {decide: {"*": [dora]}}\n')
    refused = jackpot(place, "decide", "england", "2026-12-23", "--jackpot", "20000000", "--reason", "asked")
    assert (refused.returncode, "may not decide for england" in refused.stderr) == (2, True)
    assert list(log_of(place).entries("decision")) == []


def test_a_request_that_expired_is_said_to_have_where_none_waits(place: Place) -> None:
    asked = ask(place, hours=24 * 8)
    refused = jackpot(place, "approve", "england", "--reason", "late", "--json")
    assert refused.returncode == 2
    (problem,) = told(refused)["problems"]
    assert "expired" in problem["message"]
    assert asked.subject in problem["message"]
    assert "jackpot run england" in problem["hint"]


def test_answers_of_processes_at_once_have_one_winner(place: Place) -> None:
    asked = ask(place)
    words = ["england", asked.subject, "--environment", str(place.environment), "--reason", "mine"]
    running = [
        subprocess.Popen(
            [JACKPOT, command, *words, *(["--no-promote"] if command == "approve" else [])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for command in ("approve", "reject") * 4
    ]
    codes = [process.wait(timeout=120) for process in running]
    for process in running:
        assert process.stderr is not None
        process.stderr.close()
    (answer,) = log_of(place).entries("approval_answer")
    won = ["approve", "reject"].index({"approved": "approve", "rejected": "reject"}[str(answer.body["verdict"])])
    # Whoever said the same as the one that stands is told that it stands.
    assert [code == 0 for code in codes] == [number % 2 == won for number in range(8)]
    assert log_of(place).verify() == []


def test_a_damaged_log_is_named_and_takes_nothing_more(place: Place) -> None:
    for version in ("v2", "v3", "v4"):
        ask(place, version)
    last = str(log_of(place).examine().last)
    assert told(jackpot(place, "audit", "verify", "england", "--json")) == [
        {"market": "england", "records": 3, "last": last, "faults": [], "log_damaged": False}
    ]
    assert last in jackpot(place, "audit", "verify", "england").stdout
    assert jackpot(place, "audit", "verify", "england", "--expect", last).returncode == 0
    other = jackpot(place, "audit", "verify", "england", "--expect", f"4:{last[2:]}")
    assert (other.returncode, "it was noted down, and is gone" in other.stdout) == (1, True)
    for words in (("england", "--expect", "3"), ("england", "uk_lotto", "--expect", last), ("--expect", last)):
        assert jackpot(place, "audit", "verify", *words).returncode == 2
    for period in (("--from", "2100-01-01"), ("--to", "2000-01-01")):
        refused = jackpot(place, "audit", "export", "england", *period)
        assert (refused.returncode, "no record of this period" in refused.stderr) == (2, True)
    shown = told(jackpot(place, "audit", "show", "england", "--number", "2", "--json"))
    assert [entry["subject"] for entry in shown] == ["england/v3/" + "a" * 16]
    (place.root / "audit" / "records" / "england" / "00000002.json").unlink()
    found = jackpot(place, "audit", "verify")
    assert found.returncode == 1
    assert "damaged at record 2  england" in found.stdout
    for words in (("audit", "export", "england"), ("audit", "show", "england"), ("approvals",)):
        done = jackpot(place, *words)
        assert done.returncode == 1
        assert "record 2" in done.stderr
    assert jackpot(place, "audit", "show", "england", "--from", "2026-02-01", "--to", "2026-01-01").returncode == 2


def test_a_lost_audit_key_is_named_and_no_other_is_made(place: Place) -> None:
    key = place.root / "keys" / "audit"
    assert jackpot(place, "audit", "verify", "england").returncode == 0
    assert not key.exists()
    ask(place)
    kept = key.read_bytes()
    key.unlink()
    for words in (
        ("audit", "verify", "england"),
        ("audit", "verify", "uk_lotto"),
        ("approvals",),
        ("audit", "show", "england"),
    ):
        done = jackpot(place, *words)
        assert done.returncode == 2
        assert "key of the audit log is missing" in done.stderr
        assert str(key) in done.stderr.replace("\n", "")
        assert not key.exists()
    key.write_bytes(b"o" * 32)
    wrong = jackpot(place, "audit", "verify", "england")
    assert wrong.returncode == 1
    assert "put the key that signed the log back" in wrong.stdout
    key.write_bytes(kept)
    assert jackpot(place, "audit", "verify", "england").returncode == 0


@pytest.fixture(scope="module")
def week_back() -> Backtest:
    week = a_week(AS_OF)
    return backtest(week.history.draws, week.market)


def test_a_recommendation_is_decided_on_replayed_and_exported(place: Place, week_back: Backtest) -> None:
    places = open_places(str(place.environment))
    prefix = Desk(place.root, places).recommend(AS_OF, "one", week_back)
    kept = json.loads((place.root / "store" / prefix / "recommendation.json").read_bytes())
    day, identity = kept["draw_date"], prefix.rpartition("/")[2]

    same = told(jackpot(place, "decide", "england", day, "--jackpot", str(kept["jackpot"]), "--json"))
    assert same["override"] is False
    assert jackpot(place, "decide", "england", day, "--jackpot", "2e7", "--supersede").returncode == 2
    assert "17.5m" in jackpot(place, "decide", "england", day, "--jackpot", "17,5", "--supersede").stderr
    words = ("decide", "england", day, "--jackpot", "£20m", "--reason", "a round figure")
    assert jackpot(place, *words).returncode == 1
    other = told(jackpot(place, *words, "--supersede", "--json"))
    assert (other["override"], other["supersedes"]) == (True, same["number"])
    (found,) = told(jackpot(place, "outcomes", "england", "--json"))
    assert (found["draws"][0]["decided"], found["draws"][0]["supersessions"]) == (20000000, 1)
    assert found["draws"][0]["sales"] > 0
    assert found["months"][0]["month"] == day[:7]
    assert "override" in jackpot(place, "outcomes", "england", "--draws").stdout

    assert jackpot(place, "audit", "verify", "england", "--files").returncode == 0
    metadata = place.root / "store" / prefix / "metadata.json"
    said = metadata.read_text()
    metadata.write_text(said.replace(f'"seed": {json.loads(said)["seed"]}', '"seed": 1'))
    forged = jackpot(place, "audit", "verify", "england", "--files", "--json")
    assert forged.returncode == 1
    assert told(forged)[0]["faults"][0]["what"].endswith("metadata.json was changed: seed")
    metadata.write_text(said)

    replayed = jackpot(place, "replay", identity, "--json")
    assert (replayed.returncode, told(replayed)["verdict"]) == (0, "identical"), replayed.stdout
    market = place.root / "store" / prefix / "market.yaml"
    text = market.read_text()
    market.write_text(text.replace("cap: 50_000_000", "cap: 40_000_000"))
    differs = jackpot(place, "replay", prefix, "--json")
    assert differs.returncode == 1
    assert [difference["name"] for difference in told(differs)["inputs"]] == ["market file"]
    assert jackpot(place, "audit", "verify", "england", "--files").returncode == 1
    assert jackpot(place, "audit", "export", "england").returncode == 1
    market.write_text(text)
    assert [entry.body["result"] for entry in log_of(place).entries("replay")] == ["identical", "differs"]
    assert jackpot(place, "replay", "nothing-of-the-kind").returncode == 2
    unrecorded = on_a_full_disk(place, "replay", prefix, "--json")
    assert (unrecorded.returncode, told(unrecorded)["verdict"]) == (1, "identical")
    assert "File too large" in unrecorded.stderr

    exported = told(jackpot(place, "audit", "export", "england", "--json"))
    with zipfile.ZipFile(place.root / exported["path"]) as archive:
        archive.extractall(place.root / "export")
        rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
    assert [row["kind"] for row in rows] == ["recommendation", "decision", "decision", "replay", "replay"]
    key = str(place.root / "keys" / "audit")
    checked = subprocess.run(
        [sys.executable, "-I", "-S", str(place.root / "export" / "verify.py"), "--key", key], capture_output=True
    )
    assert checked.returncode == 0, checked.stdout
    # What was exported replays from its own files, wherever the store is.
    (place.root / "store").rename(place.root / "elsewhere")
    folder = place.root / "export" / prefix
    assert jackpot(place, "replay", str(folder)).returncode == 0


def test_a_full_disk_is_said_in_one_line(place: Place) -> None:
    log_of(place).append("claim", "first", at="2026-01-31T12:00:00+00:00", by="test", body={})
    done = on_a_full_disk(place, "decide", "england", "2025-06-07", "--jackpot", "20000000", "--reason", "asked")
    assert done.returncode == 1
    assert f"{place.root}/" in done.stderr
    assert "File too large" in done.stderr

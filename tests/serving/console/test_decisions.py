"""Deciding, approving, asking and replaying, as a person's browser does; and what is left when something breaks."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from jackpot.adapters.places import open_places
from jackpot.market.loading import load_market
from jackpot.records import Tuning
from jackpot.tuning.keys import tuning_key
from tests.serving.conftest import free_port, wait_for
from tests.serving.console.conftest import ROOT, Console, alive, ask, copy_of, open_console, process


def test_the_recommended_jackpot_is_decided_without_a_reason(console: Console) -> None:
    done = console.decide("dora", 23_700_000)
    assert (done.status_code, done.headers["location"]) == (303, f"/markets/england/draws/{console.draw}#decision")
    (entry,) = console.entries("decision")
    assert (entry.by, entry.body["jackpot"], entry.body["override"]) == ("dora", 23_700_000, False)
    assert "decided by dora" in console.get("/markets/england", "rita").text
    assert ">decide<" not in console.get("/", "rita").text
    again = console.decide("dora", "£23.7m")
    assert again.status_code == 303
    assert len(console.entries("decision")) == 1


@pytest.mark.parametrize(
    ("jackpot", "reason", "why"),
    [
        ("30,000,000", "", "needs a reason"),
        ("30", "x", "cannot be announced"),
        ("nan", "x", "“nan” is no amount of GBP"),
        ("23.700.000", "x", "“23.700.000” is no amount of GBP: write it such as 20,000,000"),
        ("<b>", "x", "“&lt;b&gt;” is no amount"),
        ("", "x", "“nothing” is no amount"),
        ("900 trillion", "x", "cannot be announced"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_why(shared: Console, jackpot: str, reason: str, why: str) -> None:
    answer = shared.decide("dora", jackpot, reason)
    assert answer.status_code == 422
    assert why in answer.text
    assert "Nothing was recorded" in answer.text
    assert shared.entries("decision") == []


def test_a_decision_is_superseded_only_on_purpose_and_keeps_its_what_if_without_cash(console: Console) -> None:
    assert console.decide("dora", 30e6, "a rival's draw", question="jackpot=30000000&cash=25000000").status_code == 303
    refused = console.decide("david", 25e6, "prudence")
    assert refused.status_code == 409
    assert "--supersede" not in refused.text
    assert "decided" in refused.text
    assert console.decide("david", 25e6, "prudence", supersede="yes").status_code == 303
    first, second = console.entries("decision")
    assert first.body["reason"] == "a rival's draw [what-if: jackpot=30000000 cash=…]"
    assert second.body["supersedes"] == first.number
    assert console.decide("dora", 26e6, "x", question="evil=<b>", supersede="yes").status_code == 422


def test_with_four_eyes_a_decision_waits_for_a_second_person(week: Path, tmp_path: Path) -> None:
    text = (ROOT / "configs/markets/england.yaml").read_text()
    text = re.sub(r"\ngovernance:.*?(?=\n\w|\Z)", "", text, flags=re.S) + "\ngovernance: {four_eyes: true}\n"
    (tmp_path / "england.yaml").write_text(text)
    path = copy_of(week, tmp_path / "place", {"[england, uk_lotto]": f"[{tmp_path}/england.yaml]"})
    with contextlib.contextmanager(open_console)(path) as console:
        assert console.decide("dora", 23_700_000).status_code == 303
        assert "waits for a second person" in console.get("/markets/england", "dora").text
        assert "Confirm £" not in console.get("/markets/england", "dora").text
        assert "a second person&#39;s decision" in console.get("/", "dora").text
        assert console.decide("dora", 23_700_000).status_code == 303
        assert console.entries("decision_confirmation") == []
        assert "Confirm £" in console.get("/markets/england", "david").text
        assert console.decide("david", 23_700_000, "confirmed").status_code == 303
        (confirmed,) = console.entries("decision_confirmation")
        assert (confirmed.by, confirmed.subject) == ("david", console.entries("decision")[0].subject)
        assert "waits for a second person" not in console.get("/markets/england", "dora").text


def test_of_many_answers_at_once_one_wins_and_its_promotion_is_started(console: Console) -> None:
    path = f"/markets/england/approvals/{console.number}"
    evidence = str(console.entries("approval_request")[0].body["evidence_sha256"])
    tokens = {person: console.site_token(person) for person in ("alice", "dora")}

    def send(number: int) -> httpx.Response:
        person, verdict = ("alice", "dora")[number % 2], ("approved", "rejected")[number // 2 % 2]
        fields = {"token": tokens[person], "verdict": verdict, "reason": f"mine is {number}", "evidence": evidence}
        return console.post(path, person, fields)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(16)))
    (entry,) = console.entries("approval_answer")
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert sum(answer.status_code == 303 for answer in answers) <= 4  # the winner's own answer, sent again, is that one
    assert console.places.audit("england").verify() == []
    page = console.get(path, "rita").text
    assert f"{str(entry.body['verdict']).capitalize()}</b> by {entry.by}" in page
    if entry.body["verdict"] == "approved":
        (address,) = {answer.headers["location"] for answer in answers if answer.status_code == 303}
        assert address.startswith("/actions/")
        assert wait_for(lambda: 'data-state="failed"' in console.get(address, "rita").text, 60)
        assert "v9" in console.get(address, "rita").text


def test_an_answer_is_for_the_evidence_that_was_shown(console: Console) -> None:
    path = f"/markets/england/approvals/{console.number}"
    fields = {"token": console.site_token("alice"), "verdict": "approved", "reason": "x", "evidence": "0" * 64}
    assert console.post(path, "alice", fields).status_code == 422
    assert console.post(path, "alice", {**fields, "verdict": "maybe"}).status_code == 422
    assert console.entries("approval_answer") == []


def test_a_replay_is_followed_live_and_its_result_survives_a_reload(console: Console) -> None:
    started = console.post(
        f"/markets/england/draws/{console.draw}/replay", "adam", {"token": console.site_token("adam")}
    )
    address = started.headers["location"]
    assert 'data-state="running"' in console.get(address, "adam").text
    again = console.post(f"/markets/england/draws/{console.draw}/replay", "adam", {"token": console.site_token("adam")})
    assert again.headers["location"] == address
    with console.client.stream("GET", f"{address}/events", headers={"x-person": "rita"}) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in events.iter_lines() if line.startswith("data: ")]
    states = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert [one["state"] for one in states] == ["running", "done"]
    assert "identical" in states[-1]["said"]
    assert "The replay is identical" in console.get(address, "rita").text
    assert console.entries("replay")[0].body["result"] == "identical"
    assert "<b>identical</b>" in console.get("/markets/england", "rita").text
    assert console.get(address, "ursula").status_code == 404


def asked_both_ways(console: Console, words: list[str]) -> tuple[str, str]:
    """Return the answer to a question on the page and on the command line."""
    page = console.get(f"/markets/england/what-if?{'&'.join(words)}&draw={console.draw}", "dora").json()
    asked = [flag for word in words for flag in ("--set", word)]
    command = [sys.executable, "-m", "jackpot", "what-if", "england", *asked, "--json", "--as-of", console.draw]
    told = subprocess.run(
        [*command, "--environment", str(console.root / "test.yaml")], capture_output=True, cwd=ROOT, check=True
    )
    return json.dumps(page["what_if"], sort_keys=True), json.dumps(json.loads(told.stdout), sort_keys=True)


@pytest.mark.parametrize("words", [["jackpot=30000000"], ["floor=0.38"], ["cash=25000000", "jackpot=20000000"]])
def test_a_question_is_answered_as_on_the_command_line_to_the_last_digit(shared: Console, words: list[str]) -> None:
    page, told = asked_both_ways(shared, words)
    assert page == told


def test_a_question_about_a_tuned_champion_is_answered_with_its_settings(
    shared: Console, week: Path, tmp_path: Path
) -> None:
    tuning = Tuning(
        market="england",
        model=load_market("england").market.demand.model,
        snapshot="0" * 64,
        study="planted",
        seed=1,
        trials_asked=1,
        trials_done=1,
        ended_by="trials",
        first_origin=None,
        first_confirmation=None,
        last_draw=None,
        default_screening_score=None,
        default_score=None,
        margin=0.01,
        level=0.01,
        finalists=(),
        chosen=1,
        settings={"level_speed": 3.0, "prior_spread": 2.0},
        reason="planted",
    )
    path = copy_of(week, tmp_path / "place")
    open_places(str(path)).store.put_new(tuning_key(tuning), tuning.to_bytes())
    (champion,) = path.parent.glob("store/models/england-synthetic/v1-*/evaluation.json")
    evaluation = json.loads(champion.read_bytes())
    champion.write_text(json.dumps({**evaluation, "tuning": tuning.model_dump(mode="json")}))
    words = ["jackpot=30000000"]
    with contextlib.contextmanager(open_console)(path) as tuned:
        page, told = asked_both_ways(tuned, words)
    assert page == told
    untuned = shared.get(f"/markets/england/what-if?{words[0]}&draw={shared.draw}", "dora").json()["what_if"]
    assert json.loads(page)["answer"]["expected_sales"] != untuned["answer"]["expected_sales"]


def test_cash_is_for_those_who_decide(shared: Console) -> None:
    asked = f"/markets/england/what-if?jackpot=30000000&draw={shared.draw}"
    assert shared.get(asked, "dora").json()["cash"]["p50"]
    assert shared.get(asked, "rita").json()["cash"] is None
    refused = shared.get(f"{asked}&cash=25000000", "rita")
    assert refused.status_code == 422
    assert "Cash ahead" in shared.get("/markets/england", "dora").text
    page = shared.get("/markets/england", "rita").text
    assert 'id="cash"' not in page
    assert 'name="cash"' not in page
    assert "Record the decision" not in page


def test_a_damaged_log_is_found_and_nothing_is_added_to_it(console: Console) -> None:
    token = {"token": console.site_token("adam")}
    assert "The log is whole" in console.post("/markets/england/audit/verify", "adam", token).text
    record = console.root / "audit/records/england/00000002.json"
    record.write_text(record.read_text().replace('"number": 2', '"number": 3'))
    page = console.post("/markets/england/audit/verify", "adam", token)
    assert page.status_code == 200
    assert "First at record 2" in page.text


def test_with_its_stores_away_what_is_known_is_shown_with_its_age(console: Console) -> None:
    for path in ("/", "/markets/england", "/markets/england/models"):
        assert console.get(path, "dora").status_code == 200
    token = console.token("dora")
    shutil.move(console.root / "audit", console.root / "gone")
    shutil.move(console.root / "store", console.root / "store-gone")
    (console.root / "store").write_text("no folder")
    time.sleep(1.1)
    page = console.get("/markets/england", "dora")
    assert page.status_code == 200
    assert "The records are out of reach" in page.text
    assert "23,700,000" in page.text
    assert console.get("/markets/england/audit", "rita").status_code == 200
    fields = {"token": token, "day": console.draw, "jackpot": "23700000"}
    refused = console.post("/markets/england/decide", "dora", fields)
    assert refused.status_code in (409, 503)
    assert "Nothing was recorded" in refused.text
    shutil.rmtree(console.root / "audit", ignore_errors=True)
    shutil.move(console.root / "gone", console.root / "audit")
    (console.root / "store").unlink()
    shutil.move(console.root / "store-gone", console.root / "store")
    time.sleep(1.1)
    assert "out of reach" not in console.get("/markets/england", "dora").text
    assert console.decide("dora", 23_700_000).status_code == 303


def test_without_mlflow_the_champion_is_known_from_the_log(week: Path, tmp_path: Path) -> None:
    path = copy_of(week, tmp_path / "place", {"sqlite:///mlflow.db, artifacts: mlflow": "'http://127.0.0.1:9'"})
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    try:
        with contextlib.contextmanager(open_console)(path) as console:
            page = console.get("/markets/england/models", "rita")
            assert page.status_code == 200
            assert "MLflow is out of reach" in page.text
            assert "v1 is in use" in page.text
    finally:
        del os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def test_a_record_that_cannot_be_read_is_named_and_fails_nothing_else(console: Console) -> None:
    prefix = str(console.entries("recommendation")[0].body["prefix"])
    console.places.store.replace(f"{prefix}/recommendation.json", b'{"schema_version": "1"}')
    for page in ("", f"/draws/{console.draw}"):
        answer = console.get(f"/markets/england{page}", "dora")
        assert answer.status_code == 409
        assert "written by another edition of this product, or damaged" in answer.text
    assert "unreadable" in console.get("/", "dora").text
    for page in ("/draws", "/runs", "/models", "/audit"):
        assert console.get(f"/markets/england{page}", "dora").status_code == 200, page


def test_a_market_that_never_ran_says_how_to_begin(shared: Console) -> None:
    for page in ("", "/draws", "/runs", "/models"):
        answer = shared.get(f"/markets/uk_lotto{page}", "ursula")
        assert answer.status_code == 200
        assert "jackpot run uk_lotto" in answer.text
    assert "jackpot monitor uk_lotto" in shared.get("/markets/uk_lotto/monitoring", "ursula").text


def test_an_expired_request_and_a_failed_run_say_what_follows(console: Console) -> None:
    late = ask(console.places, "v10", days=-0.01)
    assert "Expired" in console.get(f"/markets/england/approvals/{late.number}", "alice").text
    told = {"name": "england", "run_id": "7", "kind": "failed", "text": "train: no memory", "link": None}
    console.places.store.replace("runs-of/england/latest.json", json.dumps(told).encode())
    assert "train: no memory" in console.get("/markets/england/runs", "rita").text
    time.sleep(1)
    assert wait_for(lambda: "run failed" in console.get("/", "rita").text, 10)
    assert "1 late, failed or unreadable</h1>" in console.get("/", "rita").text


def killed_in_a_decision(path: Path, jackpot: float, seconds: float) -> tuple[bool, bool]:
    """Return whether the killed server had answered, and whether the decision is recorded."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    with process(path, port) as server:
        assert wait_for(lambda: alive(port), 60)
        page = httpx.get(f"{base}/markets/england", timeout=180).text
        found = re.search(r'name="token" value="(\w+)".*?name="day" value="([\d-]+)"', page, re.S)
        assert found is not None
        fields = {"token": found[1], "day": found[2], "jackpot": str(jackpot), "reason": "x", "supersede": "yes"}
        killer = threading.Timer(seconds, lambda: os.kill(server.pid, signal.SIGKILL))
        killer.start()
        answered = False
        with contextlib.suppress(httpx.HTTPError):
            answered = httpx.post(f"{base}/markets/england/decide", data=fields, headers={"origin": base}).is_redirect
        killer.join()
    log = open_places(str(path)).audit("england")
    recorded = [entry for entry in log.entries("decision") if entry.body["jackpot"] == jackpot]
    assert len(recorded) <= 1
    assert log.verify() == []
    return answered, bool(recorded)


def test_a_server_killed_in_the_middle_of_a_decision_records_it_once_or_not_at_all(week: Path, tmp_path: Path) -> None:
    everyone = '{"*": ["local:*"]}'
    path = copy_of(week, tmp_path / "place")
    text = re.sub(r"console:.*", f"console: {{read: {everyone}, decide: {everyone}}}\n", path.read_text(), flags=re.S)
    path.write_text(text)
    dice = random.Random(7)
    for number in range(3):
        answered, recorded = killed_in_a_decision(path, 20e6 + 100_000 * number, dice.uniform(0, 0.05))
        assert recorded or not answered

"""Fifty processes at the same moment: weekly runs of one draw, answers to one request, promotions."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from jackpot import report
from jackpot.approval import Caller, Rules, answer
from jackpot.audit.export import recommendation_files
from jackpot.errors import JackpotError
from jackpot.evaluation.backtest import Backtest
from jackpot.triggers.claims import Claim, finish, take
from jackpot.triggers.keys import weekly_key
from tests.core.promotion.conftest import Scene, at
from tests.core.promotion.test_promote import V1
from tests.desk import AS_OF, NOON, Desk, evaluated  # noqa: F401
from tests.killing import at_once
from tests.pipelines.test_killed import FolderRegistry

pytestmark = pytest.mark.integration
PROCESSES = 50


def test_of_fifty_triggers_of_a_draw_one_runs_and_fifty_that_publish_leave_one_recommendation(
    tmp_path: Path,
    evaluated: Backtest,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Drawing the report takes seconds and writes nothing.
    monkeypatch.setattr(report, "html", lambda inputs: b"a report")
    monkeypatch.setattr(report, "markdown", lambda inputs: "a summary")
    desk = Desk(tmp_path)
    prepared = desk.prepare(AS_OF, evaluated)
    key = weekly_key("england", "2025-06-07", prepared[0].checks.snapshot)

    def weekly(number: int) -> tuple[bool, str]:
        log, by = desk.log("england"), f"trigger:{number}"
        claim = take(log, key, now=NOON, lease=dt.timedelta(minutes=30), by=by)
        # Whoever lost the claim publishes all the same, as runs by hand might.
        prefix = desk.publish(*prepared, f"run-{number}")
        if isinstance(claim, Claim):
            finish(log, claim, "succeeded", at=NOON, by=by, note="run")
        return isinstance(claim, Claim), prefix

    found = at_once(PROCESSES, weekly)
    assert not [one for one in found if isinstance(one, JackpotError)]
    assert sum(won for won, _ in found) == 1
    (entry,) = desk.log("england").entries("recommendation")
    assert {prefix for _, prefix in found} == {entry.body["prefix"]}
    assert len(recommendation_files(entry, desk.store)) > 8
    assert [one.body["state"] for one in desk.log("england").entries("claim")] == ["claimed", "succeeded"]
    assert desk.log("england").verify() == []


def test_of_fifty_answers_and_promotions_one_wins_and_every_record_is_kept(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    scene = Scene(tmp_path, registry)
    scene.promoter(0).bootstrap(scene.add(1, None))
    versions = [scene.add(number, V1) for number in range(2, 12)]
    requests = [scene.ask(version) for version in versions]

    def approve_and_promote(number: int) -> tuple[bool, str]:
        which = number % len(versions)
        rules, by = Rules("england", ("*",), False), f"person-{number}"
        try:
            answer(scene.log, requests[which], "approved", "good", Caller(by), at(0.5), rules)
            answered = True
        except JackpotError:
            answered = False
        try:
            return answered, scene.promoter(by=f"run:{number}").promote(versions[which].version).version
        except JackpotError:
            return answered, ""

    found = at_once(PROCESSES, approve_and_promote)
    assert sum(answered for answered, _ in found) == len(versions)
    answers = list(scene.log.entries("approval_answer"))
    assert sorted(entry.subject for entry in answers) == sorted(requests)
    won = {version for _, version in found if version}
    assert len(won) == 1
    registry.aliases = registry.read()
    scene.check(next(version for version in versions if version.version in won), V1)

"""A process killed at any write leaves what its next run completes: nothing twice, nothing lost, an intact chain."""

from __future__ import annotations

import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from jackpot import report
from jackpot.approval import AnsweredError, Caller, Rules, answer, request
from jackpot.audit.export import recommendation_files
from jackpot.evaluation.backtest import Backtest
from tests.desk import AS_OF, Desk
from tests.killing import killed

ASKED, NOW, ENDS = (f"2026-11-{day}T12:00:00+00:00" for day in (20, 21, 27))


@pytest.mark.parametrize("after", [False, True])
def test_an_answer_is_recorded_once_wherever_its_process_was_killed(tmp_path: Path, after: bool) -> None:
    number, died = 0, True
    while died:
        number += 1
        desk = Desk(tmp_path / str(number))
        asked = request(
            desk.log("england"),
            model_name="england",
            version="v4",
            model_sha256="a" * 64,
            evidence={},
            trained_by=Caller("run:1"),
            four_eyes=True,
            at=ASKED,
            expires_at=ENDS,
        )

        def approve(desk: Desk = desk, subject: str = asked.subject) -> None:
            rules = Rules("england", ("alice",), four_eyes=True)
            with suppress(AnsweredError):
                answer(desk.log("england"), subject, "approved", "good", Caller("alice"), NOW, rules)

        died = killed(approve, number, after)
        approve()
        assert len(list(desk.log("england").entries("approval_answer"))) == 1
        assert desk.log("england").verify() == []
    assert number > 2


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_a_recommendation_is_published_whole_wherever_its_process_was_killed(
    tmp_path: Path, published: Desk, evaluated: Backtest, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    # Drawing the report takes seconds and writes nothing.
    monkeypatch.setattr(report, "html", lambda inputs: b"a report")
    monkeypatch.setattr(report, "markdown", lambda inputs: "a summary")
    prepared = Desk(tmp_path / "prepared").prepare(AS_OF, evaluated)
    number, died = 0, True
    while died:
        number += 1
        shutil.copytree(tmp_path / "prepared", tmp_path / "desk")
        desk = Desk(tmp_path / "desk")
        publish = partial(desk.publish, *prepared, "run")
        died = killed(publish, number, after)
        prefix = publish()
        (entry,) = desk.log("england").entries("recommendation")
        assert (prefix, entry.body["prefix"]) == (published.prefixes()[0],) * 2
        assert len(recommendation_files(entry, desk.store)) > 8
        assert desk.log("england").verify() == []
        shutil.rmtree(desk.root)
    assert number > 15

"""Words that mean nothing are refused before anything runs, with the word, what is allowed and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackpot.adapters.places import open_places
from tests.calling import call
from tests.conftest import Place


def test_a_queue_that_is_no_address_or_has_no_region_is_refused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    watch = ("watch", "--market", "england", "--environment", str(place.environment), "--once", "--queue")
    code, _, err = call(capsys, *watch, "notaurl")
    assert code == 2
    assert "notaurl" in err
    code, _, err = call(capsys, *watch, "https://sqs.eu-west-2.amazonaws.com/1/draws")
    assert code == 2
    assert "https://sqs.eu-west-2.amazonaws.com/1/draws" in err
    assert "AWS_DEFAULT_REGION" in err
    assert "defect" not in err


@pytest.mark.parametrize("option", ["--settle=-5", "--lease=0", "--lease=-1", "--visibility=0"])
def test_seconds_that_are_none_are_refused(
    option: str, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "watch", str(tmp_path), "--environment", str(place.environment), "--once", option)
    assert code == 2
    assert option.split("=")[0] in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("backfill", "england", "--from", "x"), "--from"),
        (("backfill", "england", "--to", "2026-13-01"), "--to"),
        (("backfill", "england", "--from", "2025-07-07", "--to", "2025-06-14"), "ends before it begins"),
        (("backfill", "england", "--history", "/no/such.csv"), "/no/such.csv"),
        (("monitor", "england", "--history", "/no/such.csv"), "/no/such.csv"),
        (("run", "england", "--history", "/no/such.csv"), "/no/such.csv"),
        (("run", "england", "--cash", "/no/such.json"), "/no/such.json"),
        (("audit", "show", "england", "--from", "2026-13-01"), "--from"),
        (("audit", "export", "england", "--to", "x"), "--to"),
        (("audit", "show", "england", "--from", "2026-02-01", "--to", "2026-01-01"), "ends before it begins"),
    ],
)
def test_what_a_command_is_told_wrong_is_found_before_any_step_runs(
    words: tuple[str, ...], named: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, *words, "--environment", str(place.environment))
    assert code == 2
    assert named in err
    assert "as_of" not in err
    assert not (place.root / "var").exists()


def test_a_record_that_the_log_has_not_is_told_with_those_it_has(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    show = ("audit", "show", "england", "--environment", str(place.environment), "--number")
    assert "there is none" in call(capsys, *show, "1")[2]
    log = open_places(str(place.environment)).audit("england")
    for day in (1, 2, 3):
        log.append("claim", str(day), at=f"2026-01-0{day}T12:00:00+00:00", by="test", body={})
    code, _, err = call(capsys, *show, "99")
    assert code == 2
    assert "found 99; allowed: 1 to 3" in err
    code, out, _ = call(capsys, *show, "2", "--json")
    assert (code, [entry["number"] for entry in json.loads(out)]) == (0, [2])
    assert "allowed: 3 to 3" in call(capsys, *show, "2", "--from", "2026-01-03")[2]


@pytest.mark.parametrize("name", ["nosuch", "../x", "x'"])
def test_a_model_name_that_is_not_the_markets_is_told_those_that_are(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "models", "list", "england", "--name", name, "--environment", str(place.environment))
    assert code == 2
    assert "allowed: england, england-synthetic" in err


def test_a_file_that_is_no_recommendation_is_called_a_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    bad = place.root / "bad.json"
    bad.write_text("{}")
    code, _, err = call(capsys, "replay", str(bad), "--environment", str(place.environment))
    assert code == 2
    assert "the file is no recommendation.json" in err

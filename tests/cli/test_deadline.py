"""The dead man's switch: it speaks where nothing else did, and where it cannot see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackpot.cli import main
from tests.conftest import Place

LATE = "2026-01-30T12:00:00+00:00"
EARLY = "2026-01-29T12:00:00+00:00"
"""The draw is on Saturday the 31st; 48 hours before the end of that day is the end of the 29th."""


def call(capsys: pytest.CaptureFixture[str], place: Place, *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        main(["deadline", "england", "--environment", str(place.environment), *words])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return int(stop.value.code or 0), out


def notices(place: Place) -> list[Path]:
    return sorted((place.root / "store" / "runs").glob("*/notice-overdue.json"))


def test_before_the_deadline_nothing_is_said(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = call(capsys, place, "--at", EARLY, "--json")
    assert code == 0
    assert [row["state"] for row in json.loads(out)] == ["waiting"]
    assert notices(place) == []


def test_after_it_everybody_is_told_once_though_no_pipeline_ever_ran(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code, out = call(capsys, place, "--at", LATE, "--json")
        assert code == 1
        (row,) = json.loads(out)
        assert (row["draw_date"], row["state"]) == ("2026-01-31", "overdue")
    (path,) = notices(place)
    assert "2026-01-31" in json.loads(path.read_text())["text"]
    path.unlink()
    assert call(capsys, place, "--at", LATE)[0] == 1
    assert notices(place) == []


def test_a_recommendation_for_that_draw_is_enough_and_one_for_another_is_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = place.root / "store" / "recommendations" / "england"
    (folder / "2026-01-24").mkdir(parents=True)
    (folder / "2026-01-24" / "latest.json").write_text("{}")
    assert call(capsys, place, "--at", LATE)[0] == 1
    (folder / "2026-01-31").mkdir()
    (folder / "2026-01-31" / "latest.json").write_text("{}")
    assert call(capsys, place, "--at", LATE)[0] == 0


def test_a_store_out_of_reach_is_told_too(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_DEFAULT_REGION": "eu-west-2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    text = place.environment.read_text().replace("\nstore: store\n", "\nstore: s3://nowhere/store\n")
    place.environment.write_text(text + "notify: [console]\n")
    code, out = call(capsys, place, "--at", EARLY, "--json")
    assert code == 1
    assert json.loads(out)[0]["state"] == "unknown"


def test_a_time_without_its_offset_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, place, "--at", "2026-01-30")[0] == 2

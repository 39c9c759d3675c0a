"""Words that mean nothing are refused before anything runs, with the word, what is allowed and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

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

"""What a client is asked for wrongly is bad input, and no server is asked: exit code 2, with what is allowed."""

from __future__ import annotations

import httpx
import pytest

from tests.calling import call

BAD = ["notaurl", "localhost:18080", "ftp://localhost", "http://", "http://localhost:port", "http://a b"]


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*words: object, **more: object) -> None:
        pytest.fail("a server was asked")

    monkeypatch.setattr(httpx, "request", asked)
    monkeypatch.setattr(httpx.Client, "request", asked)


@pytest.mark.parametrize("url", BAD)
def test_an_address_that_is_none_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("forecast", "england", "--url", url), ("system-test", url, "--market", "england")):
        code, _, err = call(capsys, *words)
        assert code == 2, words
        assert "http://localhost:8080" in err


@pytest.mark.parametrize("jackpot", ["nan", "inf", "-1", "0"])
def test_a_jackpot_that_is_no_amount_is_refused(jackpot: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "forecast", "england", "--jackpot", jackpot)
    assert code == 2
    assert "a finite amount above 0" in err


def test_a_day_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "forecast", "england", "--date", "2026-02-30")
    assert code == 2
    assert "YYYY-MM-DD" in err

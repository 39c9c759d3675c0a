"""jackpot what-if, simulate-policy and backtest-policy: one answer for terminal and program, and clear refusals."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from jackpot.cli import main
from tests.conftest import Place

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], place: Place) -> Call:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([*words, "--environment", str(place.environment)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return int(stop.value.code or 0), out, err

    return run


def test_another_program_gets_the_answer_of_the_command(call: Call) -> None:
    from jackpot.canonical import rounded
    from jackpot.decision.changes import Changes
    from jackpot.decision.what_if import what_if
    from jackpot.history.source import Source
    from jackpot.market.loading import load_market
    from jackpot.simulation.history import synthetic_csv
    from jackpot.steps.solving import solve_week
    from jackpot.steps.weekly import week_in_memory

    code, out, err = call("what-if", "england_realised", "--set", "jackpot=12.5e6,15e6", "--set", "level=0.9", "--json")
    assert code == 0, err
    loaded = load_market("england_realised")
    source = Source(data=synthetic_csv(loaded.market), uri="synthetic", version=None)
    from jackpot.cash import read_cash
    from jackpot.simulation.history import synthetic_cash

    cash = read_cash(synthetic_cash(loaded.market) or b"", "cash", "GBP")
    solved = solve_week(week_in_memory(loaded, source, None), cash)
    what_if(solved, Changes(jackpot=(30e6,)))
    mine = what_if(solved, Changes(jackpot=(12.5e6, 15e6), level=0.9))
    assert rounded(mine.model_dump(mode="json")) == json.loads(out)


def test_a_table_shows_the_change(call: Call) -> None:
    code, out, _ = call("what-if", "england", "--set", "jackpot=30e6", "--set", "cash=50e6")
    assert code == 0
    for words in ("£30,000,000", "cash floor kept", "points", "Next:"):
        assert words in out


@pytest.mark.parametrize(
    "word", ["jckpot=3", "floor=2", "jackpot=", "cash=many", "level=0", "jackpot=1e7" + 52 * ",1e7"]
)
def test_bad_words_are_refused(call: Call, word: str) -> None:
    code, out, err = call("what-if", "england", "--set", word, "--json")
    assert code == 2
    assert json.loads(out)["problems"]
    assert "--set" in err


def test_figures_of_policies_do_not_depend_on_processes(call: Call) -> None:
    words = ("simulate-policy", "powerball", "--runs", "150", "--draws", "6", "--json", "--processes")
    found = [call(*words, processes) for processes in ("1", "2")]
    assert found[0][0] == 0, found[0][2]
    assert found[0][1] == found[1][1]
    report = json.loads(found[0][1])
    assert {one["name"] for one in report["policies"]} == {
        "plan", "seed_rule", "last_jackpot", "history", "clairvoyant", "constant",
    }  # fmt: skip


def test_a_backtest_decides_past_draws_and_says_what_happened(call: Call) -> None:
    code, out, err = call("backtest-policy", "england", "--draws", "3", "--happened", "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["kind"], report["luck"], report["draws"], report["runs"]) == ("backtest", "happened", 3, 1)
    assert all(one["value"]["low_95"] is None for one in report["policies"])


@pytest.mark.parametrize(
    "words",
    [("backtest-policy", "england", "--happened", "--runs", "2"), ("backtest-policy", "england", "--draws", "999")],
)
def test_a_backtest_that_cannot_be_made_is_refused(call: Call, words: tuple[str, ...]) -> None:
    assert call(*words)[0] == 2

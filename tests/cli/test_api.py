"""The Python API gives a notebook each stage by itself, and the same figures as the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import jackpot
from jackpot.errors import InputError
from jackpot.simulation.history import synthetic_csv


def test_each_stage_by_itself() -> None:
    market = jackpot.load_market("england")
    week = jackpot.read_week(market, as_of="2025-06-01")
    assert week.checks.as_of == "2025-06-01"
    test = jackpot.backtest(week)
    decision = jackpot.recommend(week)
    assert decision.recommendation.draw_date == "2025-06-07"
    assert {"jackpot", "expected_value"} <= set(decision.curve.columns)
    elasticity = jackpot.fit(week).elasticity(decision.curve["jackpot"].to_numpy())
    assert all(0 <= each.low <= each.mean <= each.high for each in elasticity)
    for _ in range(2):
        assert b"<html" in jackpot.report_html(week, decision, test)
        assert jackpot.load_market("england") == market


def test_the_same_data_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    market = jackpot.load_market("england")
    first = tmp_path / "draws.csv"
    # A gap in the calendar: a warning, which names the file.
    lines = synthetic_csv(market.market).splitlines(keepends=True)
    first.write_bytes(b"".join(lines[:200] + lines[201:]))
    second = tmp_path / "another folder" / "the same draws.csv"
    second.parent.mkdir()
    shutil.copy(first, second)
    records = [
        jackpot.recommend(jackpot.read_week(market, history=str(path))).recommendation.to_bytes()
        for path in (first, second)
    ]
    assert records[0] == records[1]
    assert b"draws.csv" not in records[0]
    assert b"history, " in records[0]


def test_an_unknown_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = jackpot.nothing_such


def test_bad_input_lists_every_problem() -> None:
    with pytest.raises(InputError, match="YYYY-MM-DD"):
        jackpot.read_week(jackpot.load_market("england"), as_of="yesterday")

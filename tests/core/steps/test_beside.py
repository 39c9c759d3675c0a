"""The year beside: each draw decided from the draws before it, whatever either version's own parameters have seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from jackpot.decision.situation import situate
from jackpot.decision.solution import solve
from jackpot.demand.base import DemandModel
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files, model_hash
from jackpot.errors import InputError
from jackpot.history.contract import History
from jackpot.history.snapshot import snapshot_bytes
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.ports import RegisteredModel
from jackpot.simulation.history import synthetic_csv
from jackpot.steps import beside
from jackpot.steps.beside import LEAST_BEFORE, MOST, Side, YearBeside, YearDraw, sums, versions_beside, year_beside
from jackpot.steps.weekly import week_in_memory

DECIDED = 3


@cache
def history(draws: int = LEAST_BEFORE + 60) -> History:
    market = load_market("uk_lotto")
    week = week_in_memory(market, Source("synthetic", synthetic_csv(market.market), None), None)
    return replace(week.history, draws=week.history.draws.iloc[:draws].reset_index(drop=True))


def version(name: str, model: DemandModel, past: History) -> RegisteredModel:
    files = dict(model_files(model.fit(past.draws, past.market)))
    files["market.yaml"] = load_market("uk_lotto").data
    files["snapshot.parquet"] = snapshot_bytes(past)
    day = past.draws["draw_date"].iloc[-1].date() + dt.timedelta(days=1)
    return RegisteredModel(name, model_hash(files), day.isoformat(), files)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "MOST", DECIDED)


def found(past: History | None = None, one: str = "naive", other: str = "log_log_ols") -> YearBeside:
    past = past or history()
    pair = version("v1", new_model(one), past), version("v2", new_model(other), past)
    return versions_beside("uk_lotto", *pair)


def test_each_draw_is_decided_as_that_week_would_have_been() -> None:
    past, year = history(), found()
    rows = [past.draws.index[past.draws["draw_date"] == draw.draw_date][0] for draw in year.draws]
    assert (len(rows), rows[-1]) == (DECIDED, len(past.draws) - 1)
    assert set(np.diff(rows)) == {year.every}
    for row, draw in zip(rows, year.draws, strict=True):
        known, told = past.draws.iloc[:row], past.draws.iloc[row]
        assert (draw.announced, draw.sales) == (told["jackpot"], told["sales"])
        model = new_model("log_log_ols").fit(past.draws.iloc[: rows[0]], past.market)
        demand = model.condition(known, past.market)
        solved = solve(situate(past.market, replace(past, draws=known), demand, told["draw_date"].date(), None))
        best = solved.optimum.table.loc[solved.shown]
        expected = Side(
            status=solved.status,
            jackpot=solved.jackpot,
            expected_sales=best["expected_sales"],
            expected_value=best["expected_value"],
        )
        assert draw.other == expected


def test_what_happened_at_a_draw_and_after_it_is_not_known_to_it() -> None:
    past, before = history(), found()
    changed = past.draws.copy()
    row = changed.index[changed["draw_date"] == before.draws[1].draw_date][0]
    changed.loc[row:, "sales"] *= 1.7
    changed.loc[row:, "jackpot"] *= 1.3
    after = found(replace(past, draws=changed))
    for old, new in zip(before.draws[:2], after.draws[:2], strict=True):
        assert (old.one, old.other, old.other_seen_by_one) == (new.one, new.other, new.other_seen_by_one)
    assert after.draws[2] != before.draws[2]
    assert after.draws[1].sales == pytest.approx(1.7 * before.draws[1].sales)


def test_a_versions_own_parameters_play_no_part_and_the_same_gives_the_same_bytes() -> None:
    past = history()
    one, other = (version(name, new_model(model), past) for name, model in (("v1", "naive"), ("v2", "log_log_ols")))
    unfitted = [new_model("naive"), new_model("log_log_ols")]
    assert year_beside(past, "uk_lotto", one, unfitted[0], other, unfitted[1]).to_bytes() == found().to_bytes()


def test_the_same_settings_recommend_the_same_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "MOST", 1)
    year = found(one="log_log_ols")
    assert year.same_settings
    assert all(draw.one == draw.other for draw in year.draws)
    assert (year.sums.mean_difference, year.sums.apart) == (0.0, 0)
    assert year.sums.value_other_seen_by_one == pytest.approx(year.sums.value_one)
    assert "same settings" in year.words(str)[1]


def test_the_newer_versions_data_are_looked_back_on() -> None:
    old, new = history(LEAST_BEFORE + 40), history()
    one, other = version("v1", new_model("naive"), new), version("v2", new_model("log_log_ols"), old)
    assert versions_beside("uk_lotto", one, other).draws[-1].draw_date == str(new.draws["draw_date"].iloc[-1].date())


def draw(one: float | None, other: float | None) -> YearDraw:
    def side(jackpot: float | None) -> Side:
        value = None if jackpot is None else jackpot / 10
        status = "infeasible" if jackpot is None else "recommended"
        return Side(status=status, jackpot=jackpot, expected_sales=value, expected_value=value)

    seen = None if other is None else other / 20
    return YearDraw(
        draw_date="2026-01-03",
        announced=1e6,
        sales=1e6,
        jackpot_winners=None,
        one=side(one),
        other=side(other),
        other_seen_by_one=seen,
    )


def test_sums_are_over_the_draws_that_both_recommend_for() -> None:
    told = sums((draw(10.0, 11.0), draw(10.0, 13.0), draw(20.0, 10.0), draw(None, 5.0), draw(5.0, None)), 1.0)
    assert (told.draws, told.apart) == (3, 2)  # a step is not more than a step
    assert told.mean_difference == pytest.approx((1 + 3 + 10) / 3)
    assert (told.value_one, told.value_other, told.value_other_seen_by_one) == pytest.approx((4.0, 3.4, 1.7))
    none = sums((draw(None, None),), 1.0)
    assert (none.draws, none.mean_difference, none.value_one) == (0, None, 0.0)


@pytest.mark.parametrize(("apart", "draws", "every"), [(7, 53, 1), (3.5, 105, 1), (2, 92, 2), (1, 92, 4)])
def test_a_year_of_draws_is_decided_up_to_a_bound(
    apart: float, draws: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "MOST", MOST)
    days = pd.Timestamp("2026-01-03") - pd.to_timedelta(np.arange(800)[::-1] * apart, unit="D")
    rows, found = beside._rows(pd.DataFrame({"draw_date": days}), "x")
    assert (len(rows), found, rows[-1]) == (draws, every, 799)
    assert len(rows) <= MOST
    assert days[-1] - days[rows[0]] < pd.Timedelta(days=365)
    assert days[-1] - days[rows[0] - every] >= pd.Timedelta(days=365)


def test_a_history_that_is_too_short_is_named() -> None:
    with pytest.raises(InputError, match="more than 30"):
        beside._rows(history().draws.iloc[:LEAST_BEFORE], "uk_lotto")
    assert beside._rows(history().draws.iloc[: LEAST_BEFORE + 1], "uk_lotto") == ([LEAST_BEFORE], 1)

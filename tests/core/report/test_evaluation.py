"""What is told of an evaluation: its page, the model card, the verdicts, the flat figures."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from jackpot.evaluation.backtest import Backtest, backtest
from jackpot.history.source import Source
from jackpot.market.loading import LoadedMarket, load_market
from jackpot.records import Evaluation, Skill, Uncertain
from jackpot.report import ReportInputs, evaluation_html, html, markdown, model_card
from jackpot.report.evaluation import chance, summarise_evaluation, verdict
from jackpot.report.money import Money
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.evaluate import flat_metrics
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from tests.core.report.test_page import Reader

GBP = Money("GBP")


@pytest.fixture(scope="module")
def england() -> LoadedMarket:
    return load_market("england")


@pytest.fixture(scope="module")
def week(england: LoadedMarket) -> Week:
    lines = synthetic_csv(england.market).splitlines(keepends=True)[:201]
    return week_in_memory(england, Source("synthetic", b"".join(lines), None), None)


@pytest.fixture(scope="module")
def test(week: Week) -> Backtest:
    return backtest(week.history.draws, week.market, "spline", horizon=3)


def card(record: Evaluation, week: Week) -> str:
    return model_card(record, {"noise_log_sd": 0.08, "knots": 6}, week.market, week.checks, "ab" * 32)


def skill(value: float, p_value: float | None) -> Skill:
    figure = Uncertain(value=value, low_90=value - 0.1, high_90=value + 0.1, standard_error=0.05)
    return Skill(over="naive", skill=figure, crps_skill=None, diebold_mariano=None, p_value=p_value, lags=None)


@pytest.mark.parametrize(
    ("value", "p_value", "words"),
    [
        (0.3, 0.001, "✓ Clearly better"),
        (0.3, 0.03, "✓ Probably better"),
        (0.3, 0.2, "○ No proven difference"),
        (-0.3, 0.001, "✕ Clearly worse"),
        (0.3, None, "○ Too few draws to tell"),
    ],
)
def test_verdicts_go_by_chance_and_side(value: float, p_value: float | None, words: str) -> None:
    assert verdict(skill(value, p_value))[0] == words


def test_a_p_value_is_read_as_odds() -> None:
    assert [chance(p) for p in (None, 0.0002, 0.025, 0.4)] == ["", "less than 1 in 1,000", "1 in 40", "40%"]


def test_the_page_is_whole_self_contained_and_the_same_to_the_byte(week: Week, test: Backtest) -> None:
    page = evaluation_html(test.evaluation, week.market)
    read = Reader(page)
    assert not {tag for tag, _ in read.tags} & {"script", "img", "iframe"}
    assert len(read.all("svg")) == 4
    assert f"errs by {test.evaluation.model.wmape_pct:.1f}% of sales" in read.text("h1")
    assert len(page) < 150_000
    assert page == evaluation_html(test.evaluation, week.market)
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_report_and_the_dashboard_say_the_same(
    test: Backtest, inputs: Callable[..., ReportInputs], week: Week
) -> None:
    given = dataclasses.replace(inputs(), evaluation=test.evaluation)
    summary = summarise_evaluation(test.evaluation, GBP)
    page, text = Reader(html(given)).text(), markdown(given)
    assert len(summary.tables) >= 6
    for table in summary.tables:
        assert table.caption in page
        assert table.caption in text
    for finding in summary.findings:
        assert finding in page


def test_an_interval_that_fails_is_named_where_it_does(test: Backtest, week: Week) -> None:
    narrow = test.evaluation.by_jackpot[-1].model_copy(update={"coverage_90_pct": 40.0, "coverage_p_value": 1e-5})
    wide = test.evaluation.by_jackpot[0].model_copy(update={"coverage_p_value": 1.0, "coverage_high_p_value": 1e-5})
    record = test.evaluation.model_copy(update={"by_jackpot": (wide, narrow)})
    rows = summarise_evaluation(record, GBP).by_jackpot.rows
    assert [row[5].text for row in rows] == ["○ Too wide", "✕ Too narrow"]
    assert "interval held 40% of the draws from" in card(record, week)


def test_the_card_holds_what_a_user_must_know_and_no_run_or_time(test: Backtest, week: Week) -> None:
    record = test.evaluation
    text = card(record, week)
    assert text.startswith("# Model card: sales forecast of England weekly lottery")
    assert f"{record.model.wmape_pct:.1f}%" in text
    for part in ("## Use", "## How good it is", "## Where not to trust it", "## Data", "ab" * 32, week.checks.snapshot):
        assert part in text
    assert "was simulated" in text
    assert "noise\\_log\\_sd" in text
    assert text == card(record, week)
    failed = record.gates[0].model_copy(update={"passed": False, "reason": "too little"})
    bad = record.model_copy(update={"gates": (failed, *record.gates[1:]), "passed": False})
    assert "Gates: **failed**" in card(bad, week)
    assert "Gate skill\\_over\\_naive failed: too little." in card(bad, week)


def test_a_record_of_version_1_is_read_and_told(
    test: Backtest, week: Week, inputs: Callable[..., ReportInputs]
) -> None:
    old = dict(list(json.loads(test.evaluation.model_dump_json()).items())[1:11])
    record = Evaluation.model_validate_json(json.dumps({"schema_version": "1", **old}))
    assert record.horizons == ()
    assert Reader(evaluation_html(record, week.market)).all("table")
    assert "## Where not to trust it" in card(record, week)
    assert Reader(html(dataclasses.replace(inputs(), evaluation=record))).all("table")


def test_flat_figures_are_finite_and_named(test: Backtest) -> None:
    figures = flat_metrics(test.evaluation)
    assert all(math.isfinite(value) for value in figures.values())
    assert {"model_wmape_pct", "ahead_3_coverage_90_pct", "skill_over_naive_p_value", "model_crps_log"} <= set(figures)
    assert figures["model_wmape_pct"] == test.evaluation.model.wmape_pct


def test_the_smallest_back_test_is_told_without_what_it_cannot_know(week: Week) -> None:
    draws = week.history.draws[:13]
    record = backtest(draws, week.market, "naive").evaluation
    assert record.residuals is None
    assert all(one.p_value is None for one in record.skill)
    assert Reader(evaluation_html(record, week.market)).all("table")
    assert np.isfinite(list(flat_metrics(record).values())).all()

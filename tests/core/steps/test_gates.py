"""The gates: floors, then the champion on the same draws, then the decision; each ending of each."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files, model_hash
from jackpot.errors import JackpotError
from jackpot.evaluation.backtest import Backtest, backtest
from jackpot.evaluation.backtest import test_start as start_of_test
from jackpot.evaluation.champion import mean_above_zero
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.ports import RegisteredModel
from jackpot.records import DecisionBeside, Gates
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.gates import Candidate, _decision_line, gates_markdown, judge
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory


@cache
def week() -> Week:
    market = load_market("england")
    return week_in_memory(market, Source("synthetic", synthetic_csv(market.market), None), None)


@cache
def candidate(model: str) -> Candidate:
    draws, market = week().history.draws, week().market
    return Candidate(model_files(new_model(model).fit(draws, market)), backtest(draws, market, model, horizon=1))


def champion(model: str, as_of: str = "2025-11-01") -> RegisteredModel:
    files = candidate(model).files
    return RegisteredModel("v1", model_hash(files), as_of, files)


def forecasting(forecast: np.ndarray) -> Candidate:
    """A candidate of another model than the champion's, with these forecasts of the test window."""
    base = candidate("naive")
    frame = base.test.frame.copy()
    frame.loc[frame.index[-len(forecast) :], "forecast"] = forecast
    passing = candidate("log_log_ols").test.evaluation
    return Candidate(base.files, Backtest(passing, frame))


def champions_forecast() -> tuple[np.ndarray, np.ndarray]:
    draws, market = week().history.draws, week().market
    first = start_of_test(draws, market)
    fitted = new_model("log_log_ols").fit(draws.iloc[:first], market)
    return fitted.one_step_ahead(draws, market, first).mean, draws["sales"].to_numpy(float)[first:]


def verdict(gates: Gates, name: str) -> str:
    return next(line.verdict for line in gates.lines if line.name == name)


def test_without_a_champion_the_floors_decide() -> None:
    gates = judge(week(), candidate("log_log_ols"), None)
    assert (gates.outcome, gates.passed) == ("first", True)
    assert verdict(gates, "better_than_champion") == "not_examined"
    assert Gates.model_validate_json(gates.to_bytes()).to_bytes() == gates.to_bytes()


def test_a_floor_that_is_missed_stops_even_the_first() -> None:
    gates = judge(week(), candidate("naive"), None)
    assert (gates.outcome, gates.passed) == ("floor", False)
    assert verdict(gates, "skill_over_log_log_ols") == "failed"
    assert "straight line in the logs" in gates.summary


def test_warnings_about_the_data_stop_a_candidate() -> None:
    checks = week().checks.model_copy(update={"warnings": ("odd",) * 20, "quarantined": 10})
    gates = judge(replace(week(), checks=checks), candidate("log_log_ols"), None)
    assert verdict(gates, "data_warnings") == "failed"
    assert "20 warnings and 10 quarantined rows" in gates.summary
    assert not gates.passed


def test_a_champion_that_cannot_be_compared_with_stops_every_candidate() -> None:
    gates = judge(week(), candidate("log_log_ols"), JackpotError("champion v1 cannot be loaded: gone"))
    assert (gates.outcome, gates.passed) == ("not_comparable", False)
    assert "champion v1 cannot be loaded: gone" in gates.summary


def test_a_better_challenger_passes_unless_its_decision_is_worth_far_less(monkeypatch: pytest.MonkeyPatch) -> None:
    forecast, sales = champions_forecast()
    better = forecasting(sales + 0.5 * (forecast - sales))
    beside = decision(champion_value=100.0, seen=95.0)
    monkeypatch.setattr("jackpot.steps.gates.decisions", lambda *_: beside)
    gates = judge(week(), better, champion("log_log_ols"))
    assert (gates.outcome, gates.passed, gates.decision) == ("challenger_better", True, beside)
    assert gates.champion is not None
    assert gates.champion.gain == pytest.approx(0.5)
    assert gates.champion.p_value is not None
    assert gates.champion.p_value < 1e-3
    monkeypatch.setattr("jackpot.steps.gates.decisions", lambda *_: decision(champion_value=100.0, seen=80.0))
    gates = judge(week(), better, champion("log_log_ols"))
    assert (gates.outcome, gates.passed) == ("floor", False)
    assert "gives up 20.0%" in gates.summary


def test_a_worse_challenger_and_a_tie_leave_the_champion_where_it_is() -> None:
    forecast, sales = champions_forecast()
    worse = judge(week(), forecasting(sales + 1.5 * (forecast - sales)), champion("log_log_ols"))
    assert (worse.outcome, worse.passed) == ("champion_better", False)
    noise = np.random.default_rng(3).choice([0.98, 1.02], len(sales))
    tie = judge(week(), forecasting(sales + noise * (forecast - sales)), champion("log_log_ols"))
    assert (tie.outcome, tie.passed) == ("tie", False)
    assert verdict(tie, "decision_regression") == "not_examined"


def test_the_champions_settings_refitted_are_renewed_once_its_parameters_are_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("jackpot.steps.gates.decisions", lambda *_: decision(champion_value=100.0, seen=100.0))
    young = judge(week(), candidate("log_log_ols"), champion("log_log_ols"))
    assert (young.outcome, young.passed) == ("tie", False)
    asked = judge(week(), candidate("log_log_ols"), champion("log_log_ols"), "sales fell")
    assert (asked.outcome, asked.passed) == ("refresh", True)
    assert "the monitor asks for a retraining (sales fell)" in asked.summary
    old = judge(week(), candidate("log_log_ols"), champion("log_log_ols", as_of="2025-03-01"))
    assert (old.outcome, old.passed) == ("refresh", True)
    assert old.champion is not None
    assert old.champion.draws_since >= 26


@pytest.mark.slow
def test_the_decision_with_either_model_is_really_made() -> None:
    gates = judge(week(), candidate("log_log_ols"), champion("log_log_ols", as_of="2025-03-01"))
    assert gates.decision is not None
    assert gates.decision.champion_jackpot == gates.decision.challenger_jackpot
    assert gates.decision.value_in_champions_eyes == pytest.approx(gates.decision.champion_value, rel=1e-3)
    assert gates.passed


def decision(champion_value: float, seen: float, challenger: str = "recommended") -> DecisionBeside:
    return DecisionBeside(
        draw_date="2025-12-20",
        champion_status="recommended",
        challenger_status=challenger,
        champion_jackpot=2e7,
        challenger_jackpot=1.5e7,
        champion_value=champion_value,
        challenger_value=120.0,
        value_in_champions_eyes=seen,
    )


def test_a_challenger_that_finds_nothing_feasible_is_stopped() -> None:
    assert _decision_line(week(), decision(100.0, 100.0)).verdict == "passed"
    assert _decision_line(week(), decision(100.0, 100.0, "restoring")).verdict == "failed"


def test_the_page_for_the_dashboard_names_every_gate() -> None:
    page = gates_markdown(judge(week(), candidate("log_log_ols"), None))
    assert page.startswith("# The candidate passed: first")
    assert page.count("\n| ") == 9


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_the_test_keeps_its_error_rate_under_autocorrelation(rho: float) -> None:
    rng = np.random.default_rng(7)
    shocks = rng.standard_normal((1500, 204))
    series = np.zeros_like(shocks)
    for at in range(1, shocks.shape[1]):
        series[:, at] = rho * series[:, at - 1] + shocks[:, at]
    tests = [mean_above_zero(gain) for gain in series[:, 100:]]
    rejected = np.mean([test is not None and test.p_value <= 0.05 for test in tests])
    assert abs(rejected - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_what_never_differs_or_is_too_short_is_not_tested() -> None:
    assert mean_above_zero(np.zeros(100)) is None
    assert mean_above_zero(np.arange(7.0)) is None

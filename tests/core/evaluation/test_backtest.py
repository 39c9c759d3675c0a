"""The back-test: its figures by hand, its window, its gates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jackpot.errors import InputError
from jackpot.evaluation.backtest import backtest
from jackpot.evaluation.backtest import test_start as start_of_test
from tests.strategies.demand import toy_draws, toy_market

pytestmark = pytest.mark.slow


MARKET = toy_market()


def a_history(sales: list[float], special: int | None = None) -> pd.DataFrame:
    draws = toy_draws(np.linspace(2e6, 9e6, len(sales)), sales)
    if special is not None:
        draws.loc[special, "special"] = "party"
    return draws


ALTERNATING = [100.0, 200.0] * 10


def test_naive_figures_by_hand() -> None:
    result = backtest(a_history(ALTERNATING), MARKET, "naive").evaluation
    assert (result.n_train, result.n_test) == (16, 4)
    # Four errors of 100 over sales of 100 + 200 + 100 + 200; the naive forecast errs by 100 in training too.
    assert result.model.wmape_pct == pytest.approx(400 / 600 * 100)
    assert result.model.mase == pytest.approx(1)
    assert result.model.bias_pct == pytest.approx(0)
    # Wednesdays sell 100 and Saturdays 200, always: the seasonal naive forecast does not err.
    assert result.baselines["seasonal_naive"].wmape_pct == pytest.approx(0)
    assert result.baselines["seasonal_naive"].mase == pytest.approx(0)
    assert not result.passed


def test_a_special_counts_in_its_own_key_alone() -> None:
    sales = [*ALTERNATING[:-2], 5000.0, 200.0]
    result = backtest(a_history(sales, special=18), MARKET, "naive").evaluation
    assert result.specials.n == 1
    assert result.specials.mape_pct == pytest.approx(100 * (1 - 200 / 5000))
    # What is left: 100 after 200, 200 after 100, and 200 after the 200 before the special.
    assert result.n_test == 3
    assert result.model.wmape_pct == pytest.approx(200 / 500 * 100)


def test_log_log_ols_is_refitted_on_all_draws_before_each() -> None:
    generator = np.random.default_rng(0)
    draws = a_history(np.exp(generator.normal(15, 0.3, 40)).tolist())
    draws["jackpot"] = np.exp(generator.normal(15, 0.5, 40))
    draws["sales"] *= draws["jackpot"] ** 0.6 / 1e4
    frame = backtest(draws, MARKET, "log_log_ols").frame
    for row in (32, 39):
        x, y = np.log(draws["jackpot"][:row]), np.log(draws["sales"][:row])
        b, a = np.polyfit(x, y, 1)
        median = a + b * np.log(draws["jackpot"][row])
        variance = np.sum((y - a - b * x) ** 2) / (row - 2)
        assert np.log(frame["forecast"][row]) == pytest.approx(median + variance / 2, abs=variance / 2)
        middle = np.log(frame["low_90"][row] * frame["high_90"][row]) / 2
        assert middle == pytest.approx(median, abs=1e-9)


def test_the_frame_has_a_row_a_draw_and_no_forecast_before_the_window() -> None:
    draws = a_history(np.linspace(100, 200, 50).tolist())
    frame = backtest(draws, MARKET).frame
    assert list(frame.columns) == ["draw_date", "jackpot", "sales", "special", "forecast", "low_90", "high_90"]
    assert frame["forecast"].isna().tolist() == [True] * 40 + [False] * 10
    window = frame[40:]
    assert (window["low_90"] < window["forecast"]).all()
    assert (window["forecast"] < window["high_90"]).all()


def test_the_default_beats_the_baselines_where_the_jackpot_drives_sales_and_its_interval_is_honest() -> None:
    generator = np.random.default_rng(1)
    n = 500
    jackpots = np.exp(generator.uniform(14, 17.5, n))
    level = np.cumsum(generator.normal(0, 0.01, n))
    curve = 0.2 * np.log(jackpots) + 0.15 * np.maximum(np.log(jackpots) - 15.5, 0) ** 2
    draws = a_history(np.exp(10 + curve + level + generator.normal(0, 0.06, n)).tolist()).assign(jackpot=jackpots)
    result = backtest(draws, MARKET).evaluation
    assert result.passed
    assert result.model.wmape_pct < 6.5
    assert result.model.wmape_pct < 0.6 * min(score.wmape_pct for score in result.baselines.values())
    assert result.model.coverage_90_pct is not None
    assert 83 <= result.model.coverage_90_pct <= 97
    assert {gate.name for gate in result.gates} == {
        "skill_over_naive",
        "skill_over_log_log_ols",
        "coverage_90",
        "finite_and_monotone",
        "test_draws",
    }


def test_sales_that_never_change_have_figures_too() -> None:
    result = backtest(a_history([500.0] * 60), MARKET).evaluation
    # Not nothing: what is known of other markets leaves some doubt after 48 draws.
    assert result.model.wmape_pct < 1
    assert result.baselines["naive"].mase == 0


def test_the_same_history_gives_the_same_bytes() -> None:
    draws = a_history(np.linspace(100, 200, 50).tolist())
    assert backtest(draws, MARKET).evaluation.to_bytes() == backtest(draws, MARKET).evaluation.to_bytes()


@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_too_short_a_history_is_not_tested_and_says_why(n: int) -> None:
    result = backtest(a_history(ALTERNATING)[:n], MARKET).evaluation
    assert (result.n_train, result.n_test, result.baselines, result.passed) == (n, 0, {}, False)
    (gate,) = result.gates
    assert gate.name == "test_draws"
    assert gate.reason.startswith(f"{n} ordinary draw" if n else "no ordinary draw")
    assert gate.reason.endswith("a test needs 10 before its window, and one in it")
    with pytest.raises(InputError, match="too short to back-test on"):
        start_of_test(a_history(ALTERNATING)[:n], MARKET)


def test_specials_alone_are_nothing_to_test_on() -> None:
    draws = a_history(ALTERNATING[:13])
    draws.loc[draws.index[-3:], "special"] = "party"
    assert backtest(draws, MARKET).evaluation.n_test == 0


def test_figures_that_cannot_be_used_are_refused_however_few() -> None:
    with pytest.raises(InputError, match="cannot be used"):
        backtest(a_history([100.0, -5.0]), MARKET)


def test_the_shortest_history_fails_the_gate_on_test_draws_and_no_more_than_that_goes_wrong() -> None:
    result = backtest(a_history(ALTERNATING[:13]), MARKET).evaluation
    assert {gate.name: gate.passed for gate in result.gates}["test_draws"] is False
    assert not result.passed

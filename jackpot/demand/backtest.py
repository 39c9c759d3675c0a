"""Rolling-origin back-test: the last fifth of the draws, one step ahead, beside naive forecasts, and the gates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import Market
from ..records import Evaluation, Gate, Score, Specials
from .base import Array, DemandModel, OneStep
from .common import SMALLEST_HISTORY, check_history, ordinary
from .models import new_model

BASELINES: Final = ("naive", "seasonal_naive", "log_log_ols")


@dataclass(frozen=True)
class Backtest:
    """The evaluation, and one row a draw: draw_date, jackpot, sales, special, forecast, low_90, high_90.

    Forecasts are NaN before the test window.
    """

    evaluation: Evaluation
    frame: pd.DataFrame


def backtest(draws: pd.DataFrame, market: Market, model_name: str | None = None) -> Backtest:
    """Back-test a demand model on the last `market.demand.test_share` of a history.

    Each test draw is forecast from the draws before it and its own jackpot. Declared specials count in `specials`
    alone. wMAPE is sum |error| / sum of sales; MASE is the mean absolute error over that of the naive forecast within
    the training part (Hyndman and Koehler 2006). Raise InputError where training or test would be too short.
    """
    name = model_name or market.demand.model
    new_model(name)
    test = max(1, math.ceil(market.demand.test_share * len(draws)))
    first = len(draws) - test
    usual = ordinary(draws)
    if usual[:first].sum() < SMALLEST_HISTORY or not usual[first:].any():
        raise InputError(
            Problem(
                "the history is too short to back-test on",
                found=f"{int(usual.sum())} ordinary draws, {int(usual[:first].sum())} of them before the test window",
                allowed=f"at least {SMALLEST_HISTORY} before the window and one in it",
                hint="add earlier draws to the history",
            )
        )
    check_history(draws)
    train = draws.iloc[:first]
    model = new_model(name).fit(train, market)
    forecast = model.one_step_ahead(draws, market, first)
    sales, counted = draws["sales"].to_numpy(float)[first:], usual[first:]
    known = train["sales"].to_numpy(float)[usual[:first]]
    unit = float(np.mean(np.abs(np.diff(known))))
    score = _score(name, forecast, sales, counted, unit)
    baselines = {
        other: _score(
            other, new_model(other).fit(train, market).one_step_ahead(draws, market, first), sales, counted, unit
        )
        for other in BASELINES
    }
    special_errors = np.abs(forecast.mean / sales - 1)[~counted]
    gates = _gates(market, score, baselines, int(counted.sum()), _well_formed(model, draws, market, forecast))
    dates = pd.DatetimeIndex(draws["draw_date"])
    evaluation = Evaluation(
        market=market.market,
        n_train=int(usual[:first].sum()),
        n_test=int(counted.sum()),
        first_test_date=dates[first].strftime("%Y-%m-%d"),
        last_test_date=dates[-1].strftime("%Y-%m-%d"),
        model=score,
        baselines=baselines,
        specials=Specials(
            n=len(special_errors), mape_pct=100 * float(special_errors.mean()) if len(special_errors) else None
        ),
        gates=gates,
        passed=all(gate.passed for gate in gates),
    )
    frame = draws[["draw_date", "jackpot", "sales", "special"]].reset_index(drop=True)
    for column, values in (
        ("forecast", forecast.mean),
        ("low_90", forecast.quantile(0.05)),
        ("high_90", forecast.quantile(0.95)),
    ):
        frame[column] = np.concatenate([np.full(first, np.nan), values])
    return Backtest(evaluation, frame)


def _score(name: str, forecast: OneStep, sales: Array, counted: npt.NDArray[np.bool_], unit: float) -> Score:
    mean, actual = forecast.mean[counted], sales[counted]
    errors = np.abs(actual - mean)
    inside = (sales >= forecast.quantile(0.05)) & (sales <= forecast.quantile(0.95))
    return Score(
        name=name,
        wmape_pct=100 * float(errors.sum() / actual.sum()),
        # Sales that never changed have no unit of error: any error then counts in units of the mean.
        mase=float(errors.mean() / (unit if unit > 0 else actual.mean())),
        coverage_90_pct=100 * float(inside[counted].mean()),
        bias_pct=100 * float(mean.sum() / actual.sum() - 1),
    )


def _well_formed(model: DemandModel, draws: pd.DataFrame, market: Market, forecast: OneStep) -> bool:
    """Return whether forecasts are finite and the demand curve never falls in the jackpot, beyond all seen too."""
    demand = model.condition(draws, market)
    jackpots = np.geomspace(float(draws["jackpot"].min()) / 2, float(draws["jackpot"].max()) * 2, 50)
    next_date = pd.DatetimeIndex([pd.Timestamp(draws["draw_date"].iloc[-1]) + pd.Timedelta(days=7)])
    curve = demand.mean(jackpots, next_date)[0]
    finite = np.isfinite(curve).all() and np.isfinite(forecast.mean).all() and np.isfinite(forecast.log_sd).all()
    return bool(finite and (np.diff(curve) >= -1e-9 * curve[:-1]).all())


def _gates(
    market: Market, score: Score, baselines: dict[str, Score], n_test: int, well_formed: bool
) -> tuple[Gate, ...]:
    wanted = market.gates
    naive = min((baselines["naive"], baselines["seasonal_naive"]), key=lambda baseline: baseline.wmape_pct)
    # A naive forecast without error (sales that never changed) is matched by any error under half a percent.
    perfect = 0.0 if score.wmape_pct < 0.5 else -1.0
    skill = 1 - score.wmape_pct / naive.wmape_pct if naive.wmape_pct > 0 else perfect
    low, high = wanted.coverage_90_pct
    covered = score.coverage_90_pct if score.coverage_90_pct is not None else math.nan
    # A short window cannot tell a calibrated interval from another: the bounds widen by two standard errors.
    slack = 200 * math.sqrt(0.09 / n_test)
    return (
        Gate(
            name="skill_over_naive",
            value=skill,
            must=f">= {wanted.smallest_skill_over_naive:g}",
            passed=skill >= wanted.smallest_skill_over_naive,
            reason=f"wMAPE {score.wmape_pct:.2f}% against {naive.wmape_pct:.2f}% of {naive.name}",
        ),
        Gate(
            name="coverage_90",
            value=covered,
            must=f"{low:g} to {high:g} percent, within two standard errors of {n_test} draws",
            passed=low - slack <= covered <= high + slack,
            reason=f"the 90% interval held {covered:.1f}% of {n_test} test draws",
        ),
        Gate(
            name="finite_and_monotone",
            value=float(well_formed),
            must="1",
            passed=well_formed,
            reason="forecasts are finite and never fall as the jackpot rises"
            if well_formed
            else "a forecast is not finite, or falls as the jackpot rises",
        ),
        Gate(
            name="test_draws",
            value=float(n_test),
            must=f">= {wanted.smallest_test_draws}",
            passed=n_test >= wanted.smallest_test_draws,
            reason=f"{n_test} ordinary draws were forecast",
        ),
    )

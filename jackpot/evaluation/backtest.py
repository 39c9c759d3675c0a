"""Rolling-origin back-test: the last fifth of the draws, each from those before it, beside naive forecasts.

Parameters are learned from the training part alone; a model's state follows the draws (Tashman 2000, International
Journal of Forecasting 16(4): rolling origins, fixed parameters). The jackpot of each draw is known. Where there are too
few draws for that, the evaluation says so and holds no figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..demand.base import Array, OneStep
from ..demand.common import SMALLEST_HISTORY, check_figures, check_history, ordinary
from ..demand.models import new_model
from ..demand.settings import Settings
from ..errors import InputError, Problem
from ..market.schema import Market
from ..records import Evaluation, Gate, Method, Residuals, Score, Skill, Specials, Tuning, Uncertain, WorstDraw
from . import slices
from .bootstrap import REPLICATIONS, SEED, interval, ratio_resamples
from .calibration import calibration
from .comparison import diebold_mariano
from .forecasts import Forecasts, level_index
from .gates import gates, well_formed
from .horizons import LONGEST, horizons, stride
from .residuals import autocorrelations, drift, ljung_box
from .scores import crps, error_and_interval, naive_unit, pinball

BASELINES: Final = ("naive", "seasonal_naive", "log_log_ols")
PINBALL_LEVELS: Final = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
SMALLEST_FOR_RESIDUALS: Final = 20
WORST: Final = 5


@dataclass(frozen=True)
class Backtest:
    """The evaluation, and one row a draw: draw_date, jackpot, sales, special, forecast, low_90, high_90.

    Forecasts are NaN before the test window.
    """

    evaluation: Evaluation
    frame: pd.DataFrame


def backtest(
    draws: pd.DataFrame,
    market: Market,
    model_name: str | None = None,
    horizon: int = LONGEST,
    tuning: Tuning | None = None,
) -> Backtest:
    """Back-test a demand model on the last `market.demand.test_share` of a history, up to `horizon` draws ahead.

    Declared specials count in `specials` alone. Every figure is defined in docs/evaluation.md. The model has the
    settings of `tuning`; without one, the default's. Where training or test would be too short, nothing is tested and
    the evaluation says why. Raise InputError where the draws cannot be used, `horizon` is not 1 to 8, or `tuning` has
    seen draws of the test window.
    """
    name = model_name or market.demand.model
    new_model(name)
    if not 1 <= horizon <= LONGEST:
        raise InputError(Problem("no such horizon", field="horizon", found=str(horizon), allowed=f"1 to {LONGEST}"))
    if why := too_short(draws, market):
        return _untested(draws, market, name, why, tuning)
    first = test_start(draws, market)
    check_history(draws)
    settings = _settings(tuning, draws["draw_date"].iloc[first].strftime("%Y-%m-%d"))
    usual, train = ordinary(draws), draws.iloc[:first]
    forecasters = dict.fromkeys((name, *BASELINES))
    models = {other: new_model(other, settings if other == name else None).fit(train, market) for other in forecasters}
    steps = {other: model.one_step_ahead(draws, market, first) for other, model in models.items()}
    window, counted = draws.iloc[first:], usual[first:]
    sales = window["sales"].to_numpy(float)
    all_forecasts = {other: Forecasts.one_ahead(sales, step)[counted] for other, step in steps.items()}
    forecasts = all_forecasts[name]
    unit = naive_unit(train["sales"].to_numpy(float)[usual[:first]])
    score, figures = score_of(name, forecasts, unit), error_and_interval(forecasts)
    baselines = {other: score_of(other, all_forecasts[other], unit) for other in BASELINES}
    special_errors = np.abs(steps[name].mean / sales - 1)[~counted]
    verdicts = gates(market, score, baselines, len(forecasts), well_formed(models[name], draws, market, steps[name]))
    every = stride(len(window), window["draw_date"].dt.dayofweek.nunique())
    origins = np.arange(first, len(draws), every, dtype=np.intp)
    dates, jackpots = pd.DatetimeIndex(window["draw_date"])[counted], window["jackpot"].to_numpy(float)[counted]
    worst, worst_share = worst_draws(forecasts, dates, jackpots)
    evaluation = Evaluation(
        market=market.market,
        n_train=int(usual[:first].sum()),
        n_test=len(forecasts),
        first_test_date=window["draw_date"].iloc[0].strftime("%Y-%m-%d"),
        last_test_date=window["draw_date"].iloc[-1].strftime("%Y-%m-%d"),
        model=score,
        baselines=baselines,
        specials=Specials(
            n=len(special_errors), mape_pct=100 * float(special_errors.mean()) if len(special_errors) else None
        ),
        gates=verdicts,
        passed=all(gate.passed for gate in verdicts),
        method=Method(
            test_share=market.demand.test_share,
            horizon=horizon,
            origin_stride=every,
            origins=len(origins),
            bootstrap_replications=REPLICATIONS,
            bootstrap_seed=SEED,
            interval_pct=90,
        ),
        wmape_pct=uncertain(figures["wmape_pct"], ratio_resamples(forecasts.errors, forecasts.sales), scale=100),
        bias_pct=uncertain(
            figures["bias_pct"], ratio_resamples(forecasts.mean - forecasts.sales, forecasts.sales), scale=100
        ),
        skill=tuple(skill(other, forecasts, all_forecasts[other]) for other in BASELINES if other != name),
        horizons=horizons(
            models[name], {other: models[other] for other in BASELINES}, draws, market, origins, horizon, unit
        ),
        by_jackpot=slices.by_jackpot(forecasts, jackpots),
        by_price=slices.by_price(forecasts, dates, market),
        by_quarter=slices.by_quarter(forecasts, dates),
        by_weekday=slices.by_weekday(forecasts, dates),
        calibration=calibration(forecasts),
        residuals=residuals(forecasts),
        worst=worst,
        worst_share=worst_share,
        tuning=tuning,
    )
    return Backtest(evaluation, _frame(draws, first, steps[name]))


def _settings(tuning: Tuning | None, first_test_date: str) -> Settings | None:
    if tuning is None:
        return None
    if tuning.last_draw is not None and tuning.last_draw >= first_test_date:
        raise InputError(
            Problem(
                "the settings were tuned on draws of the test window",
                field="tuning.last_draw",
                found=tuning.last_draw,
                allowed=f"before {first_test_date}",
                hint="tune again",
            )
        )
    return Settings.of(tuning.settings)


def test_start(draws: pd.DataFrame, market: Market) -> int:
    """Return the row at which the test window starts; raise InputError where it or the training part is too short."""
    if why := too_short(draws, market):
        raise InputError(
            Problem("the history is too short to back-test on", found=why, hint="add earlier draws to the history")
        )
    return _window_start(draws, market)


def too_short(draws: pd.DataFrame, market: Market) -> str:
    """Return why a history has too few draws to back-test on; an empty text where it has enough."""
    first, usual = _window_start(draws, market), ordinary(draws)
    before = int(usual[:first].sum())
    if before >= SMALLEST_HISTORY and usual[first:].any():
        return ""
    count = int(usual.sum())
    held = f"{count} ordinary {'draw' if count == 1 else 'draws'}, {before or 'none'} of them before the test window"
    return f"{held if count else 'no ordinary draw'}: a test needs {SMALLEST_HISTORY} before its window, and one in it"


def _window_start(draws: pd.DataFrame, market: Market) -> int:
    return max(len(draws) - max(1, math.ceil(market.demand.test_share * len(draws))), 0)


def _untested(draws: pd.DataFrame, market: Market, name: str, why: str, tuning: Tuning | None) -> Backtest:
    """Return the evaluation of a model that there are too few draws to test: no figures, and one gate, failed."""
    check_figures(draws)
    usual, none = ordinary(draws), np.empty(0)
    gate = Gate(name="test_draws", value=0.0, must=f">= {market.gates.smallest_test_draws}", passed=False, reason=why)
    evaluation = Evaluation(
        schema_version="3",
        market=market.market,
        n_train=int(usual.sum()),
        n_test=0,
        first_test_date=None,
        last_test_date=None,
        model=Score(name=name, wmape_pct=None, mase=None, coverage_90_pct=None, bias_pct=None),
        baselines={},
        specials=Specials(n=0, mape_pct=None),
        gates=(gate,),
        passed=False,
        tuning=tuning,
    )
    return Backtest(evaluation, _frame(draws, len(draws), OneStep(none, none, none, none)))


def score_of(name: str, forecasts: Forecasts, unit: float) -> Score:
    """Return a forecaster's scores over ordinary draws (n,), n > 0; `unit` is that of MASE, in currency."""
    sales = forecasts.sales
    at = [level_index(float(level)) for level in PINBALL_LEVELS]
    return Score(
        name=name,
        **error_and_interval(forecasts),
        mase=float(forecasts.errors.mean() / unit),
        pinball_pct=100 * float(pinball(sales, forecasts.quantiles[at], PINBALL_LEVELS).mean() / sales.mean()),
        crps_pct=100 * float(crps(sales, forecasts.quantiles).mean() / sales.mean()),
        crps_log=float(crps(np.log(sales), np.log(forecasts.quantiles)).mean()),
    )


def skill(over: str, forecasts: Forecasts, other: Forecasts) -> Skill:
    """Return how much less a forecaster errs than another over the same draws, and whether that can be chance."""
    loss, base = forecasts.errors, other.errors
    test = diebold_mariano(loss, base)
    other_crps = float(crps(other.sales, other.quantiles).sum())
    own_crps = float(crps(forecasts.sales, forecasts.quantiles).sum())
    resamples = ratio_resamples(loss, base)
    return Skill(
        over=over,
        skill=uncertain(1 - float(loss.sum() / base.sum()), None if resamples is None else 1 - resamples)
        if base.sum() > 0
        else None,
        crps_skill=1 - own_crps / other_crps if other_crps > 0 else None,
        diebold_mariano=None if test is None else test.statistic,
        p_value=None if test is None else test.p_value,
        lags=None if test is None else test.lags,
    )


def uncertain(value: float, resamples: Array | None, scale: float = 1.0) -> Uncertain:
    """Return a figure with the 90% interval and standard error of its resamples, which are multiplied by `scale`."""
    ends = interval(None if resamples is None else scale * resamples)
    return Uncertain(
        value=value,
        low_90=ends[0] if ends else None,
        high_90=ends[1] if ends else None,
        standard_error=None if resamples is None else float(scale * resamples.std()),
    )


def residuals(forecasts: Forecasts) -> Residuals | None:
    """Return what is left in one-step errors, in order of date; None below 20 draws."""
    n = len(forecasts)
    if n < SMALLEST_FOR_RESIDUALS:
        return None
    z = forecasts.normal_scores
    size = np.abs(z)
    lags = min(10, n // 5)
    statistic, p_value = ljung_box(z, lags)
    (mean_drift, mean_p), (scale_drift, scale_p) = drift(z), drift(size)
    typical = float(size.mean())
    return Residuals(
        mean=float(z.mean()),
        standard_deviation=float(z.std()),
        autocorrelation=float(autocorrelations(z, 1)[0]),
        ljung_box=statistic,
        ljung_box_lags=lags,
        ljung_box_p_value=p_value,
        mean_drift=mean_drift,
        mean_drift_p_value=mean_p,
        scale_drift=scale_drift / typical if typical > 0 else 0.0,
        scale_drift_p_value=scale_p,
    )


def worst_draws(
    forecasts: Forecasts, dates: pd.DatetimeIndex, jackpots: Array
) -> tuple[tuple[WorstDraw, ...], float | None]:
    """Return the five draws with the largest absolute errors, and their share of the sum of all."""
    errors = forecasts.errors
    total = float(errors.sum())
    if total <= 0:
        return (), None
    at: npt.NDArray[np.intp] = np.argsort(-errors, kind="stable")[:WORST]
    found = tuple(
        WorstDraw(
            draw_date=dates[i].strftime("%Y-%m-%d"),
            jackpot=float(jackpots[i]),
            sales=float(forecasts.sales[i]),
            forecast=float(forecasts.mean[i]),
            share_of_error=float(errors[i]) / total,
        )
        for i in at
    )
    return found, float(errors[at].sum()) / total


def _frame(draws: pd.DataFrame, first: int, forecast: OneStep) -> pd.DataFrame:
    frame = draws[["draw_date", "jackpot", "sales", "special"]].reset_index(drop=True)
    for column, values in (
        ("forecast", forecast.mean),
        ("low_90", forecast.quantile(0.05)),
        ("high_90", forecast.quantile(0.95)),
    ):
        frame[column] = np.concatenate([np.full(first, np.nan), values])
    return frame

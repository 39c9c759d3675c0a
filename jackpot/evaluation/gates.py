"""The gates: what a model must show before it is registered."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..demand.base import DemandModel, OneStep
from ..market.schema import Market
from ..records import Gate, Score


def well_formed(model: DemandModel, draws: pd.DataFrame, market: Market, forecast: OneStep) -> bool:
    """Return whether forecasts are finite and the demand curve never falls in the jackpot, beyond all seen too."""
    demand = model.condition(draws, market)
    jackpots = np.geomspace(float(draws["jackpot"].min()) / 2, float(draws["jackpot"].max()) * 2, 50)
    next_date = pd.DatetimeIndex([pd.Timestamp(draws["draw_date"].iloc[-1]) + pd.Timedelta(days=7)])
    curve = demand.mean(jackpots, next_date)[0]
    finite = np.isfinite(curve).all() and np.isfinite(forecast.mean).all() and np.isfinite(forecast.log_sd).all()
    return bool(finite and (np.diff(curve) >= -1e-9 * curve[:-1]).all())


def gates(
    market: Market, score: Score, baselines: dict[str, Score], n_test: int, is_well_formed: bool
) -> tuple[Gate, ...]:
    """Return the verdict of each gate of the market file."""
    wanted = market.gates
    naive = min((baselines["naive"], baselines["seasonal_naive"]), key=_wmape)
    line = baselines["log_log_ols"]
    skill, skill_over_line = (_skill(score, other) for other in (naive, line))
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
            reason=f"wMAPE {_wmape(score):.2f}% against {_wmape(naive):.2f}% of {naive.name}",
        ),
        Gate(
            name="skill_over_log_log_ols",
            value=skill_over_line,
            must=f">= {wanted.smallest_skill_over_log_log_ols:g}",
            passed=skill_over_line >= wanted.smallest_skill_over_log_log_ols,
            reason=f"wMAPE {_wmape(score):.2f}% against {_wmape(line):.2f}% of a straight line in the logs",
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
            value=float(is_well_formed),
            must="1",
            passed=is_well_formed,
            reason="forecasts are finite and never fall as the jackpot rises"
            if is_well_formed
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


def _skill(score: Score, other: Score) -> float:
    """Return 1 - wMAPE / the other's; a forecast without error is matched by any error under half a percent."""
    own, others = _wmape(score), _wmape(other)
    if others > 0:
        return 1 - own / others
    return 0.0 if own < 0.5 else -1.0


def _wmape(score: Score) -> float:
    return math.nan if score.wmape_pct is None else score.wmape_pct

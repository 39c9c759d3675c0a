"""Whether a challenger forecasts better than the champion, by a test whose error rate is stated.

Both are compared by what their settings would have given: fitted before the test window, forecasting it draw by draw.
The champion's own parameters have seen some of those draws, and would win by that alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..demand.base import Array, DemandModel
from ..demand.common import ordinary
from ..demand.models import new_model
from ..market.schema import Market
from .backtest import test_start
from .bootstrap import SHORTEST


@dataclass(frozen=True)
class OneSided:
    """A test of `no better`: small where the mean gain is more than chance. None: the losses never differed."""

    statistic: float
    p_value: float
    degrees_of_freedom: int


def mean_above_zero(gain: Array) -> OneSided | None:
    """Test whether the mean of an autocorrelated series (n,) is at most 0, against that it is above.

    The long-run variance is the mean of the first v = 0.4 n^(2/3) squared cosine coefficients, and the statistic is
    Student's t with v degrees of freedom: its error rate holds where Newey and West's with normal critical values
    rejects too often (Lazarus, Lewis, Stock and Watson 2018, JBES 36(4), HAR Inference: Recommendations for Practice).
    None below 8 draws, or where the series is constant.
    """
    from scipy.special import stdtr

    n = len(gain)
    if n < SHORTEST:
        return None
    degrees = int(0.4 * n ** (2 / 3))
    times = (np.arange(n) + 0.5) / n
    cosines = np.sqrt(2 / n) * np.cos(np.pi * np.arange(1, degrees + 1)[:, None] * times)
    variance = float(np.mean((cosines @ gain) ** 2))
    if variance <= 1e-18 * max(float(np.mean(gain**2)), 1e-300):
        return None
    statistic = float(np.sqrt(n) * gain.mean() / np.sqrt(variance))
    return OneSided(statistic, float(stdtr(degrees, -statistic)), degrees)


def same_settings(one: DemandModel, other: DemandModel) -> bool:
    """Return whether two models differ in their parameters alone."""
    return (one.name, one.settings) == (other.name, other.settings)


def window_errors(model: DemandModel, draws: pd.DataFrame, market: Market) -> Array:
    """Return absolute errors over the ordinary draws of the back-test's window, shape (n,), in currency.

    The model's settings are fitted anew to the draws before the window; its own parameters are not used.
    """
    first = test_start(draws, market)
    fitted = new_model(model.name, model.settings).fit(draws.iloc[:first], market)
    errors = np.abs(draws["sales"].to_numpy(float)[first:] - fitted.one_step_ahead(draws, market, first).mean)
    counted: Array = errors[ordinary(draws)[first:]]
    return counted


def draws_since(draws: pd.DataFrame, day: str) -> int:
    """Return how many ordinary draws took place on a day (YYYY-MM-DD) or later."""
    return int((ordinary(draws) & (draws["draw_date"] >= pd.Timestamp(day)).to_numpy()).sum())

"""The errors that are watched: of one-step forecasts of ordinary draws, in standard deviations of the forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..demand.base import Array, DemandModel
from ..demand.common import ordinary
from ..market.schema import Market
from .detectors import Errors


@dataclass(frozen=True)
class OneStepErrors:
    """One-step forecasts of n ordinary draws beside what was sold; all arrays have shape (n,)."""

    dates: pd.DatetimeIndex
    log_jackpots: Array
    log_errors: Array
    log_sd: Array
    sales: Array
    mean: Array

    def __len__(self) -> int:
        return len(self.dates)

    @property
    def standard(self) -> Errors:
        """Return them as the detectors take them."""
        return Errors(self.log_errors / np.maximum(self.log_sd, 1e-9), self.log_jackpots)

    def wmape_pct(self, last: int) -> float:
        """Return the sum of absolute errors over the sum of sales of the last draws, in percent."""
        sales = self.sales[-last:]
        return 100 * float(np.abs(sales - self.mean[-last:]).sum() / sales.sum())


def one_step_errors(model: DemandModel, draws: pd.DataFrame, market: Market, first: int) -> OneStepErrors:
    """Return the errors of draws[first:], each forecast from the draws before it; declared specials are left out."""
    forecast = model.one_step_ahead(draws, market, first)
    window, usual = draws.iloc[first:], ordinary(draws)[first:]
    sales = window["sales"].to_numpy(float)
    return OneStepErrors(
        pd.DatetimeIndex(window["draw_date"])[usual],
        np.log(window["jackpot"].to_numpy(float))[usual],
        (np.log(sales) - forecast.log_median)[usual],
        (forecast.log_sd * forecast.tail_scale)[usual],
        sales[usual],
        forecast.mean[usual],
    )

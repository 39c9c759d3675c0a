"""Forecasts several draws ahead from rolling origins, jackpots known."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..demand.base import Array, DemandModel
from ..demand.common import ordinary
from ..market.schema import Market
from ..records import Horizon
from .forecasts import LEVELS, Forecasts
from .scores import crps, wmape
from .slices import slice_figures

LONGEST: Final = 8
MOST_ORIGINS: Final = 104
"""Two years of a weekly draw; every origin costs a forecast, a model without a fast path a pass over the history."""


def stride(test_draws: int, draws_a_week: int) -> int:
    """Return after every how many draws a forecast starts, so that at most MOST_ORIGINS do.

    A stride that shares a factor with the draws of a week would start on the same weekdays for ever.
    """
    step = max(1, -(-test_draws // MOST_ORIGINS))
    while gcd(step, draws_a_week) > 1:
        step += 1
    return step


def horizons(
    model: DemandModel,
    baselines: Mapping[str, DemandModel],
    draws: pd.DataFrame,
    market: Market,
    origins: npt.NDArray[np.intp],
    longest: int,
    unit: float,
) -> tuple[Horizon, ...]:
    """Return errors one to `longest` draws after each origin (draws[:origin] are known), specials left out.

    Models are fitted on the training part and follow their state; `unit` is that of MASE.
    """
    sales = draws["sales"].to_numpy(float)
    known = model.ahead(draws, market, origins, longest, LEVELS)
    none = np.empty(0)
    others = {name: other.ahead(draws, market, origins, longest, none) for name, other in baselines.items()}
    counted = np.append(ordinary(draws), False)
    found = []
    for step in range(longest):
        target = np.minimum(origins + step, len(draws))
        rows = np.flatnonzero(counted[target])
        if not len(rows):
            continue
        actual: Array = sales[target[rows]]
        forecasts = Forecasts(actual, known.mean[rows, step], known.quantiles[:, rows, step])
        found.append(
            Horizon(
                **slice_figures(f"{step + 1} ahead", forecasts),
                ahead=step + 1,
                mase=float(forecasts.errors.mean() / unit),
                crps_log=float(crps(np.log(actual), np.log(forecasts.quantiles)).mean()),
                baselines_wmape_pct={
                    name: 100 * wmape(np.abs(actual - other.mean[rows, step]), actual) for name, other in others.items()
                },
            )
        )
    return tuple(found)

"""What a draw is worth to the operator at each jackpot.

The mathematics: docs/decision.md, "Value".
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..game.moments import draw_moments, expected_value
from .grid import Index, StepGrid
from .situation import Array, Situation, portions


def values(situation: Situation, jackpots: Array) -> pd.DataFrame:
    """Return the figures of the draw at each jackpot, a row each: means and quantiles over samples of sales.

    The expected value is E[v(S, J)] over the forecast of sales S at J, with v of `game.expected_value`; it is not v at
    the mean of S, for v bends in S wherever the jackpot is paid once. Money in units of currency.
    """
    samples = situation.market.decision.samples
    parts = [_values(situation, part) for part in portions(jackpots, samples)]
    return pd.concat(parts, ignore_index=True)


def value_table(situation: Situation, grid: StepGrid, index: Index) -> pd.DataFrame:
    """Return `values` on the grid, by grid index."""
    return values(situation, grid.jackpots(index)).set_index(index)


def _values(situation: Situation, jackpots: Array) -> pd.DataFrame:
    market, price, pool, must = situation.market, situation.price, situation.pool, situation.must_be_won
    sales = situation.sample_sales(jackpots)[:, 0, :]
    value = expected_value(market, price, sales, jackpots, pool, must)
    moments = draw_moments(market, price, sales, jackpots, pool, must)
    value_low, value_high = np.quantile(value, (0.05, 0.95), axis=0)
    sales_low, sales_median, sales_high = np.quantile(sales, (0.05, 0.5, 0.95), axis=0)
    return pd.DataFrame(
        {
            "jackpot": jackpots,
            "expected_value": value.mean(axis=0),
            "value_low_90": value_low,
            "value_high_90": value_high,
            "expected_sales": sales.mean(axis=0),
            "sales_median": sales_median,
            "sales_low_90": sales_low,
            "sales_high_90": sales_high,
            "expected_jackpot_payout": moments.jackpot_cost.mean(axis=0),
            "expected_secondary_prizes": (moments.secondary_prizes + moments.rolled_down).mean(axis=0),
            "win_probability": moments.win_probability.mean(axis=0),
            "extrapolated": jackpots > situation.demand.largest_seen,
        }
    )

"""The default model on bad input: a clear error, or a valid answer whose doubt is visible."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from jackpot.demand.base import Demand
from jackpot.demand.models import new_model
from jackpot.errors import InputError
from jackpot.market.loading import load_market
from jackpot.market.schema import Market, PriceRegime
from jackpot.simulation.play import play

MARKET = load_market("england").market
DRAWS = play(MARKET).iloc[:180].reset_index(drop=True)
NEXT = pd.DatetimeIndex([DRAWS["draw_date"].iloc[-1] + pd.Timedelta(days=7 * week) for week in (1, 2, 3)])
JACKPOTS = np.geomspace(1e6, 5e8, 25)
Q = np.array([0.05, 0.5, 0.95])


def demand_after(draws: pd.DataFrame, market: Market = MARKET) -> Demand:
    return new_model("combination").fit(draws, market).condition(draws, market)


def log_width(demand: Demand, jackpot: float = 5e6, dates: pd.DatetimeIndex = NEXT) -> float:
    """Return the width of the next draw's 90% interval, in logs."""
    low, high = demand.quantiles(np.array([jackpot]), dates, np.array([0.05, 0.95]))[:, 0, 0]
    return float(np.log(high / low))


def valid(demand: Demand, dates: pd.DatetimeIndex = NEXT) -> None:
    """Demand finite, positive, monotone means, ordered quantiles and finite samples."""
    mean = demand.mean(JACKPOTS, dates)
    assert np.isfinite(mean).all()
    assert (mean > 0).all()
    assert (np.diff(mean, axis=1) >= -1e-9 * mean[:, :-1]).all()
    quantiles = demand.quantiles(JACKPOTS, dates, Q)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=0) > 0).all()
    assert np.isfinite(demand.sample(JACKPOTS, dates, 20, 1)).all()
    assert all(0 <= one.low <= one.mean <= one.high for one in demand.elasticity(JACKPOTS))


USUAL = demand_after(DRAWS)


@pytest.mark.parametrize("n", [0, 1, 2, 19])
def test_few_draws_give_a_wide_answer_that_says_how_few_they_were(n: int) -> None:
    draws = DRAWS.iloc[:n]
    demand = demand_after(draws)
    dates = NEXT if n == 0 else pd.DatetimeIndex(DRAWS["draw_date"].iloc[n : n + 3])
    valid(demand, dates)
    assert demand.draws_seen == int((draws["special"] == "").sum())
    assert log_width(demand, dates=dates) > 1.15 * log_width(USUAL)


@pytest.mark.parametrize("columns", [["jackpot"], ["sales"], ["jackpot", "sales"]], ids="-and-".join)
def test_figures_that_never_varied(columns: list[str]) -> None:
    demand = demand_after(DRAWS.iloc[:60].assign(**dict.fromkeys(columns, 5e6)))
    valid(demand, pd.DatetimeIndex(DRAWS["draw_date"].iloc[60:63]))
    if "jackpot" in columns:
        at = demand.elasticity(np.array([5e6]))[0]
        assert at.high - at.low > 0.2  # what never varied has taught nothing


def test_a_jackpot_never_seen_widens_the_interval_the_further_it_lies() -> None:
    largest = USUAL.largest_seen
    widths = [log_width(USUAL, factor * largest) for factor in (1.0, 4.0, 30.0)]
    assert widths[0] < widths[1] < widths[2]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("place", [-1, -4, 60])
def test_a_single_giant_outlier_moves_the_forecast_little(factor: float, place: int) -> None:
    wild = DRAWS.copy()
    wild.loc[wild.index[place], "sales"] *= factor
    demand = demand_after(wild)
    valid(demand)
    at = np.array([4e6, 8e6])
    assert demand.mean(at, NEXT[:1]) == pytest.approx(USUAL.mean(at, NEXT[:1]), rel=0.25)


@pytest.mark.parametrize(
    "draws", [pd.concat([DRAWS.iloc[:20], DRAWS.iloc[19:]]), DRAWS.iloc[::-1]], ids=["twice", "backwards"]
)
def test_draws_that_are_not_in_order_each_once_are_refused(draws: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="order of date, each once"):
        demand_after(draws)


def test_a_price_that_doubles_tomorrow_widens_the_interval() -> None:
    tomorrow = PriceRegime(starts=NEXT[0].date(), price=2 * MARKET.prices[-1].price)
    dearer = MARKET.model_copy(update={"prices": (*MARKET.prices, tomorrow)})
    demand = demand_after(DRAWS, dearer)
    valid(demand)
    assert log_width(demand) > 1.3 * log_width(USUAL)
    little = tomorrow.model_copy(update={"price": 1.04 * MARKET.prices[-1].price})
    a_little_dearer = MARKET.model_copy(update={"prices": (*MARKET.prices, little)})
    assert log_width(USUAL) < log_width(demand_after(DRAWS, a_little_dearer)) < 0.8 * log_width(demand)
    later = PriceRegime(starts=NEXT[0].date() + dt.timedelta(days=999), price=2.0)
    unmoved = MARKET.model_copy(update={"prices": (*MARKET.prices, later)})
    assert log_width(demand_after(DRAWS, unmoved)) == log_width(USUAL)


@pytest.mark.parametrize("column", ["sales", "jackpot"])
@pytest.mark.parametrize("figure", [np.nan, np.inf, -np.inf, 0.0, -5.0])
def test_figures_that_are_none_are_refused_with_their_row(column: str, figure: float) -> None:
    with pytest.raises(InputError, match=f"row 9.*{column}.*above 0"):
        demand_after(DRAWS.assign(**{column: DRAWS[column].where(DRAWS.index != 7, figure)}))

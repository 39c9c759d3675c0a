"""The tables say what the model says: on every draw, between draws, far below and far beyond the jackpots seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jackpot.demand.base import Array
from jackpot.demand.models import new_model
from jackpot.demand.state_space import StateSpaceDemand
from jackpot.history.snapshot import read_snapshot
from jackpot.market.loading import parse_market
from jackpot.scoring.curves import Curves
from jackpot.scoring.model import load_scoring_model
from tests.scoring import model_files_of, scoring_model

Q = np.array([0.5, 0.05, 0.95])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["england", "timemania"])
def test_a_forecast_is_the_models_own_to_1e_9(name: str) -> None:
    model = scoring_model(name)
    curves = Curves(model.demand, Q, model.calendar)
    generator = np.random.default_rng(5)
    days = model.calendar.to_numpy().astype("datetime64[D]").astype(np.int32)
    some = np.append(generator.choice(days, 40), [days[0] - 1, days[0] + 1, days[30] + 2, days[-1] + 1])
    jackpots = model.demand.largest_seen * np.exp(generator.uniform(np.log(0.002), np.log(60.0), len(some)))
    found = curves.forecast(jackpots, some)
    for i, day in enumerate(some):
        mean, *quantiles = curves.exact(jackpots[i : i + 1], curves.path(int(day)))[:, -1, 0]
        np.testing.assert_allclose([found.mean[i], *found.quantiles[:, i]], [mean, *quantiles], rtol=1e-9)
        assert abs(found.elasticity[i] - model.demand.elasticity(jackpots[i : i + 1])[0].mean) < 1e-9
    assert (found.extrapolated == (jackpots > model.demand.largest_seen)).all()


def test_days_between_the_calendars_draws_cost_little_each(monkeypatch: pytest.MonkeyPatch) -> None:
    model = scoring_model("england", "state_space")
    curves = Curves(model.demand, Q, model.calendar)
    drawn = model.calendar.to_numpy().astype("datetime64[D]").astype(np.int32)
    curves.forecast(np.full(len(drawn), 2e7), drawn)
    between = np.setdiff1d(np.arange(drawn[0], drawn[-1], dtype=np.int32), drawn)
    own, cells = StateSpaceDemand.log_sales, []

    def counted(demand: StateSpaceDemand, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        cells.append(len(jackpots) * len(dates))
        return own(demand, parameters, jackpots, dates)

    monkeypatch.setattr(StateSpaceDemand, "log_sales", counted)
    curves.forecast(np.full(len(between), 2e7), between)
    assert len(between) > 300
    assert sum(cells) / len(between) < 30 * len(drawn)


def test_a_draw_is_forecast_after_the_draws_before_it_in_the_calendar() -> None:
    model = scoring_model("england", "state_space")
    curves = Curves(model.demand, Q, model.calendar)
    jackpots = np.full(2, model.demand.largest_seen / 2)
    days = model.calendar[[0, 9]].to_numpy().astype("datetime64[D]").astype(np.int32)
    found = curves.forecast(jackpots, days)
    own = model.demand.mean(jackpots[:1], model.calendar[:10])[:, 0]
    np.testing.assert_allclose(found.mean, own[[0, 9]], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["log_log_ols", "naive"])
def test_any_demand_model_can_be_tabled_or_is_asked_itself(kind: str) -> None:
    files = model_files_of()
    market = parse_market(files["market.yaml"], "market.yaml")
    draws = read_snapshot(files["snapshot.parquet"], market)
    demand = new_model(kind).fit(draws, market).condition(draws, market)
    model = load_scoring_model(files)
    curves = Curves(demand, Q, model.calendar[:3])
    jackpots = np.array([1e5, 7e6, 2e7, 4e9])
    day = model.calendar[:1].to_numpy().astype("datetime64[D]").astype(np.int32)
    found = curves.forecast(jackpots, np.repeat(day, 4))
    np.testing.assert_allclose(found.mean, demand.mean(jackpots, model.calendar[:1])[0], rtol=1e-9)
    np.testing.assert_allclose(found.quantiles, demand.quantiles(jackpots, model.calendar[:1], Q)[:, 0], rtol=1e-9)

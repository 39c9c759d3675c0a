"""A draw's curve in quadratics is the demand model's own, one jackpot at a time or many at once."""

from __future__ import annotations

import numpy as np
import pytest

from jackpot.demand.models import new_model
from jackpot.history.snapshot import read_snapshot
from jackpot.market.loading import parse_market
from jackpot.scoring.draw_curve import AskedCurve, QuadraticCurve, parts_of
from tests.scoring import model_files_of, scoring_model

LEVELS = (0.5, 0.001, 0.9)


@pytest.mark.parametrize("kind", ["state_space", pytest.param("combination", marks=pytest.mark.slow)])
def test_quadratics_say_what_the_model_says(kind: str) -> None:
    model = scoring_model("england", kind)
    parts = parts_of(model.demand)
    assert parts is not None
    path = model.calendar[:3]
    curve = QuadraticCurve(*parts, path)
    jackpots = model.demand.largest_seen * np.exp(np.linspace(-6.0, 4.0, 41))
    mean, quantiles = curve(jackpots, LEVELS)
    own_mean, own_quantiles = AskedCurve(model.demand, path)(jackpots, LEVELS)
    np.testing.assert_allclose(mean, own_mean, rtol=1e-10)
    np.testing.assert_allclose(quantiles, own_quantiles, rtol=1e-10)
    ones = [curve.one(jackpot, LEVELS) for jackpot in jackpots.tolist()]
    np.testing.assert_allclose([one for one, _ in ones], mean, rtol=1e-12)
    np.testing.assert_allclose(np.transpose([rows for _, rows in ones]), quantiles, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["log_log_ols", "naive"])
def test_a_demand_without_knots_is_one_piece(kind: str) -> None:
    files = model_files_of()
    market = parse_market(files["market.yaml"], "market.yaml")
    draws = read_snapshot(files["snapshot.parquet"], market)
    demand = new_model(kind).fit(draws, market).condition(draws, market)
    parts = parts_of(demand)
    assert parts is not None
    assert parts[2].places.shape == (1, 3)
    path = scoring_model("england").calendar[:1]
    jackpots = np.array([1e5, 2e7, 4e9])
    found, own = QuadraticCurve(*parts, path), AskedCurve(demand, path)
    np.testing.assert_allclose(found(jackpots, LEVELS)[0], own(jackpots, LEVELS)[0], rtol=1e-10)

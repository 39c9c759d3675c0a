"""Demand models: what a forecast must be, whatever the history."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.demand.base import Demand
from jackpot.demand.features import Design, curve_basis, knots, slope_basis
from jackpot.demand.models import ALL, new_model
from jackpot.demand.posterior import nonnegative
from jackpot.demand.state_space import StateSpaceModel
from jackpot.demand.storage import load_model, model_files
from jackpot.errors import InputError
from tests.strategies.demand import NEW_YEAR, toy_draws, toy_market

EVERY_MODEL = sorted(ALL)
FROM_PRIORS = {"combination", "state_space", "boosted_state_space", "spline"}
"""Models that answer without draws, from what other games teach."""


MARKET = toy_market(specials=(NEW_YEAR,))


def a_history(
    n: int,
    seed: int = 0,
    elasticity: float = 0.5,
    noise: float = 0.06,
    phi: float = 0.4,
    specials: bool = True,
    drift: float = 0.003,
) -> pd.DataFrame:
    """A constant-elasticity market of 10 million at a jackpot of 5 million, with AR(1) noise and a drifting level."""
    generator = np.random.default_rng(seed)
    error, level, errors = 0.0, 0.0, []
    for shock, step in generator.standard_normal((n, 2)):
        error = phi * error + noise * np.sqrt(1 - phi**2) * shock
        level += drift * step
        errors.append(error + level)
    logs = generator.uniform(np.log(1e6), np.log(3e7), n)
    sales = np.exp(np.log(1e7) + elasticity * (logs - np.log(5e6)) + np.array(errors))
    draws = toy_draws(np.exp(logs), sales, "2015-01-01")
    if specials:
        last = draws["draw_date"].dt.strftime("%m-%d") == "12-31"
        draws.loc[last, "special"] = "new_year"
        draws.loc[last, "sales"] *= 8
    return draws


HISTORY = a_history(300)
JACKPOTS = np.geomspace(2e5, 3e8, 40)


def after(draws: pd.DataFrame, count: int = 5) -> pd.DatetimeIndex:
    days = pd.date_range(draws["draw_date"].iloc[-1] + pd.Timedelta(days=1), periods=4 * count + 8)
    return days[days.dayofweek.isin([2, 5])][:count]


@pytest.fixture(scope="module", params=EVERY_MODEL)
def demand(request: pytest.FixtureRequest) -> Demand:
    return new_model(request.param).fit(HISTORY, MARKET).condition(HISTORY, MARKET)


@pytest.fixture(scope="module")
def spline() -> Demand:
    return new_model("spline").fit(HISTORY, MARKET).condition(HISTORY, MARKET)


def test_mean_sales_never_fall_in_the_jackpot(demand: Demand) -> None:
    mean = demand.mean(JACKPOTS, after(HISTORY))
    assert mean.shape == (5, 40)
    assert (np.diff(mean, axis=1) >= -1e-9 * mean[:, :-1]).all()


def test_quantiles_are_ordered_and_nested(demand: Demand) -> None:
    q = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert (np.diff(demand.quantiles(JACKPOTS, after(HISTORY), q), axis=0) > 0).all()


@pytest.mark.slow
def test_samples_average_to_the_mean_and_spread_to_the_quantiles(demand: Demand) -> None:
    jackpots, dates = np.array([2e6, 2e7]), after(HISTORY, 3)
    drawn = demand.sample(jackpots, dates, 8000, seed=1)
    assert drawn.mean(axis=0) == pytest.approx(demand.mean(jackpots, dates), rel=0.02)
    low, high = demand.quantiles(jackpots, dates, np.array([0.05, 0.95]))
    inside = ((drawn >= low) & (drawn <= high)).mean(axis=0)
    assert inside == pytest.approx(np.full((3, 2), 0.9), abs=0.02)


def test_a_sample_shares_its_random_numbers_across_jackpots(demand: Demand) -> None:
    drawn = demand.sample(JACKPOTS, after(HISTORY), 50, seed=3)
    assert (np.diff(drawn, axis=2) >= -1e-9 * drawn[:, :, :-1]).all()


def test_the_same_seed_gives_the_same_sample_and_another_does_not(demand: Demand) -> None:
    one, same, other = (demand.sample(JACKPOTS[:2], after(HISTORY), 20, seed) for seed in (5, 5, 6))
    assert (one == same).all()
    assert (one != other).any()


def test_errors_of_neighbouring_draws_are_correlated(spline: Demand) -> None:
    drawn = np.log(spline.sample(np.array([5e6]), after(HISTORY, 2), 4000, seed=2)[:, :, 0])
    assert np.corrcoef(drawn.T)[0, 1] > 0.15


def test_beyond_the_largest_jackpot_each_possible_curve_is_linear_in_logs(spline: Demand) -> None:
    beyond = spline.largest_seen * np.array([1.1, 2.2, 4.4])
    logs = np.log(spline.sample(beyond, after(HISTORY, 1), 100, seed=1)[:, 0])
    assert np.diff(logs, 2, axis=1) == pytest.approx(np.zeros((100, 1)), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spline", "log_log_ols"])
def test_a_known_elasticity_lies_in_its_band(name: str) -> None:
    held = 0
    for seed in range(6):
        draws = a_history(250, seed=seed, elasticity=0.3, phi=0.0)
        found = new_model(name).fit(draws, MARKET).condition(draws, MARKET).elasticity(np.array([5e6]))[0]
        assert found.mean == pytest.approx(0.3, abs=0.08)
        assert found.low < found.mean < found.high
        held += found.low - 0.01 <= 0.3 <= found.high + 0.01
    assert held >= 4


@pytest.mark.slow
def test_the_mean_is_corrected_for_the_log() -> None:
    mean, median, truth = 0.0, 0.0, 0.0
    for seed in range(6):
        draws = a_history(500, seed, noise=0.4, phi=0.0, specials=False, drift=0.0)
        forecast = new_model("spline").fit(draws[:300], MARKET).one_step_ahead(draws, MARKET, 300)
        mean, median = mean + forecast.mean.sum(), median + np.exp(forecast.log_median).sum()
        truth += (1e7 * (draws["jackpot"][300:] / 5e6) ** 0.5).sum() * np.exp(0.4**2 / 2)
    assert mean / truth == pytest.approx(1, abs=0.035)
    assert median / truth < 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY_MODEL)
def test_one_step_ahead_agrees_with_the_conditioned_forecast(name: str) -> None:
    known, last = HISTORY[:-1], HISTORY.iloc[-1]
    model = new_model(name).fit(known, MARKET)
    step = model.one_step_ahead(HISTORY, MARKET, len(known))
    dates = pd.DatetimeIndex([last["draw_date"]])
    mean = model.condition(known, MARKET).mean(np.array([last["jackpot"]]), dates)
    assert step.mean[0] == pytest.approx(mean[0, 0], rel=0.01)


def test_specials_train_neither_curve_nor_state_and_are_forecast_from_their_own_level() -> None:
    special = (HISTORY["special"] != "").to_numpy()
    assert special.any()
    quiet, louder = (
        HISTORY.assign(
            sales=np.where(special, multiple * 1e7, HISTORY["sales"]),
            jackpot=np.where(special, 5e6, HISTORY["jackpot"]),
        )
        for multiple in (8, 800)
    )
    demands = [new_model("spline").fit(draws, MARKET).condition(draws, MARKET) for draws in (quiet, louder)]
    ordinary_day, special_day = after(HISTORY, 1), pd.DatetimeIndex([f"{after(HISTORY, 1)[0].year}-12-31"])
    jackpot = np.array([5e6])
    usual, same = (d.mean(jackpot, ordinary_day)[0, 0] for d in demands)
    assert same == usual
    eight, loud = (d.mean(jackpot, special_day)[0, 0] for d in demands)
    assert 5 * usual < eight < 16 * usual
    assert loud == pytest.approx(100 * eight, rel=1e-6)
    width = demands[0].quantiles(jackpot, special_day, np.array([0.05, 0.95]))[:, 0, 0]
    assert width[1] / width[0] > 2


@pytest.mark.parametrize("name", sorted(set(ALL) - FROM_PRIORS))
@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_too_short_a_history_says_how_many_draws_are_needed(name: str, n: int) -> None:
    with pytest.raises(InputError, match="at least 10"):
        new_model(name).fit(HISTORY[:n], MARKET)


def flat(column: str) -> pd.DataFrame:
    return HISTORY[:60].assign(**{column: 5e6})


@pytest.mark.parametrize("name", EVERY_MODEL)
@pytest.mark.parametrize(
    "draws",
    [HISTORY[:10], HISTORY[:19], flat("jackpot"), flat("sales"), flat("sales").assign(jackpot=5e6)],
    ids=["ten", "nineteen", "one jackpot", "one sales", "one of both"],
)
def test_odd_histories_give_finite_forecasts(name: str, draws: pd.DataFrame) -> None:
    demand = new_model(name).fit(draws, MARKET).condition(draws, MARKET)
    dates, q = after(draws), np.array([0.05, 0.5, 0.95])
    assert np.isfinite(demand.mean(JACKPOTS, dates)).all()
    assert (np.diff(demand.quantiles(JACKPOTS, dates, q), axis=0) > 0).all()
    assert np.isfinite(demand.sample(JACKPOTS, dates, 20, 1)).all()


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(10, 40),
    seed=st.integers(0, 99),
    elasticity=st.floats(-1, 2),
    noise=st.floats(0, 1.5),
    scale=st.sampled_from([1e-6, 1.0, 1e9]),
)
def test_any_history_gives_a_finite_monotone_curve(
    n: int, seed: int, elasticity: float, noise: float, scale: float
) -> None:
    draws = a_history(n, seed, elasticity, noise, specials=False)
    draws["sales"] *= scale
    demand = new_model("spline").fit(draws, MARKET).condition(draws, MARKET)
    mean = demand.mean(JACKPOTS, after(draws))
    assert np.isfinite(mean).all()
    assert (mean > 0).all()
    assert (np.diff(mean, axis=1) >= -1e-9 * mean[:, :-1]).all()
    assert all(0 <= one.low <= one.mean <= one.high for one in demand.elasticity(JACKPOTS))


@pytest.mark.parametrize("jackpot", [0.0, -1.0, np.nan, np.inf])
def test_a_jackpot_that_is_none_is_refused(demand: Demand, jackpot: float) -> None:
    at, dates = np.array([jackpot]), after(HISTORY)
    for ask in (
        lambda: demand.mean(at, dates),
        lambda: demand.quantiles(at, dates, np.array([0.5])),
        lambda: demand.sample(at, dates, 2, 1),
        lambda: demand.elasticity(at),
    ):
        with pytest.raises(InputError, match="above 0"):
            ask()


def test_a_filtered_history_that_is_kept_serves_no_other_market_and_no_other_winners() -> None:
    model = StateSpaceModel().fit(HISTORY, MARKET)
    won = HISTORY.assign(jackpot_winners=pd.array(np.arange(len(HISTORY)) % 2, dtype="Int64"))
    dearer = toy_market((f"{HISTORY['draw_date'].iloc[290]:%Y-%m-%d}", 2.5), specials=(NEW_YEAR,))
    for draws, market in ((won, MARKET), (HISTORY, dearer)):
        usual = model.condition(HISTORY, MARKET).mean(JACKPOTS, after(HISTORY))
        anew = load_model(model_files(model)).condition(draws, market).mean(JACKPOTS, after(HISTORY))
        assert (model.condition(draws, market).mean(JACKPOTS, after(HISTORY)) == anew).all()
        assert (anew != usual).any()


def test_dates_before_the_last_draw_are_refused(spline: Demand) -> None:
    with pytest.raises(InputError, match="later than"):
        spline.mean(JACKPOTS, pd.DatetimeIndex([HISTORY["draw_date"].iloc[-1]]))


def test_an_unknown_model_names_those_that_are_known() -> None:
    with pytest.raises(InputError, match="log_log_ols, naive, seasonal_naive, spline"):
        new_model("oracle")


@given(st.lists(st.floats(5, 25), min_size=1, max_size=30), st.lists(st.floats(0, 3), min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_the_curves_slope_is_its_coefficient_at_each_knot(logs: list[float], slopes: list[float]) -> None:
    at = knots(np.array(logs))
    c = np.array(slopes[: len(at)])
    x, h = np.linspace(at[0] - 2, at[-1] + 2, 60), 1e-5
    rise = (curve_basis(x + h, at) - curve_basis(x - h, at)) @ c / (2 * h)
    assert rise == pytest.approx(slope_basis(x, at) @ c, abs=1e-3)
    assert slope_basis(at, at) == pytest.approx(np.eye(len(at)))


def test_a_design_is_nil_at_its_reference() -> None:
    design = Design(np.array([13.0, 15.0, 16.0]), 14.2, np.zeros(0))
    assert design.curve(np.array([14.2])) == pytest.approx(np.zeros((1, 3)))


def test_nonnegative_solves_the_quadratic_problem() -> None:
    from scipy.optimize import minimize

    generator = np.random.default_rng(4)
    root = generator.standard_normal((4, 4))
    covariance, index = root @ root.T + 0.1 * np.eye(4), np.array([1, 2, 3])
    precision = np.linalg.inv(covariance)
    for draw in generator.standard_normal((6, 4)):
        found = nonnegative(draw[None], covariance, index)[0]
        bounds = [(None, None), (0, None), (0, None), (0, None)]
        exact = minimize(
            lambda x, d=draw: (x - d) @ precision @ (x - d),
            found + 0.1,
            jac=lambda x, d=draw: 2 * precision @ (x - d),
            bounds=bounds,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10},
        )
        assert found == pytest.approx(exact.x, abs=1e-5)
        assert (found[index] >= 0).all()

"""Nothing dated later moves a forecast: later data is dropped, scrambled or damaged, and the same bytes are demanded.

Each check is also shown a leak that was put in on purpose, and must fail on it.
"""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jackpot.demand import calendar_effects, features, memory
from jackpot.demand.base import Array, DemandModel
from jackpot.demand.models import ALL, new_model
from jackpot.demand.storage import model_files
from jackpot.errors import InputError
from jackpot.evaluation import backtest as evaluation
from jackpot.history import reading
from jackpot.history.contract import History
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.market.schema import Market
from jackpot.report import curve_csv, evaluation_html, history_csv
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.weekly import recommend_in_memory, week_in_memory

LOADED = load_market("england")
MARKET: Market = LOADED.market
LINES = synthetic_csv(MARKET).decode().splitlines()[:121]
DAY = dt.date.fromisoformat(LINES[91].split(",")[0])
"""The first of the thirty draws that must not be seen."""


def source_of(lines: list[str]) -> Source:
    return Source("draws.csv", "".join(f"{line}\n" for line in lines).encode(), None)


DRAWS = reading.read_history(source_of(LINES), MARKET, None).draws
FIRST = 80


# The whole week ------------------------------------------------------------------------------------------------------


def week(lines: list[str]) -> dict[str, bytes]:
    """Return all that the week in memory leaves, as of DAY."""
    seen = week_in_memory(LOADED, source_of(lines), DAY)
    decision, test = recommend_in_memory(seen, None)
    model = new_model(MARKET.demand.model).fit(seen.history.draws, MARKET)
    return {
        "snapshot": seen.snapshot_data,
        "checks": seen.checks.to_bytes(),
        "recommendation": decision.recommendation.to_bytes(),
        "curve": curve_csv(decision.curve),
        "evaluation": test.evaluation.to_bytes(),
        "history": history_csv(test.frame),
        "page": evaluation_html(test.evaluation, MARKET),
        **model_files(model),
    }


def later(change: str) -> list[str]:
    """Return the lines of the history with those dated DAY or later dropped, scrambled or damaged."""
    known, coming = LINES[:91], LINES[91:]
    if change == "dropped":
        return known
    if change == "scrambled":
        figures = [line.split(",", 1)[1] for line in coming]
        turned = [f"{line.split(',')[0]},{figure}" for line, figure in zip(coming, figures[::-1], strict=True)]
        return [known[0], *turned[::-1], *known[1:]]
    dates = [line.split(",")[0] for line in coming]
    return [*known, *(f"{day},NaN,-1,many,1e999," for day in dates), *(f"{day},0,0,0,0,0" for day in dates)]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, bytes]:
    return week(LINES)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["dropped", "scrambled", "damaged"])
def test_a_week_is_the_same_to_the_byte_whatever_is_dated_later(change: str, undisturbed: dict[str, bytes]) -> None:
    assert week(later(change)) == undisturbed


@pytest.mark.slow
def test_the_check_on_the_week_sees_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deliberate leak: sales on a scale that the whole file settles, a digit in nine."""
    honest = reading.read_history

    def scaled_by_all(source: Source, market: Market, as_of: dt.date | None = None) -> History:
        seen, everything = honest(source, market, as_of), honest(source, market, None)
        scale = 1 + 1e-6 * everything.draws["sales"].mean() / everything.draws["sales"].iloc[0]
        return replace(seen, draws=seen.draws.assign(sales=seen.draws["sales"] * scale))

    monkeypatch.setattr(reading, "read_history", scaled_by_all)
    leaked, without = week(LINES), week(later("dropped"))
    assert {name for name in leaked if leaked[name] != without[name]} >= {"snapshot", "recommendation", "evaluation"}


@pytest.mark.slow
def test_rows_that_were_not_cut_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = reading._cut
    monkeypatch.setattr(reading, "_cut", lambda dates, as_of, starts: cut(dates, None, starts))
    with pytest.raises(InputError, match="not before the day of the decision"):
        week(LINES)


# One model -----------------------------------------------------------------------------------------------------------


def scrambled(draws: pd.DataFrame, outcomes_from: int, announced_from: int) -> pd.DataFrame:
    """Return draws with other outcomes from one row on, each won instead of not or not instead of won, and other
    jackpots from another."""
    generator = np.random.default_rng(0)
    changed = draws.copy()
    outcomes = [name for name in draws.columns if name not in {"draw", "draw_date", "jackpot", "special"}]
    for name in outcomes:
        column = changed.columns.get_loc(name)
        values = changed[name].to_numpy(dtype=float, na_value=np.nan)[outcomes_from:]
        other = np.round(values * generator.uniform(0.2, 5, len(values)) + 1)
        if name in {"jackpot_winners", "jackpot_paid"}:
            other = np.where(values > 0, 0.0, other)
        changed.iloc[outcomes_from:, column] = other
    jackpots = changed["jackpot"].to_numpy(float).copy()
    jackpots[announced_from:] *= generator.uniform(0.2, 5, len(jackpots) - announced_from)
    return changed.assign(jackpot=jackpots)


def won(draws: pd.DataFrame) -> Array:
    return (draws["jackpot_winners"] > 0).to_numpy(float)


def leaks(forecast: Callable[[pd.DataFrame], Array], known: int, announced: int) -> bool:
    """Return whether a forecast moves with outcomes from row `known` on, or with anything from row `announced` on."""
    before = forecast(DRAWS)
    others = (scrambled(DRAWS, known, announced), DRAWS.iloc[:announced])
    return not all(np.array_equal(before, forecast(other)) for other in others)


def one_step(model: DemandModel, row: int) -> Callable[[pd.DataFrame], Array]:
    def forecast(draws: pd.DataFrame) -> Array:
        found = model.one_step_ahead(draws, MARKET, FIRST)
        at = row - FIRST
        return np.array([found.mean[at], found.quantile(0.05)[at], found.quantile(0.95)[at]])

    return forecast


def several_steps(model: DemandModel, origin: int, horizon: int) -> Callable[[pd.DataFrame], Array]:
    def forecast(draws: pd.DataFrame) -> Array:
        found = model.ahead(draws, MARKET, np.array([origin]), horizon, np.array([0.05, 0.95]))
        return np.concatenate([found.mean.ravel(), found.quantiles.ravel()])

    return forecast


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ALL))
def test_no_model_sees_the_outcome_of_a_draw_it_forecasts_or_anything_later(name: str) -> None:
    model = new_model(name).fit(DRAWS[:FIRST], MARKET)
    for row in (FIRST, 100):
        assert not leaks(one_step(model, row), known=row, announced=row + 1)
    assert not leaks(several_steps(model, 95, 4), known=95, announced=99)


@pytest.mark.slow
@pytest.mark.parametrize(
    "leak",
    [
        lambda draws: np.log(draws["sales"].to_numpy(float)) / 1e6,
        lambda draws: draws["jackpot"].shift(-1, fill_value=1.0).to_numpy(float) / 1e12,
        lambda draws: np.full(len(draws), len(draws) / 1e6),
        lambda draws: won(draws) / 1e6,
    ],
    ids=["its own sales", "the next jackpot", "how many draws there will be", "whether it is won"],
)
def test_the_check_on_a_model_sees_leaks(
    leak: Callable[[pd.DataFrame], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deliberate leak: one regressor knows a little of what comes."""
    honest = features.Design.rows

    def rows(design: features.Design, draws: pd.DataFrame, *more: Any) -> Array:
        known = honest(design, draws, *more)
        known[:, 0] += leak(draws)
        return known

    monkeypatch.setattr(features.Design, "rows", rows)
    model = new_model("state_space").fit(DRAWS[:FIRST], MARKET)
    assert leaks(one_step(model, 100), known=100, announced=101)


# The training window -------------------------------------------------------------------------------------------------


def test_what_is_fitted_sees_the_training_window_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scalers, knots, calibrations and tuning are all part of `fit`: it is given no draw of the test window."""
    assert not window_leaks("spline")

    class Leaky:
        def __init__(self, model: DemandModel) -> None:
            self.model = model

        def fit(self, draws: pd.DataFrame, market: Market) -> DemandModel:
            return self.model.fit(CURRENT[0], market)

    honest = evaluation.new_model
    monkeypatch.setattr(evaluation, "new_model", lambda name, settings=None: Leaky(honest(name, settings)))
    assert window_leaks("spline")


CURRENT = [DRAWS]
"""The history that a leaky model peeks at."""


def window_leaks(name: str) -> bool:
    """Return whether the first forecast of a back-test moves with the outcomes of its window."""
    first = evaluation.test_start(DRAWS, MARKET)
    found = []
    for draws in (DRAWS, scrambled(DRAWS, first, first + 1)):
        CURRENT[0] = draws
        found.append(evaluation.backtest(draws, MARKET, name, horizon=1).frame.loc[first, ["forecast", "low_90"]])
    return not found[0].equals(found[1])


# One feature at a time -----------------------------------------------------------------------------------------------


def dates_of(draws: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(draws["draw_date"])


def logs_of(draws: pd.DataFrame) -> Array:
    logs: Array = np.log(draws["jackpot"].to_numpy(float))
    return logs


DESIGN = features.Design.learn(DRAWS[:FIRST], MARKET)
AT = DESIGN.knots
FEATURES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "slope_basis": lambda draws: features.slope_basis(logs_of(draws), AT),
    "curve_basis": lambda draws: features.curve_basis(logs_of(draws), AT),
    "gap_days": lambda draws: features.gap_days(dates_of(draws), None),
    "season": lambda draws: features.season(dates_of(draws)),
    "weekdays": lambda draws: features.weekdays(dates_of(draws)),
    "special_names": lambda draws: features.special_names(dates_of(draws), MARKET),
    "price_steps": lambda draws: features.price_steps(dates_of(draws), MARKET, None),
    "ordinals": lambda draws: calendar_effects.ordinals(dates_of(draws)),
    "calendar_effects": lambda draws: calendar_effects.calendar_effects(
        dates_of(draws), features.gap_days(dates_of(draws), None), DESIGN.holidays, MARKET
    ),
    "remember": lambda draws: [one.row() for one in memory.remember(logs_of(draws), memory.wins(draws))[:-1]],
    "rows": lambda draws: DESIGN.rows(draws, MARKET),
}
"""Each feature of the draws of a history, a row a draw."""
NO_FEATURES = {"knots", "holiday_days", "special_days", "wins"}
"""Learned by `fit`, a calendar printed years ahead, or an outcome that `remember` takes in a draw later."""


def feature_leaks(feature: Callable[[pd.DataFrame], Any]) -> bool:
    def until(draws: pd.DataFrame) -> Array:
        return np.asarray(feature(draws))[: FIRST + 1]

    return leaks(until, known=FIRST, announced=FIRST + 1)


@pytest.mark.parametrize("name", sorted(FEATURES))
def test_no_feature_of_a_draw_knows_its_outcome_or_anything_later(name: str) -> None:
    assert not feature_leaks(FEATURES[name])


def test_no_feature_is_forgotten_here() -> None:
    found = {
        name
        for module in (features, calendar_effects, memory)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert found - NO_FEATURES == set(FEATURES) - {"rows"}


@pytest.mark.parametrize(
    "leak",
    [
        lambda draws: draws["sales"].to_numpy(float),
        lambda draws: draws["jackpot"].shift(-1, fill_value=0.0).to_numpy(float),
        lambda draws: draws["jackpot"].to_numpy(float) / draws["jackpot"].mean(),
        lambda draws: won(draws),
    ],
    ids=["its own sales", "the next jackpot", "scaled by the whole history", "whether it is won"],
)
def test_the_check_on_features_sees_leaks(leak: Callable[[pd.DataFrame], Array]) -> None:
    assert feature_leaks(leak)

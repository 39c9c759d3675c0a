"""Marketing and a sister game's jackpot: learned where a history has them, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jackpot.demand.combination import CombinedDemand
from jackpot.demand.drivers import Drivers
from jackpot.demand.models import new_model
from jackpot.demand.state_space import StateSpaceModel
from jackpot.demand.storage import load_model, model_files
from jackpot.errors import InputError
from jackpot.history.contract import History
from jackpot.history.reading import read_history
from jackpot.history.snapshot import read_snapshot, snapshot_bytes
from jackpot.history.source import Source
from jackpot.market.loading import parse_market
from jackpot.market.schema import Market, Planned
from tests.strategies.demand import toy_draws, toy_market
from tests.strategies.history import csv_bytes, history_market, history_rows

MARKET = toy_market(history={"uri": "toy.csv", "columns": {"marketing": "spend", "sister_jackpot": "other"}})
MARKETING, SISTER = 0.12, -0.10
"""True effects of log(1 + x / usual)."""


def history(n: int = 300, marketing: float = MARKETING, sister: float = SISTER) -> pd.DataFrame:
    """A simulated market: one draw in three is advertised, and a sister game's jackpot competes with all of them."""
    generator = np.random.default_rng(4)
    jackpots = np.exp(generator.uniform(np.log(1e6), np.log(2e7), n))
    spend = np.where(generator.random(n) < 1 / 3, generator.lognormal(12, 0.5, n), 0.0)
    other = generator.lognormal(16, 0.7, n)
    logs = 16.1 + 0.4 * np.log(jackpots / 5e6) + generator.normal(0, 0.06, n)
    for amounts, effect in ((spend, marketing), (other, sister)):
        logs = logs + effect * np.log1p(amounts / np.median(amounts[amounts > 0]))
    return toy_draws(jackpots, np.exp(logs)).assign(marketing=spend, sister_jackpot=other)


DRAWS = history()
NEXT = pd.DatetimeIndex([DRAWS["draw_date"].iloc[-1] + pd.Timedelta(days=4)])
AT = np.array([5e6])


def planning(**planned: float) -> Market:
    return MARKET.model_copy(update={"planned": Planned(**planned)})


def test_a_known_effect_of_marketing_and_of_a_sister_game_is_recovered() -> None:
    model = StateSpaceModel().fit(DRAWS, MARKET)
    usual = {name: scale[0] for name, scale in model.fitted.design.drivers.scales.items()}

    def forecast(**planned: float) -> float:
        mean = model.condition(DRAWS, planning(**planned)).mean(AT, NEXT)
        return float(np.log(mean[0, 0]))

    advertised = forecast(marketing=usual["marketing"]) - forecast(marketing=0.0)
    assert advertised == pytest.approx(MARKETING * np.log(2), abs=0.02)
    beside = forecast(sister_jackpot=3 * usual["sister_jackpot"]) - forecast(sister_jackpot=usual["sister_jackpot"])
    assert beside == pytest.approx(SISTER * np.log(2), abs=0.02)


def test_columns_without_a_message_change_next_to_nothing() -> None:
    idle = history(marketing=0.0, sister=0.0)
    with_columns, without = (
        StateSpaceModel().fit(draws, MARKET).condition(draws, MARKET).mean(AT, NEXT)[0, 0]
        for draws in (idle, idle.drop(columns=["marketing", "sister_jackpot"]))
    )
    assert with_columns == pytest.approx(without, rel=0.02)


@pytest.mark.slow
def test_drivers_lower_the_error_of_the_default_and_show_among_its_parts() -> None:
    blind = DRAWS.drop(columns=["marketing", "sister_jackpot"])
    sales = DRAWS["sales"].to_numpy()[200:]
    errors = []
    for draws in (DRAWS, blind):
        model = new_model("combination").fit(draws[:200], MARKET)
        errors.append(float(np.abs(model.one_step_ahead(draws, MARKET, 200).mean - sales).mean()))
    assert errors[0] < 0.9 * errors[1]
    model = load_model(model_files(new_model("combination").fit(DRAWS, MARKET)))
    demand = model.condition(DRAWS, planning(marketing=1e6))
    assert isinstance(demand, CombinedDemand)
    parts = demand.log_parts(5e6, NEXT)
    assert parts["marketing"] > 0.1
    assert np.exp(sum(parts.values())) == pytest.approx(demand.quantiles(AT, NEXT, np.array([0.5]))[0, 0, 0])
    unseen = new_model("combination").fit(blind, MARKET).condition(blind, MARKET)
    assert isinstance(unseen, CombinedDemand)
    assert not {"marketing", "sister_jackpot"} & set(unseen.log_parts(5e6, NEXT))


def test_draws_to_come_have_what_is_planned_else_what_the_last_draw_had() -> None:
    drivers = Drivers.learn(DRAWS)
    last = drivers.rows(DRAWS)[-1]
    assert np.array_equal(drivers.to_come(DRAWS, MARKET), last)
    planned = drivers.to_come(DRAWS, planning(marketing=2e6))
    assert planned[0] > drivers.rows(DRAWS)[:, 0].mean()
    assert planned[1] == last[1]
    untold = DRAWS.assign(sister_jackpot=np.where(DRAWS.index >= 295, np.nan, DRAWS["sister_jackpot"]))
    assert drivers.to_come(untold, MARKET)[1] == drivers.rows(DRAWS)[294, 1]
    assert drivers.rows(untold)[-1, 1] == 0.0


@pytest.mark.parametrize("values", [0.0, np.nan, -1.0, np.inf])
def test_a_column_that_tells_nothing_is_none(values: float) -> None:
    told = DRAWS.assign(marketing=values, sister_jackpot=values)
    plain = DRAWS.drop(columns=["marketing", "sister_jackpot"])
    files = [model_files(StateSpaceModel().fit(draws, MARKET)) for draws in (told, plain)]
    assert files[0] == files[1]
    assert b"drivers" not in files[1]["model.json"]


@pytest.mark.parametrize(
    "damage", [lambda d: d.assign(marketing=d["marketing"] * 7 + 1), lambda d: d.assign(sales=d["sales"] * 3)]
)
def test_a_forecast_knows_no_driver_and_no_sales_of_later_draws(damage: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    model, known = StateSpaceModel().fit(DRAWS[:200], MARKET), 250
    later = pd.concat([DRAWS[: known + 1], damage(DRAWS[known + 1 :])], ignore_index=True)
    before, after = (model.one_step_ahead(draws, MARKET, 200).mean[: known - 199] for draws in (DRAWS, later))
    assert np.array_equal(before, after)


def read_rows(rows: pd.DataFrame, market: Market) -> History:
    return read_history(Source("tiny.csv", csv_bytes(rows, market), "v1"), market)


def test_a_file_with_such_columns_is_read_into_the_contract_and_its_snapshot() -> None:
    market = history_market()
    columns = market.history.columns.model_copy(update={"marketing": "spend", "sister_jackpot": "other"})
    wanted = market.model_copy(update={"history": market.history.model_copy(update={"columns": columns})})
    rows = history_rows(60).assign(spend=1000.0, other=np.where(np.arange(60) % 2, 5e6, 0.0))
    read = read_rows(rows, wanted)
    assert read.draws["marketing"].tolist() == [1000.0] * 60
    assert read.draws["sister_jackpot"].tolist() == rows["other"].tolist()
    again = read_snapshot(snapshot_bytes(read), wanted)
    pd.testing.assert_frame_equal(again, read.draws)
    # A file's further columns change nothing where the market file does not name them.
    assert snapshot_bytes(read_rows(rows, market)) == snapshot_bytes(read_rows(history_rows(60), market))


def test_a_plan_without_a_column_to_learn_from_is_refused() -> None:
    text = MARKET.model_dump(mode="json", exclude_none=True)
    text["history"]["columns"].pop("marketing")
    with pytest.raises(InputError, match=r"history\.columns\.marketing"):
        parse_market(json.dumps({**text, "planned": {"marketing": 1000.0}}).encode(), "toy.yaml")

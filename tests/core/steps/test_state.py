"""A state that was kept forecasts as conditioning anew would; what cannot be trusted is conditioned anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jackpot.demand.models import new_model
from jackpot.demand.storage import load_model, load_state, model_files, state_bytes
from jackpot.errors import InputError
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.simulation.history import synthetic_csv
from jackpot.steps import state
from jackpot.steps.preprocess import SYNTHETIC
from jackpot.steps.state import keep_state, kept_demand
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore

ROOT = Path(__file__).resolve().parents[3]
AT = np.array([1e6, 1.2e7, 2e7, 9e7])


@pytest.fixture(scope="module")
def week() -> Week:
    market = load_market("england", search=[ROOT / "configs" / "markets"])
    return week_in_memory(market, Source(SYNTHETIC, synthetic_csv(market.market, draws=180), None), None)


@pytest.fixture(scope="module")
def files(week: Week) -> dict[str, bytes]:
    return model_files(new_model("combination").fit(week.history.draws, week.market))


def path(week: Week) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([week.history.draws["draw_date"].iloc[-1] + pd.Timedelta(days=7 * i) for i in (1, 2, 30)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["combination", "state_space", "boosted_state_space"])
def test_a_restored_demand_forecasts_to_the_last_bit(name: str, week: Week) -> None:
    draws, dates = week.history.draws, path(week)
    model = load_model(model_files(new_model(name).fit(draws, week.market)))
    demand = model.condition(draws, week.market)
    data = state_bytes(demand)
    assert data is not None
    again = load_state(model, data, week.market)
    assert np.array_equal(demand.mean(AT, dates), again.mean(AT, dates))
    q = np.array([0.05, 0.5, 0.95])
    assert np.array_equal(demand.quantiles(AT, dates, q), again.quantiles(AT, dates, q))
    assert np.array_equal(demand.sample(AT, dates, 50, 7), again.sample(AT, dates, 50, 7))
    assert demand.elasticity(AT) == again.elasticity(AT)
    assert (demand.last_date, demand.draws_seen) == (again.last_date, again.draws_seen)
    assert state_bytes(again) == data


def test_a_model_that_keeps_no_state_says_so(week: Week) -> None:
    model = new_model("log_log_ols").fit(week.history.draws, week.market)
    assert state_bytes(model.condition(week.history.draws, week.market)) is None


def test_a_damaged_state_or_one_of_another_model_is_refused(week: Week, files: dict[str, bytes]) -> None:
    model = load_model(files)
    data = state_bytes(model.condition(week.history.draws, week.market))
    assert data is not None
    for damaged in (b"", data[:-200], data[:100] + b"x" + data[101:]):
        with pytest.raises(InputError):
            load_state(model, damaged, week.market)
    other = new_model("spline").fit(week.history.draws, week.market)
    with pytest.raises(InputError, match="not this model's"):
        load_state(other, data, week.market)


def test_what_was_kept_answers_unless_it_is_damaged_missing_or_of_other_code(
    week: Week, files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model = FolderStore(tmp_path), load_model(files)
    kept = keep_state(week, files, store)
    wanted = model.condition(week.history.draws, week.market).mean(AT, path(week))
    found = kept_demand(kept, model, week.market, store)
    assert found is not None
    assert np.array_equal(found.mean(AT, path(week)), wanted)
    with monkeypatch.context() as patch:
        patch.setattr(state, "code_hash", lambda: "0" * 64)
        assert kept_demand(kept, model, week.market, store) is None
    (arrays,) = (key for key in store.keys("states") if key.endswith(".npz"))
    whole = store.read(arrays)
    store.replace(arrays, whole[:-1] + b"x")
    assert kept_demand(kept, model, week.market, store) is None
    store.replace(arrays, whole)
    (pointer,) = (key for key in store.keys("states") if key.endswith(".demand.json"))
    (tmp_path / pointer).unlink()
    assert kept_demand(kept, model, week.market, store) is None

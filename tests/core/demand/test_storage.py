"""A model's files: the same bytes there and back, and nothing read from damaged ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.demand.models import ALL, new_model
from jackpot.demand.storage import load_model, model_files, model_hash
from jackpot.errors import InputError
from tests.strategies.demand import toy_draws, toy_market

MARKET = toy_market()
GENERATOR = np.random.default_rng(0)
LOGS = GENERATOR.uniform(14, 17, 80)
DRAWS = toy_draws(np.exp(LOGS), np.exp(8 + 0.4 * LOGS + GENERATOR.normal(0, 0.05, 80)), "2021-01-02")
FILES = {name: model_files(new_model(name).fit(DRAWS, MARKET)) for name in ALL}
NEXT = pd.DatetimeIndex(["2022-07-16"])


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_model_comes_back_to_the_last_bit(name: str) -> None:
    fitted, loaded = new_model(name).fit(DRAWS, MARKET), load_model(FILES[name])
    assert model_files(loaded) == FILES[name]
    assert dict(loaded.describe()) == pytest.approx(dict(fitted.describe()))
    one, same = (m.condition(DRAWS, MARKET).sample(np.array([3e6, 9e6]), NEXT, 10, 1) for m in (fitted, loaded))
    assert (one == same).all()


def test_the_hash_names_the_models_own_files_alone() -> None:
    files = FILES["spline"]
    assert model_hash({**files, "evaluation.json": b"{}"}) == model_hash(files)
    assert model_hash(FILES["naive"]) != model_hash(files)
    assert len({model_hash(each) for each in FILES.values()}) == len(ALL)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FILES["spline"])), st.integers(0, 10_000), st.binary(max_size=3))
def test_damaged_files_are_refused_or_still_a_model(file: str, place: int, patch: bytes) -> None:
    data = FILES["spline"][file]
    place %= len(data)
    damaged = {**FILES["spline"], file: data[:place] + patch + data[place + len(patch) + 1 :]}
    try:
        model = load_model(damaged)
    except InputError:
        return
    assert model.name in ALL


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("model.json", b""),
        ("model.json", b"[]"),
        ("model.json", b'{"schema_version": "2", "model": "spline", "parameters": {}}'),
        ("model.json", b'{"schema_version": "1", "model": "spline", "parameters": {}}'),
        ("model.json", b'{"schema_version": "1", "model": "oracle", "parameters": {}}'),
        ("arrays.npz", b""),
        ("arrays.npz", b"PK nonsense"),
    ],
)
def test_files_that_are_no_model_are_refused(file: str, data: bytes) -> None:
    with pytest.raises(InputError):
        load_model({**FILES["spline"], file: data})


def test_a_missing_file_is_named() -> None:
    for read in (load_model, model_hash):
        with pytest.raises(InputError, match=r"arrays\.npz"):
            read({"model.json": b"{}"})


def test_a_model_that_is_not_fitted_has_no_files() -> None:
    for name in ALL:
        with pytest.raises(InputError, match="fit"):
            model_files(new_model(name))


def test_a_forecast_needs_neither_scipy_nor_scikit_learn() -> None:
    code = (
        "import sys, jackpot.demand.storage, jackpot.evaluation.backtest, jackpot.demand.combination;"
        "import jackpot.demand.boosting, jackpot.demand.log_log;"
        "print([m for m in ('scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

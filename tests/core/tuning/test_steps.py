"""The steps of a tuning: shards, what train takes, and what a week without tuning goes by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jackpot.canonical import read_folder
from jackpot.demand.settings import Settings
from jackpot.demand.storage import load_model
from jackpot.errors import InputError, JackpotError
from jackpot.evaluation.backtest import backtest
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.ports import RegisteredModel
from jackpot.records import Evaluation, Finalist, Tuning
from jackpot.report.evaluation import summarise_evaluation
from jackpot.report.money import Money
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.settings import champion_settings, ever_tuned, settings_of
from jackpot.steps.train import train
from jackpot.steps.tuning import plan, select, study_of, trial_runs, tune
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore
from jackpot.tuning.keys import tuning_key


def a_week(test_share: float = 0.2) -> Week:
    loaded = load_market("england")
    demand = loaded.market.demand.model_copy(update={"model": "spline", "test_share": test_share})
    market = loaded.market.model_copy(update={"demand": demand})
    lines = synthetic_csv(market).decode().splitlines()[:301]
    source = Source("draws.csv", "\n".join(lines).encode() + b"\n", None)
    return week_in_memory(replace(loaded, market=market), source, None)


WEEK = a_week()


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.mark.parametrize("trials", [1, 2, 49, 50, 51, 200, 801, 10_000])
def test_the_shards_hold_every_trial_once(trials: int) -> None:
    shards = plan(trials)
    assert 1 <= len(shards) <= 16
    numbers = [n for shard in shards for n in range(*map(int, shard.split(":")))]
    assert numbers == list(range(trials))


@pytest.mark.parametrize("trials", [0, -5, 10_001])
def test_a_number_of_trials_that_cannot_be_run_is_refused(trials: int) -> None:
    with pytest.raises(InputError, match="1 to 10000"):
        plan(trials)


@pytest.mark.parametrize("shard", ["", "7", "0:5:9", "a:b", "-1:3", "0:999999"])
def test_a_shard_that_is_none_is_refused(store: FolderStore, shard: str) -> None:
    with pytest.raises(InputError, match="first:end"):
        tune(WEEK, shard, store, lambda: False)


def tuned(store: FolderStore, **changes: object) -> Tuning:
    """Keep the outcome of a real tuning, with changes, and return it."""
    tune(WEEK, "0:3", store, lambda: False)
    tuning = select(WEEK, 3, store)[0].model_copy(update=changes)
    store.put_new(tuning_key(tuning), tuning.to_bytes())
    return tuning


FACTORS = {"level_speed": 2.0, "clip": 0.8}


def test_train_takes_the_settings_and_leaves_where_they_come_from(store: FolderStore, tmp_path: Path) -> None:
    tuning = tuned(store, chosen=1, settings=FACTORS)
    train(WEEK, tmp_path / "model", settings_of(store, tuning_key(tuning)))
    files = read_folder(tmp_path / "model")
    assert load_model(files).settings == Settings.of(FACTORS)
    assert files["tuning.json"] == tuning.to_bytes()
    runs = trial_runs(WEEK, tmp_path / "model", store)
    assert [run.name for run in runs] == ["trial 0", "trial 1", "trial 2"]
    assert [run.chosen for run in runs] == [False, True, False]
    assert all(np.isfinite(list(run.scores.values())).all() and len(run.settings) == 7 for run in runs)


def test_without_a_tuning_train_gives_the_default(store: FolderStore, tmp_path: Path) -> None:
    train(WEEK, tmp_path / "model", settings_of(store, ""))
    assert set(read_folder(tmp_path / "model")) == {"model.json", "arrays.npz"}
    assert trial_runs(WEEK, tmp_path / "model", store) == []


def a_champion(tuning: Tuning | None, as_of: str = "2000-01-01") -> RegisteredModel:
    record = backtest(WEEK.history.draws, WEEK.market, horizon=1).evaluation
    evaluation: Evaluation = record.model_copy(update={"tuning": tuning})
    return RegisteredModel("v1", "a" * 64, as_of, {"evaluation.json": evaluation.to_bytes()})


def test_a_week_without_tuning_keeps_the_champions_settings(store: FolderStore, tmp_path: Path) -> None:
    assert not ever_tuned("england", store)
    tuning = tuned(store, chosen=1, settings=FACTORS)
    assert ever_tuned("england", store)
    elsewhere = FolderStore(tmp_path / "elsewhere")
    key = champion_settings(WEEK, elsewhere, lambda: a_champion(tuning))
    assert settings_of(elsewhere, key) == tuning


@pytest.mark.parametrize(
    ("changes", "as_of"),
    [
        ({"model": "combination"}, "2000-01-01"),
        ({"last_draw": "2199-01-01"}, "2000-01-01"),
        ({}, "2199-01-01"),
    ],
    ids=["of another model", "tuned on this test window", "that has seen later draws"],
)
def test_settings_of_a_champion_that_cannot_be_gone_by_are_left(
    store: FolderStore, changes: dict[str, str], as_of: str
) -> None:
    tuning = tuned(store, chosen=1, settings=FACTORS, **changes)
    assert champion_settings(WEEK, store, lambda: a_champion(tuning, as_of)) == ""


def test_a_larger_test_window_leaves_settings_tuned_inside_it(store: FolderStore) -> None:
    tuning = tuned(store, chosen=1, settings=FACTORS)
    larger = a_week(test_share=0.4)
    assert study_of(larger).date(-1) < tuning.last_draw
    assert champion_settings(larger, store, lambda: a_champion(tuning)) == ""


def test_where_there_is_no_champion_or_it_cannot_be_loaded_the_default_is_kept(store: FolderStore) -> None:
    def damaged() -> RegisteredModel:
        raise JackpotError("champion v1 is damaged")

    assert champion_settings(WEEK, store, lambda: None) == ""
    assert champion_settings(WEEK, store, damaged) == ""
    assert champion_settings(WEEK, store, lambda: a_champion(None)) == ""


def test_a_week_of_other_draws_shows_none_of_the_champions_trials(store: FolderStore, tmp_path: Path) -> None:
    tuning = tuned(store)
    train(WEEK, tmp_path / "model", tuning)
    other = replace(WEEK, checks=WEEK.checks.model_copy(update={"snapshot": "c" * 64}))
    assert trial_runs(other, tmp_path / "model", store) == []


def test_the_report_says_which_settings_and_where_they_come_from(store: FolderStore) -> None:
    finalist = Finalist(
        trial=2, settings=FACTORS, screening_score=0.1, score=0.1, improvement=0.05, p_value=0.001
    )  # fmt: skip
    tuning = tuned(store, chosen=2, settings=FACTORS, finalists=(finalist,), reason="trial 2 errs 5.0% less")
    record = backtest(WEEK.history.draws, WEEK.market, horizon=1, tuning=tuning).evaluation
    told = " ".join(summarise_evaluation(record, Money("GBP", 2)).findings)
    assert "3 trials" in told
    assert "trial 2 errs 5.0% less" in told
    assert "level speed 2" in told

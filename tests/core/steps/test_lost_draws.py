"""A history that ends before what is known already is old or cut short: nothing is recommended on it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from jackpot.errors import InputError
from jackpot.history.contract import History
from jackpot.market.loading import LoadedMarket
from jackpot.steps.preprocess import preprocess, refuse_lost_draws
from jackpot.store import FolderStore
from tests.desk import AS_OF, a_week, leave_recommendation

TODAY = dt.date(2026, 11, 21)
WEEK = dt.timedelta(days=7)


def told(as_of: dt.date, uri: str = "england.csv") -> History:
    """Return the history whose last draw is the one before a day."""
    return replace(a_week(as_of).history, source_uri=uri)


@pytest.fixture
def known(tmp_path: Path) -> FolderStore:
    """A recommendation on a file of draws to AS_OF, then one for an earlier day, then one on synthetic draws."""
    store = FolderStore(tmp_path / "store")
    leave_recommendation(store, AS_OF, "england.csv")
    leave_recommendation(store, AS_OF - 9 * WEEK, "england.csv")
    leave_recommendation(store, AS_OF + WEEK, "synthetic")
    return store


def test_a_history_that_ends_before_draws_that_are_known_is_refused(known: FolderStore) -> None:
    with pytest.raises(InputError) as error:
        refuse_lost_draws(told(AS_OF - WEEK), known, TODAY)
    (problem,) = error.value.problems
    assert problem.where == "england.csv"
    assert f"{told(AS_OF - WEEK).draws['draw_date'].iloc[-1]:%Y-%m-%d}" in problem.found
    assert f"{told(AS_OF).draws['draw_date'].iloc[-1]:%Y-%m-%d}" in problem.allowed
    assert "--as-of" in problem.hint
    empty = replace(told(AS_OF), draws=told(AS_OF).draws.iloc[:0])
    with pytest.raises(InputError, match="no draw"):
        refuse_lost_draws(empty, known, TODAY)


@pytest.mark.parametrize("weeks", [0, 1, 2])
def test_a_correction_keeps_the_end_and_new_draws_move_it(weeks: int, known: FolderStore) -> None:
    history = told(AS_OF + weeks * WEEK)
    history.draws.loc[history.draws.index[5], "sales"] += 1
    refuse_lost_draws(history, known, TODAY)


def test_other_histories_and_draws_that_are_yet_to_come_say_nothing(known: FolderStore, tmp_path: Path) -> None:
    short = told(AS_OF - 2 * WEEK)
    refuse_lost_draws(replace(short, source_uri="synthetic"), known, TODAY)
    refuse_lost_draws(short, FolderStore(tmp_path / "none"), TODAY)
    # That a draw of a later day than today's was known is a mistake, which no file may have to repeat.
    refuse_lost_draws(short, known, AS_OF - 3 * WEEK)


def test_preprocess_refuses_it_unless_a_day_is_given(known: FolderStore, tmp_path: Path) -> None:
    from jackpot.canonical import sha256
    from jackpot.history.source import Source
    from jackpot.simulation.history import synthetic_csv

    week = a_week(AS_OF)
    loaded = LoadedMarket(week.market, Path("england.yaml"), week.market_data, sha256(week.market_data))
    lines = synthetic_csv(week.market).splitlines(keepends=True)
    source = Source("england.csv", b"".join(lines[:301]), None)
    paths = {name: tmp_path / name for name in ("snapshot", "market_file", "checks")}
    with pytest.raises(InputError, match="draws that an earlier recommendation knew"):
        preprocess(loaded, source, None, known, **paths, today=TODAY)
    assert not any(path.exists() for path in paths.values())
    assert preprocess(loaded, source, dt.date(2020, 1, 1), known, **paths, today=TODAY).as_of == "2020-01-01"

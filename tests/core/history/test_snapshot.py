"""A snapshot has the same bytes for the same draws, whatever file they came from, and gives them back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from jackpot.canonical import sha256
from jackpot.errors import InputError
from jackpot.history.contract import History
from jackpot.history.reading import read_history
from jackpot.history.snapshot import quarantine_csv, read_quarantine, read_snapshot, snapshot_bytes
from jackpot.history.source import Source
from jackpot.market.schema import Market
from tests.strategies.history import (
    HistoryFile,
    check_answer,
    csv_bytes,
    history_market,
    history_rows,
    mangled_history_files,
    parquet_bytes,
)

MARKET = history_market()


def history(data: bytes, market: Market = MARKET) -> History:
    return read_history(Source("tiny.csv", data), market)


def test_csv_and_parquet_of_the_same_draws_have_the_same_bytes() -> None:
    rows = history_rows(50)
    rows.loc[7, "paid5"] = np.nan
    forms = [
        history(csv_bytes(rows)),
        history(csv_bytes(rows.iloc[::-1])),
        history(
            csv_bytes(rows, history_market(delimiter=";", decimal=",", thousands=".")),
            history_market(delimiter=";", decimal=",", thousands="."),
        ),
        history(parquet_bytes(rows), history_market(format="parquet")),
        history(parquet_bytes(rows.astype({"won": "float32", "note": "category"})), history_market(format="parquet")),
        history(
            parquet_bytes(rows.assign(date=rows["date"].dt.strftime("%Y-%m-%d"))), history_market(format="parquet")
        ),
    ]
    assert len({snapshot_bytes(form) for form in forms}) == 1


def test_the_bytes_are_the_same_on_every_machine() -> None:
    data = snapshot_bytes(history(csv_bytes(history_rows(50))))
    assert sha256(data) == "faa7457d3e5a38d813f5d7d858d72b802ffce7834100b58292c87f93c5b59eed"


def test_a_snapshot_gives_back_every_figure_and_type() -> None:
    rows = history_rows(50)
    rows.loc[7, ["paid5", "won5"]] = np.nan
    draws = history(csv_bytes(rows)).draws
    back = read_snapshot(snapshot_bytes(history(csv_bytes(rows))), MARKET)
    pd.testing.assert_frame_equal(back, draws)
    assert back["winners:5"].isna().sum() == 1


def test_any_other_figure_gives_other_bytes() -> None:
    whole = history(csv_bytes(history_rows(50)))
    changed = whole.draws.copy()
    changed.loc[0, "sales"] += 0.01
    others = [replace(whole, draws=changed), replace(whole, next_jackpot=None)]
    assert len({snapshot_bytes(one) for one in (whole, *others)}) == 3


def test_a_snapshot_of_another_market_or_a_damaged_one_is_refused() -> None:
    data = snapshot_bytes(history(csv_bytes(history_rows(50))))
    other = MARKET.model_copy(update={"market": "other"})
    for bad, market in ((data, other), (data[:-9], MARKET), (b"", MARKET), (parquet_bytes(history_rows(5)), MARKET)):
        with pytest.raises(InputError):
            read_snapshot(bad, market)


def test_what_was_put_aside_comes_back_as_it_stood_in_the_file() -> None:
    data = csv_bytes(history_rows(50)).replace(b"4000000,2000000", b'"4,0\xc3\xa9 ""x""",2000000', 1)
    aside = history(data).quarantined
    assert aside["sales"].tolist() == ['4,0é "x"']
    pd.testing.assert_frame_equal(read_quarantine(quarantine_csv(history(data))), aside, check_dtype=False)
    assert read_quarantine(b"").empty


@settings(max_examples=60, deadline=None)
@given(mangled_history_files())
def test_any_file_ends_in_a_sound_history_or_in_problems_to_act_on(file: HistoryFile) -> None:
    check_answer(file)

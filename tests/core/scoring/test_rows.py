"""Which rows are scored and why the others are not, whatever the cells hold and whatever type they have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.errors import InputError
from jackpot.scoring.rows import Bounds, check, check_columns

BOUNDS = Bounds(1e4, 1e9, dt.date(2026, 1, 1), dt.date(2027, 1, 1))
DAY = dt.date(2026, 2, 7)
MIDNIGHTS = [
    "2026-02-07",
    " 2026-02-07",
    "2026-02-07 00:00:00",
    "2026-02-07T00:00:00.000000",
    "2026-02-07 00:00",
    DAY,
    dt.datetime(2026, 2, 7),  # noqa: DTZ001
]


def one(jackpot: Any, date: Any) -> str:
    batch = pa.RecordBatch.from_arrays([pa.array([jackpot, jackpot]), pa.array([date, date])], ["jackpot", "draw_date"])
    checked = check(batch, BOUNDS)
    reason = checked.reason(1)
    assert bool(checked.good[1]) == (reason == "")
    return reason


@pytest.mark.parametrize("jackpot", ["2e7", " 20000000 ", "+2.0E7", 20_000_000, 2e7, Decimal("20000000.00")])
@pytest.mark.parametrize("date", MIDNIGHTS)
def test_figures_are_taken_in_every_type_that_they_come_in(jackpot: Any, date: Any) -> None:
    assert one(jackpot, date) == ""


@pytest.mark.parametrize(
    ("jackpot", "date", "reason"),
    [
        ("abc", "2026-02-07", "jackpot: not a number"),
        ("1_000_000", "2026-02-07", "jackpot: not a number"),
        ("nan", "2026-02-07", "jackpot: not a number"),
        ("", "2026-02-07", "jackpot: missing"),
        (float("nan"), DAY, "jackpot: missing"),
        (-1.0, DAY, "jackpot: not above 0"),
        (0, DAY, "jackpot: not above 0"),
        (9_999.0, DAY, "jackpot: below 10,000"),
        (float("inf"), DAY, "jackpot: above 1,000,000,000"),
        ("1e999", "2026-02-07", "jackpot: above"),
        (2e7, "2026-02-30", "draw_date: no such date"),
        (2e7, "20260207", "draw_date: no such date"),
        (2e7, "07/02/2026", "draw_date: no such date"),
        (2e7, " ", "draw_date: missing"),
        (2e7, dt.datetime(2026, 2, 7, 20, 0), "draw_date: a time of day"),  # noqa: DTZ001
        (2e7, "2026-02-07 05:00:00", "draw_date: a time of day"),
        (2e7, "2026-02-07T00:00:00.001", "draw_date: a time of day"),
        (2e7, "2026-02-07 00:00:00+01:00", "draw_date: no such date"),
        (2e7, "2026-02-30 00:00:00", "draw_date: no such date"),
        (2e7, "2026-02-07 25:00:00", "draw_date: no such date"),
        (2e7, dt.date(2025, 12, 31), "draw_date: before 2026-01-01"),
        (2e7, "2027-01-02", "draw_date: after 2027-01-01"),
    ],
)
def test_a_bad_row_says_why(jackpot: Any, date: Any, reason: str) -> None:
    assert one(jackpot, date).startswith(reason)


def test_nulls_are_missing() -> None:
    dates = pa.array([DAY, None], type=pa.date32())
    batch = pa.RecordBatch.from_arrays([pa.array([None, 2e7]), dates], ["jackpot", "draw_date"])
    checked = check(batch, BOUNDS)
    assert [checked.reason(0), checked.reason(1)] == ["jackpot: missing", "draw_date: missing"]


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_text_raises_and_none_that_is_nonsense_is_scored(cells: list[tuple[str, str]]) -> None:
    columns = [pa.array(list(column)) for column in zip(*cells, strict=True)]
    checked = check(pa.RecordBatch.from_arrays(columns, ["jackpot", "draw_date"]), BOUNDS)
    for row, (jackpot, date) in enumerate(cells):
        if checked.good[row]:
            assert BOUNDS.smallest <= float(jackpot) <= BOUNDS.largest
            assert BOUNDS.first <= dt.date.fromisoformat(date.strip()[:10]) <= BOUNDS.last
        else:
            assert checked.reason(row)
    assert checked.good.dtype == np.bool_


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"jackpot": pa.float64()}, "draw_date: the column is missing"),
        ({"jackpot": pa.bool_(), "draw_date": pa.date32()}, "jackpot: of the wrong type"),
        ({"jackpot": pa.int64(), "draw_date": pa.int64()}, "draw_date: of the wrong type"),
        ({"jackpot": pa.int64(), "draw_date": pa.date32(), "mean": pa.int64()}, "mean: the result has a column"),
    ],
)
def test_columns_that_cannot_be_scored_are_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_columns(pa.schema(list(fields.items())), "rows.parquet", ("mean",))


def test_a_column_that_stands_twice_is_named() -> None:
    schema = pa.schema([("jackpot", pa.int64()), ("draw_date", pa.date32()), ("x", pa.int64()), ("x", pa.int64())])
    with pytest.raises(InputError, match="x: the column stands twice"):
        check_columns(schema, "rows.parquet", ())

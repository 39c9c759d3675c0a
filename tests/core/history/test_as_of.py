"""A run sees the draws before its day, and nothing after it changes anything."""

from __future__ import annotations

import datetime as dt

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from jackpot.errors import InputError
from jackpot.history.as_of import resolve_as_of
from jackpot.history.reading import read_history
from jackpot.history.snapshot import quarantine_csv, snapshot_bytes
from jackpot.history.source import Source
from tests.strategies.history import csv_bytes, history_market, history_rows, parquet_bytes

ROWS = history_rows(60)
SEEN = 40
DAY = ROWS["date"][SEEN].date()


def seen(data: bytes, **form: str) -> tuple[bytes, object, bytes]:
    history = read_history(Source("tiny.csv", data), history_market(**form), DAY)
    return snapshot_bytes(history), history.problems, quarantine_csv(history)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_nothing_on_or_after_the_day_changes_anything(data: st.DataObject) -> None:
    header, *lines = csv_bytes(ROWS).decode().splitlines()
    lines[5] = lines[5].replace("ordinary", '"ordinary')  # what is wrong before the day is told all the same
    known = seen("\n".join([header, *lines[:SEEN], ""]).encode())
    later = data.draw(st.permutations(lines[SEEN:]))
    spoiled = []
    for line in later:
        number, date, rest = line.split(",", 2)
        kind = data.draw(st.sampled_from(["none", "text", "cut", "long", "quote", "nul", "bytes", "twice", "gone"]))
        spoiled += {
            "none": [line],
            "text": [f"{number},{date},much,{rest}"],
            "cut": [f"{number},{date}"],
            "long": [f"{line},1,2,3"],
            "quote": [f'{number},{date},"{rest}'],
            "nul": [f"{number},{date},\0{rest}"],
            "bytes": [f"{number},{date},{rest}\udcff\udcfe"],
            "twice": [line, f"{number},{date},1{rest}"],
            "gone": [],
        }[kind]
    text = "\n".join([header, *lines[:SEEN], *spoiled, ""])
    assert seen(text.encode("utf-8", errors="surrogateescape")) == known


def test_a_later_row_without_a_readable_date_stands_among_its_neighbours() -> None:
    lines = csv_bytes(ROWS).decode().splitlines(keepends=True)
    known = seen("".join(lines).encode())
    spoiled = [*lines[: SEEN + 5], "146,2025-\n", *lines[SEEN + 6 : -1], lines[-1][:6]]
    assert seen("".join(spoiled).encode()) == known
    newest_first = [lines[0], "161,20\n", *reversed(lines[1:])]
    assert seen("".join(newest_first).encode())[0] == known[0]


def test_text_in_a_later_row_of_a_parquet_file_changes_nothing() -> None:
    known = seen(parquet_bytes(ROWS), format="parquet")
    text = ROWS["sales"].map(repr)
    text[SEEN + 3] = "much"
    assert seen(parquet_bytes(ROWS.assign(sales=text)), format="parquet") == known
    assert seen(csv_bytes(ROWS))[0] == known[0]


def test_the_day_itself_is_not_seen() -> None:
    history = read_history(Source("tiny.csv", csv_bytes(ROWS)), history_market(), DAY)
    assert history.draws["draw_date"].max() == ROWS["date"][SEEN - 1]
    np.testing.assert_array_equal(history.next_jackpot, ROWS["jackpot"][SEEN])


def test_an_empty_day_is_the_one_after_the_last_draw() -> None:
    assert resolve_as_of("", dt.date(2026, 2, 28)) == dt.date(2026, 3, 1)
    assert resolve_as_of(" ") is None
    assert resolve_as_of("2026-01-31", dt.date(2026, 2, 28)) == dt.date(2026, 1, 31)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "31/01/2026", "20260131", "2026-W05-6", "today", "٢٠٢٦-01-31", "2026-01-31T00:00"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no date"):
        resolve_as_of(text)

"""Draw histories for tests: a small market, a file of it in any form, and the same file mangled."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jackpot.errors import InputError, Problem
from jackpot.history.contract import DRAW_COLUMNS, History
from jackpot.history.reading import read_history
from jackpot.history.snapshot import quarantine_csv, read_quarantine, read_snapshot, snapshot_bytes
from jackpot.history.source import Source
from jackpot.market.schema import Market

COLUMNS = {
    "draw_date": "date",
    "sales": "sales",
    "jackpot": "jackpot",
    "draw": "number",
    "jackpot_prizes": {"winners": "won", "prize_each": "prize"},
    "tier_prizes": {"5": {"winners": "won5", "paid": "paid5"}},
    "pool": "pool",
    "next_jackpot": "next",
}


def history_market(**history: Any) -> Market:
    """A rollover game drawn on Wednesdays and Saturdays, with a special at year's end."""
    return Market.model_validate(
        {
            "market": "tiny",
            "title": "Tiny",
            "country": "GB",
            "currency": "GBP",
            "prices": [{"starts": "2020-01-01", "price": 2.0}],
            "game": {
                "payout": "rollover",
                "jackpot_odds_one_in": 10_000_000.0,
                "tiers": [{"name": "5", "odds_one_in": 50_000.0, "prize": 20_000.0}],
                "pool": {"share_of_sales": 0.3},
            },
            "jackpot": {"start": 2e6, "cap": 60e6, "step": 1e5},
            "calendar": {
                "time_zone": "Europe/London",
                "draw_days": [{"starts": "2020-01-01", "weekdays": ["wed", "sat"]}],
                "specials": [{"name": "new_year", "month_day": "12-31"}],
            },
            "history": {"uri": "tiny.csv", "columns": COLUMNS, **history},
        }
    )


def history_rows(count: int = 40, first: str = "2025-01-01") -> pd.DataFrame:
    """A valid history of that market: one row a draw, columns as `COLUMNS` names them and one that nobody reads."""
    start = pd.Timestamp(first)
    days = [day for day in pd.date_range(start, periods=4 * count + 7) if day.dayofweek in (2, 5)][:count]
    i = np.arange(count)
    jackpot = 2e6 + 1e6 * (i % 8)
    sales = np.round(4e6 * (jackpot / 2e6) ** 0.4 + 1000.25 * i, 2)
    return pd.DataFrame(
        {
            "number": i + 101,
            "date": days,
            "sales": sales,
            "jackpot": jackpot,
            "won": (i % 8 == 7).astype(int),
            "prize": np.where(i % 8 == 7, jackpot, 0.0),
            "won5": 20 + i % 5,
            "paid5": 20_000.0 * (20 + i % 5),
            "pool": np.round(0.3 * sales, 2),
            "next": 2e6 + 1e6 * ((i + 1) % 8),
            "note": "ordinary",
        }
    )


def csv_bytes(rows: pd.DataFrame, market: Market | None = None) -> bytes:
    """The rows as a CSV file in the form that the market file states."""
    form = (market or history_market()).history
    text = rows.copy()
    for name in rows.columns:
        if rows[name].dtype.kind in "if":
            text[name] = [_number(value, form.decimal, form.thousands) for value in rows[name]]
        elif rows[name].dtype.kind == "M":
            text[name] = rows[name].dt.strftime(form.date_format)
    written: str = text.to_csv(index=False, sep=form.delimiter, lineterminator="\n")
    return written.encode(form.encoding)


def _number(value: float, decimal: str, thousands: str) -> str:
    if value != value:
        return ""
    text = f"{value:,.2f}" if value % 1 else f"{value:,.0f}"
    return text.translate(str.maketrans({",": thousands, ".": decimal}))


def parquet_bytes(rows: pd.DataFrame) -> bytes:
    """The rows as a Parquet file with true types."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(rows, preserve_index=False), buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class HistoryFile:
    """A file, the market that says how to read it, and the day asked for."""

    data: bytes
    market: Market
    as_of: dt.date | None


_FORMS: list[dict[str, Any]] = [
    {},
    {"delimiter": ";", "decimal": ",", "thousands": "."},
    {"delimiter": "\t", "thousands": " "},
    {"thousands": ","},
    {"date_format": "%d/%m/%Y"},
    {"encoding": "utf-16"},
    {"encoding": "latin-1", "money_unit": 1000},
    {"starts": "2025-02-01"},
]
_CELLS = st.one_of(
    st.sampled_from(
        ["", "-5", "0", "abc", "1.234,56", "1,234.56", "1e400", "-inf", "nan", "1_000", "٣", "4e9", "4000", "é"]
    ),
    st.sampled_from(
        ["now", "today", "2026-02-30", "31/01/2025", "9999-12-31", "0001-01-01", "2025-01-01", '"', "a\nb", "\0"]
    ),
    st.text(max_size=8),
    st.floats().map(str),
)


@st.composite
def mangled_history_files(draw: st.DrawFn) -> HistoryFile:
    """History files with anything wrong with them, from one cell to the whole form; some are whole."""
    rows = history_rows(draw(st.integers(1, 30)))
    market = history_market(**draw(st.sampled_from(_FORMS)))
    as_of = draw(st.one_of(st.none(), st.dates(dt.date(2024, 12, 1), dt.date(2025, 6, 1))))
    if draw(st.booleans()):
        rows["date"] = rows["date"].dt.strftime(market.history.date_format)
    if draw(st.integers(0, 3)) == 0:
        dropped = draw(st.lists(st.sampled_from(list(rows.columns)), max_size=2, unique=True))
        rows = rows.drop(columns=dropped)
    if draw(st.integers(0, 3)) == 0:
        rows = rows.iloc[draw(st.lists(st.integers(0, len(rows) - 1), max_size=len(rows)))].reset_index(drop=True)
    if draw(st.integers(0, 9)) == 0:
        rows = rows.rename(
            columns={draw(st.sampled_from(list(rows.columns))): draw(st.sampled_from(["sales", "", "x,y"]))}
        )
    if len(rows) and draw(st.booleans()):
        rows = rows.map(lambda cell: f"{cell:%Y-%m-%d}" if isinstance(cell, pd.Timestamp) else cell).astype(object)
        for _ in range(draw(st.integers(1, 3))):
            row, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, rows.shape[1] - 1))
            rows.iat[row, column] = draw(_CELLS)
    if draw(st.integers(0, 3)) == 0:
        market = history_market(format="parquet") if draw(st.integers(0, 4)) else market
        unique = rows.loc[:, ~rows.columns.duplicated()]
        data = parquet_bytes(unique.apply(lambda column: column.map(str) if column.dtype == object else column))
    else:
        written = history_market(**draw(st.sampled_from(_FORMS))) if draw(st.integers(0, 3)) == 0 else market
        data = rows.to_csv(index=False, sep=written.history.delimiter).encode(
            written.history.encoding, errors="replace"
        )
        if draw(st.booleans()) and not rows.empty and not rows.columns.duplicated().any():
            data = csv_bytes(rows, market) if market.history.encoding != "latin-1" else data
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        position = draw(st.integers(0, len(data)))
        noise = draw(st.binary(max_size=4))
        data = data[:position] + noise + data[position + draw(st.integers(0, 4)) :]
    if draw(st.integers(0, 3)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.integers(0, 7)) == 0:
        data = draw(st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1", b"PK\3\4", b"\n\n", b"\0"])) + data
    return HistoryFile(data, market, as_of)


def check_answer(file: HistoryFile) -> None:
    """Assert that a file ends in a history that keeps the contract, or in problems that a reader can act on."""
    problems: Sequence[Problem]
    try:
        found = read_history(Source("tiny.csv", file.data), file.market, file.as_of)
        problems = found.problems
    except InputError as error:
        found, problems = None, error.problems
    assert found or 1 <= len(problems) <= 22
    for problem in problems:
        assert problem.severity == ("warning" if found else "error")
        assert str(problem).isprintable()
        assert len(str(problem)) < 1000
    if found is not None:
        check_contract(found, file)


def check_contract(found: History, file: HistoryFile) -> None:
    """Assert that a history that was read keeps every promise of the contract."""
    draws = found.draws
    assert list(draws.columns)[: len(DRAW_COLUMNS)] == list(DRAW_COLUMNS)
    assert len(draws) >= 1
    assert draws["draw_date"].is_monotonic_increasing
    assert draws["draw_date"].is_unique
    assert draws["draw"].is_monotonic_increasing
    assert draws["draw"].is_unique
    assert (draws[["sales", "jackpot"]] > 0).all(axis=None)
    assert np.isfinite(draws[["sales", "jackpot"]]).all(axis=None)
    assert not (draws[["jackpot_paid", "secondary_paid", "pool"]] < 0).any(axis=None)
    if file.as_of is not None:
        assert (draws["draw_date"] < pd.Timestamp(file.as_of)).all()
    data = snapshot_bytes(found)
    pd.testing.assert_frame_equal(read_snapshot(data, file.market), draws)
    assert len(read_quarantine(quarantine_csv(found))) == len(found.quarantined)

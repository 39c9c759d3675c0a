"""Cells to values: a column's numbers, counts and dates, and which cells hold none."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import HistorySource

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LARGEST = 1e15
"""No money figure and no count is larger: beyond it a float no longer tells units apart."""
FIRST_YEAR, LAST_YEAR = 1900, 2200
_NONE = frozenset({"", "na", "n/a", "nan", "nat", "null", "none"})
_DATE_FORMATS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d/%m/%y",
)
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'"})


@dataclass(frozen=True)
class Fault:
    """Cells with one kind of fault: where (a mask over rows), what is wrong, what is allowed, what to do."""

    mask: Bools
    message: str
    allowed: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Numbers:
    """A column as float64, NaN where a cell is empty (`missing`) or at fault."""

    values: Floats
    missing: Bools
    faults: list[Fault] = field(default_factory=list)


def shown(cell: str) -> str:
    """Return text of the file for a message: short, and without signs that a terminal would obey."""
    if not cell.strip():
        return "an empty cell"
    return cell if cell.isprintable() and len(cell) <= 60 else f"{cell[:60]!a}{'...' if len(cell) > 60 else ''}"


def as_text(column: pd.Series[Any]) -> list[str]:
    """Return a column's cells as a reader of the file would see them; empty where there is none."""
    if column.dtype == np.float64:
        return ["" if value != value else repr(value).removesuffix(".0") for value in column.tolist()]
    if column.dtype.kind == "M":
        times: list[str] = column.dt.strftime("%Y-%m-%d %H:%M:%S").str.removesuffix(" 00:00:00").fillna("").to_list()
        return times
    return list(map(str, column.tolist()))


def number_pattern(form: HistorySource) -> re.Pattern[str]:
    """Return what a number looks like with the file's decimal and thousands marks."""
    groups = rf"[0-9]{{1,3}}(?:{re.escape(form.thousands)}[0-9]{{3}})+|" if form.thousands else ""
    point = re.escape(form.decimal)
    return re.compile(rf"[+-]?(?:(?:{groups}[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?")


def parse_numbers(column: pd.Series[Any], form: HistorySource) -> Numbers:
    """Return a column's numbers; text, infinities and figures over 1e15 are faults."""
    faults: list[Fault] = []
    if column.dtype == np.float64:
        values = column.to_numpy(dtype=np.float64, copy=True)
        missing = np.isnan(values)
    else:
        cells = [cell.translate(_SPACES).strip() for cell in as_text(column)]
        missing = np.array([cell.lower() in _NONE for cell in cells], dtype=bool)
        matches = number_pattern(form).fullmatch
        text = np.array([matches(cell) is None for cell in cells], dtype=bool) & ~missing
        plain = str.maketrans(form.decimal, ".", form.thousands)
        values = np.array(
            [np.nan if bad else float(cell.translate(plain)) for cell, bad in zip(cells, text | missing, strict=True)]
        )
        example = f"1{form.thousands}234{form.decimal}56"
        if text.any():
            first = cells[int(np.flatnonzero(text)[0])]
            faults.append(Fault(text, "is no number", f"as in {example}", _marks_hint(first, form)))
    large = np.abs(values) > LARGEST
    if large.any():
        faults.append(Fault(large, "is too large to be a figure of a draw", f"up to {LARGEST:.0e}"))
        values[large] = np.nan
    return Numbers(values + 0.0, missing, faults)  # + 0.0 turns -0.0, which has other bytes, into 0.0


def _marks_hint(cell: str, form: HistorySource) -> str:
    for decimal, thousands in ((",", "."), (".", ","), (",", " "), (".", " "), (",", ""), (".", "")):
        other = form.model_copy(update={"decimal": decimal, "thousands": thousands})
        if number_pattern(other).fullmatch(cell):
            return f"perhaps history.decimal: {decimal!r} and history.thousands: {thousands!r}"
    return ""


@dataclass(frozen=True)
class Dates:
    """A column as datetime64[ns] at midnight, NaT where a cell is empty or no date."""

    values: pd.Series[pd.Timestamp]
    fault: Fault


def parse_dates(column: pd.Series[Any], form: HistorySource, time_zone: str) -> Dates:
    """Return a column's dates in the market's time zone; raise ValueError where the format itself is none."""
    if column.dtype.kind == "M":
        times = column.dt.tz_convert(time_zone).dt.tz_localize(None) if column.dt.tz is not None else column
        cells: list[str] = []
    else:
        cells = [cell.strip() for cell in as_text(column)]
        # pandas reads "now" and "today" off the wall clock in any format: a date has digits.
        dated = [cell if any("0" <= sign <= "9" for sign in cell) else "" for cell in cells]
        zoned = "%z" in form.date_format.lower()
        times = pd.to_datetime(pd.Series(dated, dtype=object), format=form.date_format, errors="coerce", utc=zoned)
        if times.dt.tz is not None:
            times = times.dt.tz_convert(time_zone).dt.tz_localize(None)
    years = times.dt.year
    values = times.where((years >= FIRST_YEAR) & (years <= LAST_YEAR)).astype("datetime64[ns]").dt.normalize()
    bad = values.isna().to_numpy()
    first = cells[int(np.flatnonzero(bad)[0])] if bad.any() and cells else ""
    allowed = f"{form.date_format}, as in {dt.date(2026, 1, 31).strftime(form.date_format)}"
    return Dates(values, Fault(bad, "is no date", allowed, _date_hint(first, form)))


def _date_hint(cell: str, form: HistorySource) -> str:
    for known in _DATE_FORMATS:
        try:
            dt.datetime.strptime(cell, known)  # noqa: DTZ007
        except ValueError:
            continue
        if known != form.date_format:
            return f"perhaps history.date_format: {known!r}"
    return "there is no such day" if re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}", cell) else ""

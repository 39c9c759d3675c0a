"""Which rows can be scored: every jackpot and date of a chunk checked at once, and why the others cannot."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ..demand.base import Array
from ..errors import InputError, Problem
from .curves import EPOCH, Days

if TYPE_CHECKING:
    import pyarrow as pa

_ISO: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(\.[0-9]{1,9})?)?")
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_FAR: Final = 1_000_000
MISSING: Final = np.iinfo(np.int32).min
NO_DATE: Final = MISSING + 1
TIME_OF_DAY: Final = MISSING + 2

JACKPOT_MISSING = "jackpot: missing"
JACKPOT_NO_NUMBER = "jackpot: not a number; allowed: digits with a decimal point, such as 20000000"
JACKPOT_NOT_POSITIVE = "jackpot: not above 0"
DATE_MISSING = "draw_date: missing"
DATE_NO_DATE = "draw_date: no such date; allowed: YYYY-MM-DD"
DATE_TIME_OF_DAY = "draw_date: a time of day; allowed: a date, or a timestamp at midnight"


@dataclass(frozen=True)
class Bounds:
    """What a model can be asked for: jackpots and days, ends included."""

    smallest: float
    largest: float
    first: dt.date
    last: dt.date


@dataclass(frozen=True)
class Checked:
    """The figures of n rows; `good` are those that can be scored."""

    jackpots: Array
    days: Days
    good: npt.NDArray[np.bool_]
    garbled: npt.NDArray[np.bool_]
    """Rows whose jackpot is text that is no number."""
    bounds: Bounds

    def reason(self, row: int) -> str:
        """Return the first thing wrong with a row; empty for a good one."""
        jackpot, day, bounds = self.jackpots[row], int(self.days[row]), self.bounds
        for wrong, why in (
            (self.garbled[row], JACKPOT_NO_NUMBER),
            (np.isnan(jackpot), JACKPOT_MISSING),
            (jackpot <= 0, JACKPOT_NOT_POSITIVE),
            (jackpot < bounds.smallest, f"jackpot: below {bounds.smallest:,.15g}"),
            (jackpot > bounds.largest, f"jackpot: above {bounds.largest:,.15g}"),
            (day == MISSING, DATE_MISSING),
            (day == NO_DATE, DATE_NO_DATE),
            (day == TIME_OF_DAY, DATE_TIME_OF_DAY),
            (day < _day_number(bounds.first), f"draw_date: before {bounds.first}, from where the market is seen"),
            (day > _day_number(bounds.last), f"draw_date: after {bounds.last}, too far ahead"),
        ):
            if wrong:
                return why
        return ""


def check_columns(schema: Any, where: str, added: tuple[str, ...]) -> None:
    """Raise InputError where a file's columns cannot be scored.

    It needs `jackpot` (number or text) and `draw_date` (date, timestamp or text), each column once, and none that the
    result adds.
    """
    import pyarrow.types as types

    names = list(schema.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    problems = [Problem("the column stands twice", where, field=name) for name in twice]
    problems += [
        Problem("the result has a column of this name", where, field=name, hint="rename the column")
        for name in names
        if name in added
    ]
    number = (types.is_integer, types.is_floating, types.is_decimal, types.is_string, types.is_large_string)
    day = (types.is_date, types.is_timestamp, types.is_string, types.is_large_string)
    for name, kinds, allowed in (
        ("jackpot", number, "numbers, or text of numbers"),
        ("draw_date", day, "dates, timestamps, or text as YYYY-MM-DD"),
    ):
        if name not in names:
            problems.append(
                Problem("the column is missing", where, field=name, found=", ".join(names[:20]), allowed=allowed)
            )
        elif names.count(name) == 1 and not any(is_kind(schema.field(name).type) for is_kind in kinds):
            problems.append(
                Problem("of the wrong type", where, field=name, found=str(schema.field(name).type), allowed=allowed)
            )
    if problems:
        raise InputError(problems)


def check(chunk: pa.RecordBatch, bounds: Bounds) -> Checked:
    """Return the figures of a chunk's rows and which of them can be scored. Nothing raises, whatever the cells hold."""
    jackpots, garbled = _numbers(chunk.column("jackpot"))
    days = _days(chunk.column("draw_date"))
    good = (jackpots >= bounds.smallest) & (jackpots <= bounds.largest)
    good &= (days >= _day_number(bounds.first)) & (days <= _day_number(bounds.last))
    return Checked(jackpots, days, good, garbled, bounds)


def with_figures(batch: pa.RecordBatch, jackpots: Array, days: Days) -> pa.RecordBatch:
    """Return a batch of good rows with the jackpots and dates that came as text as float64 and date32."""
    import pyarrow as pa

    figures = {"jackpot": pa.array(jackpots), "draw_date": pa.array(days, type=pa.int32()).view(pa.date32())}
    for name, array in figures.items():
        place = batch.schema.get_field_index(name)
        if pa.types.is_string(batch.schema.types[place]) or pa.types.is_large_string(batch.schema.types[place]):
            batch = batch.set_column(place, name, array)
    return batch


def _day_number(date: dt.date) -> int:
    return date.toordinal() - EPOCH


def _numbers(column: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    garbled = np.zeros(len(column), dtype=bool)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        trimmed = pc.utf8_trim_whitespace(column)
        trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        matches = pc.match_substring_regex(trimmed, _NUMBER)
        garbled = ~pc.fill_null(matches, True).to_numpy(zero_copy_only=False)
        column = pc.if_else(matches, trimmed, None)
    numbers: Array = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers, garbled


def _days(column: Any) -> Days:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        coded = column.dictionary_encode()
        known = np.array([*(_day(text) for text in coded.dictionary.to_pylist()), MISSING], dtype=np.int32)
        codes = coded.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(known[codes], dtype=np.int32)
    if pa.types.is_timestamp(kind):
        nanoseconds = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        ticks = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        whole, rest = np.divmod(ticks, 86_400 * 10**9 // nanoseconds)
        days = np.where(rest != 0, TIME_OF_DAY, whole)
        days = np.where(np.abs(whole) > _FAR, NO_DATE, days).astype(np.int32)
    elif pa.types.is_date64(kind):
        days = column.cast(pa.date32(), safe=False).cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
    else:
        days = column.cast(pa.int32()).fill_null(0).to_numpy(zero_copy_only=False)
    if column.null_count:
        days = np.where(pc.is_null(column).to_numpy(zero_copy_only=False), MISSING, days)
    return np.asarray(days, dtype=np.int32)


def _day(text: str) -> int:
    stripped = text.strip()
    if not stripped:
        return MISSING
    found = _ISO.fullmatch(stripped)
    if not found:
        return NO_DATE
    date, time, fraction = found.groups(default="")
    try:
        day = dt.date.fromisoformat(date).toordinal() - EPOCH
        midnight = not time or dt.time.fromisoformat(time) == dt.time.min
    except ValueError:
        return NO_DATE
    return day if midnight and not fraction.strip(".0") else TIME_OF_DAY

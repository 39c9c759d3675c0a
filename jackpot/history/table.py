"""A history's bytes as a table of cells, each row by itself: damage in one row never reaches another.

CSV is read as text, one line a row, so that every bad cell can be named and a broken quote or byte spoils its own
line only. What comes after the day a run looks at can therefore not change what comes before.
"""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import HistorySource
from .cells import shown
from .source import Source

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_FIRST_DRAW = "a failed export? A market that has held no draw yet says so: history.starts_empty: true"
_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Table:
    """Cells as read. `row` counts as a spreadsheet does (the header is row 1); `damage` says why a row is broken.

    CSV cells are text; a Parquet column keeps its own type where it is a number or a time. `garbled` marks rows with
    bytes that the encoding does not know; `unterminated` the last row of a file without a line break at its end.
    """

    cells: pd.DataFrame
    row: Ints
    damage: npt.NDArray[np.object_]
    garbled: Bools
    unterminated: Bools
    warnings: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: npt.NDArray[Any]) -> Table:
        """Return the rows at these positions, or where this mask holds, in this order."""
        return replace(
            self,
            cells=self.cells.iloc[which].reset_index(drop=True),
            row=self.row[which],
            damage=self.damage[which],
            garbled=self.garbled[which],
            unterminated=self.unterminated[which],
        )


def read_table(source: Source, form: HistorySource) -> Table:
    """Read a file in the form that the market file states; raise InputError where it is no such file at all."""
    if not source.data.strip(b"\0 \t\r\n"):
        raise InputError(Problem("the file is empty", where=source.uri, found=f"{len(source.data)} bytes"))
    return _parquet(source, form) if form.format == "parquet" else _csv(source, form)


def _decode(source: Source, form: HistorySource) -> tuple[str, list[Problem]]:
    data, where, warnings = source.data, source.uri, []
    try:
        declared = codecs.lookup(form.encoding).name
        wide = declared.startswith(("utf-16", "utf-32"))
        if data.startswith(_WIDE_MARKS) and not wide:
            raise InputError(
                Problem(
                    "the file is in another encoding",
                    where,
                    found="the byte-order mark of UTF-16 or UTF-32",
                    allowed=form.encoding,
                    hint="save it as UTF-8, or say history.encoding: utf-16",
                )
            )
        if data.startswith(codecs.BOM_UTF8) and declared != "utf-8-sig":
            data = data.removeprefix(codecs.BOM_UTF8)
            hint = "" if declared == "utf-8" else f"it says UTF-8, and history.encoding says {form.encoding}"
            warnings.append(Problem("a byte-order mark was skipped", where, row=1, hint=hint, severity="warning"))
        if data.startswith((b"PAR1", b"PK\3\4")):
            kind = "a Parquet file" if data.startswith(b"PAR1") else "an Excel workbook or a ZIP archive"
            hint = "say history.format: parquet" if data.startswith(b"PAR1") else "save it as CSV"
            raise InputError(Problem("this is no CSV file", where, found=kind, hint=hint))
        text = data.decode(form.encoding, errors="replace")
    except (LookupError, UnicodeError) as error:
        problem = Problem(
            "cannot decode", where, "history.encoding", None, str(error), "e.g. utf-8, latin-1, cp1252, utf-16"
        )
        raise InputError(problem) from None
    return text.removeprefix("\ufeff"), warnings


def _csv(source: Source, form: HistorySource) -> Table:
    where, delimiter = source.uri, form.delimiter
    if delimiter in '"\r\n':
        raise InputError(
            Problem("no such delimiter", where, "history.delimiter", None, repr(delimiter), "e.g. , ; or tab")
        )
    text, warnings = _decode(source, form)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    blank = " \t" + delimiter
    kept = [(number, line) for number, line in enumerate(lines, 1) if line.strip(blank)]
    if not kept:
        raise InputError(Problem("the file is empty", where, found=f"{len(lines)} blank lines"))
    header_row, header_line = kept[0]
    header = _header(header_line, delimiter, where, header_row)
    kept = kept[1:]
    if not kept and not form.starts_empty:
        raise InputError(Problem("the file has a header and no rows", where, row=header_row, hint=_FIRST_DRAW))

    width = len(header)
    fields: list[list[str]] = []
    damage = np.full(len(kept), "", dtype=object)
    for position, (_, line) in enumerate(kept):
        cells = line.split(delimiter)
        if '"' in line:
            try:
                cells = next(csv.reader([line], delimiter=delimiter, strict=True))
            except csv.Error:
                damage[position] = "quotes do not balance"
        if len(cells) != width:
            extra = any(cell.strip() for cell in cells[width:])
            if (len(cells) < width or extra) and not damage[position]:
                damage[position] = f"has {len(cells)} fields where the header has {width}"
            cells = (cells + [""] * width)[:width]
        if "\0" in line:
            damage[position] = "holds NUL bytes"
        fields.append(cells)

    last = np.zeros(len(kept), dtype=bool)
    last[-1:] = bool(lines[-1].strip(blank))
    columns = dict(enumerate(zip(*fields, strict=True))) if fields else dict.fromkeys(range(width), ())
    return Table(
        cells=pd.DataFrame(columns, dtype=object).set_axis(header, axis=1),
        row=np.array([number for number, _ in kept], dtype=np.int64),
        damage=damage,
        garbled=np.array(["\ufffd" in line for _, line in kept], dtype=bool),
        unterminated=last,
        warnings=tuple(warnings),
    )


def _header(line: str, delimiter: str, where: str, row: int) -> list[str]:
    if "\0" in line:
        hint = "if it is UTF-16, say history.encoding: utf-16-le"
        raise InputError(Problem("the header holds NUL bytes", where, row=row, hint=hint))
    try:
        names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise InputError(Problem("the header cannot be read", where, row=row, found=str(error))) from None
    while names and not names[-1]:
        names.pop()
    others = [mark for mark in ",;\t|" if mark != delimiter and mark in line]
    if len(names) <= 1 and others:
        hint = f"say history.delimiter: {others[0]!r}"
        raise InputError(Problem("the header is a single field", where, row=row, found=shown(line), hint=hint))
    if not names:
        raise InputError(Problem("the header names no column", where, row=row, found=shown(line)))
    return names


def _parquet(source: Source, form: HistorySource) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One thread: on a damaged page pyarrow's readers outlive the interpreter and abort it.
        table = pq.ParquetFile(pa.BufferReader(source.data)).read(use_threads=False)
        columns = [_parquet_column(column) for column in table.columns]
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        found = "no Parquet file" if not source.data.startswith(b"PAR1") else shown(str(error))
        hint = "say history.format: csv" if not source.data.startswith(b"PAR1") else "was it cut short?"
        raise InputError(Problem("the Parquet file cannot be read", source.uri, found=found, hint=hint)) from None
    size = table.num_rows
    if size == 0 and not form.starts_empty:
        raise InputError(Problem("the file has columns and no rows", source.uri, hint=_FIRST_DRAW))
    return Table(
        cells=pd.DataFrame(dict(enumerate(columns))).set_axis([name.strip() for name in table.column_names], axis=1),
        row=np.arange(2, size + 2, dtype=np.int64),
        damage=np.full(size, "", dtype=object),
        garbled=np.zeros(size, dtype=bool),
        unterminated=np.zeros(size, dtype=bool),
    )


def _parquet_column(column: Any) -> pd.Series[Any]:
    """Return numbers as float64, times as datetime64[s] (in UTC where they have a zone), all else as text."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pd.Series(column.cast(pa.float64(), safe=False).to_numpy(), dtype="float64")
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        zoned = pa.types.is_timestamp(kind) and kind.tz is not None
        seconds = column.cast(pa.timestamp("s", tz="UTC" if zoned else None), safe=False)
        times = pd.Series(seconds.cast(pa.timestamp("s")).to_numpy().astype("datetime64[s]"))
        return times.dt.tz_localize("UTC") if zoned else times
    return pd.Series(["" if value is None else str(value) for value in column.to_pylist()], dtype=object)

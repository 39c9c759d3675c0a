"""A file of any size as chunks of rows: Parquet by row groups, CSV by lines; only one chunk is in memory."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..errors import InputError, Problem
from .contract import CHUNK_ROWS, SHARD_ROWS, File, Format, Span

if TYPE_CHECKING:
    import pyarrow as pa

PIECE: Final = 1 << 22
"""Bytes read at once while hashing."""
LONGEST_LINE: Final = 1 << 20


@dataclass(frozen=True)
class Broken:
    """A line that is no row: its place among the rows, counted from 0, the line, and why."""

    row: int
    text: str
    reason: str


@dataclass(frozen=True)
class Chunk:
    """Up to CHUNK_ROWS rows; `rows` are their places among all rows, None where they follow `first` one by one."""

    batch: pa.RecordBatch
    first: int
    rows: list[int] | None = None
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """A file as it was found: its columns, the hash of its bytes, and its rows cut into shards."""

    schema: Any
    sha256: str
    rows: int
    shards: tuple[Span, ...]


def format_of(uri: str) -> Format:
    """Return a file's format by its name; raise InputError for a name that tells none."""
    for ending, form in ((".csv", "csv"), (".parquet", "parquet"), (".pq", "parquet")):
        if uri.lower().endswith(ending):
            return "csv" if form == "csv" else "parquet"
    raise InputError(Problem("the name tells no format", where=uri, allowed="a name ending in .csv or .parquet"))


def lay_out(file: File, form: Format, shard_rows: int = SHARD_ROWS) -> Layout:
    """Read a file once: hash it, count its rows and cut them into shards; raise InputError where it is none."""
    if file.size == 0:
        raise InputError(Problem("the file is empty", where=file.uri, found="0 bytes"))
    return _lay_out_csv(file, shard_rows) if form == "csv" else _lay_out_parquet(file, shard_rows)


def chunks(file: File, form: Format, columns: tuple[str, ...], span: Span) -> Iterator[Chunk]:
    """Yield the rows of a shard, chunk by chunk."""
    with file.open() as opened:
        yield from (_csv_chunks(file, opened, columns, span) if form == "csv" else _parquet_chunks(file, opened, span))


def _lay_out_parquet(file: File, shard_rows: int) -> Layout:
    parquet, digest = None, hashlib.sha256()
    with file.open() as opened:
        while piece := opened.read(PIECE):
            digest.update(piece)
        opened.seek(0)
        parquet = _parquet(file, opened)
        rows, schema = parquet.metadata.num_rows, parquet.schema_arrow
    shards = tuple(
        Span(first_row=first, rows=min(shard_rows, rows - first)) for first in range(0, max(rows, 1), shard_rows)
    )
    return Layout(schema, digest.hexdigest(), rows, shards)


def _parquet(file: File, opened: BinaryIO) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.PythonFile(opened, mode="r"), pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(Problem("this is no Parquet file", file.uri, found=str(error).splitlines()[0])) from None


def _parquet_chunks(file: File, opened: BinaryIO, span: Span) -> Iterator[Chunk]:
    import pyarrow as pa

    parquet = _parquet(file, opened)
    groups, before, skipped = [], 0, 0
    for number in range(parquet.num_row_groups):
        rows = parquet.metadata.row_group(number).num_rows
        if before + rows <= span.first_row:
            skipped = before + rows
        elif before < span.first_row + span.rows:
            groups.append(number)
        before += rows
    at, end = skipped, span.first_row + span.rows
    try:
        for batch in parquet.iter_batches(CHUNK_ROWS, row_groups=groups, use_threads=False):
            low, high = max(span.first_row - at, 0), min(end - at, len(batch))
            if low < high:
                yield Chunk(batch.slice(low, high - low), at + low)
            at += len(batch)
            if at >= end:
                break
    except (pa.ArrowException, OSError) as error:
        found = str(error).splitlines()[0]
        raise InputError(Problem("the Parquet file is damaged", file.uri, row=at + 2, found=found)) from None


def _lay_out_csv(file: File, shard_rows: int) -> Layout:
    import numpy as np
    import pyarrow as pa

    digest, rows, at = hashlib.sha256(), 0, 0
    columns: list[str] = []
    ended = True
    with file.open() as opened:
        header = opened.readline(LONGEST_LINE)
        digest.update(header)
        columns = _header(file, header)
        at = len(header)
        starts = [at]
        while piece := opened.read(PIECE):
            digest.update(piece)
            breaks = np.flatnonzero(np.frombuffer(piece, dtype=np.uint8) == 10)
            ends_of_shards = range((rows // shard_rows + 1) * shard_rows, rows + len(breaks) + 1, shard_rows)
            starts += [at + int(breaks[row - rows - 1]) + 1 for row in ends_of_shards]
            rows, at, ended = rows + len(breaks), at + len(piece), piece.endswith(b"\n")
    rows += not ended
    ends = [*starts[1:], at]
    shards = tuple(
        Span(first_row=i * shard_rows, rows=min(shard_rows, rows - i * shard_rows), start=start, end=end)
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
        if end > start
    )
    schema = pa.schema([(name, pa.string()) for name in columns])
    return Layout(schema, digest.hexdigest(), rows, shards or (Span(first_row=0, rows=0, start=at, end=at),))


def _header(file: File, line: bytes) -> list[str]:
    try:
        text = line.decode("utf-8-sig")
        names = next(csv.reader([text], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            Problem("the header cannot be read", file.uri, row=1, found=str(error), allowed="CSV in UTF-8, by commas")
        ) from None
    return [name.strip() for name in names]


def _csv_chunks(file: File, opened: BinaryIO, columns: tuple[str, ...], span: Span) -> Iterator[Chunk]:
    opened.seek(span.start)
    row, left, rest = span.first_row, span.end - span.start, b""
    while left > 0 or rest:
        piece = opened.read(min(PIECE, left))
        if left > 0 and not piece:
            raise InputError(Problem("the file became shorter while it was read", file.uri))
        left -= len(piece)
        block = rest + piece
        cut = block.rfind(b"\n") + 1 if left > 0 else len(block)
        if cut == 0 and len(block) > LONGEST_LINE * 4:
            raise InputError(
                Problem("a line is too long", file.uri, row=row + 2, allowed=f"up to {LONGEST_LINE * 4:,} bytes")
            )
        block, rest = block[:cut], block[cut:]
        if block:
            chunk, lines = _parse(block, columns, row)
            row += lines
            yield from _sliced(chunk)


def _sliced(chunk: Chunk) -> Iterator[Chunk]:
    yield Chunk(chunk.batch.slice(0, CHUNK_ROWS), chunk.first, chunk.rows and chunk.rows[:CHUNK_ROWS], chunk.broken)
    for start in range(CHUNK_ROWS, len(chunk.batch), CHUNK_ROWS):
        rows = chunk.rows[start : start + CHUNK_ROWS] if chunk.rows is not None else None
        yield Chunk(chunk.batch.slice(start, CHUNK_ROWS), chunk.first + start, rows)


def _parse(block: bytes, columns: tuple[str, ...], first: int) -> tuple[Chunk, int]:
    """Return the rows of whole lines, and the number of lines: at once, or line by line where one is broken."""
    import pyarrow as pa
    import pyarrow.csv as pc

    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    try:
        table = pc.read_csv(
            pa.BufferReader(block),
            pc.ReadOptions(use_threads=False, column_names=list(columns), block_size=len(block) + 1),
            pc.ParseOptions(ignore_empty_lines=False),
            pc.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        table = None
    # A stray quote makes one row of several lines.
    if table is not None and len(table) == lines:
        return Chunk(table.combine_chunks().to_batches()[0], first), lines
    return _line_by_line(block, columns, first), lines


def _line_by_line(block: bytes, columns: tuple[str, ...], first: int) -> Chunk:
    import pyarrow as pa

    cells: list[list[str]] = []
    rows: list[int] = []
    broken: list[Broken] = []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), start=first):
        shown = line.decode("utf-8", errors="replace").rstrip("\r")
        try:
            found = next(csv.reader([line.decode("utf-8").rstrip("\r")], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            what = "bytes that are no UTF-8" if isinstance(error, UnicodeDecodeError) else f"broken CSV, {error}"
            broken.append(Broken(number, shown, f"row: {what}"))
            continue
        if len(found) != len(columns):
            why = "row: empty line" if not shown.strip() else "row: not as many cells as the header"
            broken.append(Broken(number, shown, why))
            continue
        cells.append(found)
        rows.append(number)
    by_column = list(zip(*cells, strict=True)) if cells else [()] * len(columns)
    arrays = [pa.array([cell or None for cell in column], type=pa.string()) for column in by_column]
    return Chunk(pa.RecordBatch.from_arrays(arrays, names=list(columns)), first, rows, broken)

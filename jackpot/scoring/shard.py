"""Scoring one shard of a job: forecasts, rejected rows and, last, the record that both are there, whole."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from pydantic import ValidationError

from ..canonical import sha256
from ..store import MissingObjectError, Store
from .contract import CHUNK_ROWS, File, Part, Plan, ShardRecord
from .curves import Columns
from .model import ScoringModel
from .reading import Chunk, chunks
from .rows import Bounds, Checked, check, with_figures

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION: Final = "snappy"


def added_columns(quantiles: tuple[float, ...]) -> tuple[str, ...]:
    """Return the columns that a result adds to the file's own."""
    return ("mean", "median", *(f"q{level:.12g}" for level in quantiles), "elasticity", "extrapolated")


class Scorer:
    """A plan with its model, ready to score shard after shard; the model's tables are made once, here or before."""

    def __init__(self, plan: Plan, model: ScoringModel, file: File, store: Store) -> None:
        self.plan, self.model, self.file, self.store = plan, model, file, store
        self.curves = model.curves(plan.quantiles)
        self.bounds = Bounds(*model.jackpots, model.as_of, model.last_day)

    def score(self, number: int) -> ShardRecord:
        """Score a shard, unless its record is there already, and return the record.

        A shard's bytes depend on the plan alone, so that whoever repeats it after a crash, or beside another process,
        writes the same files; the record is written once they are there.
        """
        done = shard_record(self.plan, self.store, number)
        if done is not None and all(map(self._is_there, done.files)):
            return done
        writer = FORMATS[self.plan.output_format]()
        rejects = Rejects(self.plan.columns)
        extrapolated = 0
        for chunk in chunks(self.file, self.plan.input_format, self.plan.columns, self.plan.shards[number]):
            checked = check(chunk.batch, self.bounds)
            rejects.add(chunk, checked)
            batch, jackpots, days = chunk.batch, checked.jackpots, checked.days
            if not checked.good.all():
                kept = np.flatnonzero(checked.good)
                batch, jackpots, days = batch.take(kept), jackpots[kept], days[kept]
            if len(batch):
                columns = self.curves.forecast(jackpots, days)
                extrapolated += int(columns.extrapolated.sum())
                writer.write(with_forecasts(with_figures(batch, jackpots, days), columns, self.plan.quantiles))
        record = ShardRecord(
            number=number,
            rows=self.plan.shards[number].rows,
            scored=writer.rows,
            rejected=rejects.rows,
            extrapolated=extrapolated,
            reasons=dict(sorted(rejects.reasons.items())),
            forecasts=self._put(self.plan.key("forecasts", number), writer.finish(), writer.rows),
            rejects=self._put(self.plan.key("rejects", number), rejects.finish(), rejects.rows),
        )
        self.store.replace(self.plan.key("shards", number), record.to_bytes())
        return record

    def _is_there(self, part: Part) -> bool:
        try:
            return sha256(self.store.read(part.key)) == part.sha256
        except MissingObjectError:
            return False

    def _put(self, key: str, data: bytes, rows: int) -> Part | None:
        if not rows:
            return None
        # Hashed while the disk, or S3, takes it.
        with ThreadPoolExecutor(1) as hasher:
            hashed = hasher.submit(sha256, data)
            self.store.replace(key, data)
        return Part(key=key, sha256=hashed.result(), size=len(data), rows=rows)


def shard_record(plan: Plan, store: Store, number: int) -> ShardRecord | None:
    """Return the record of a shard that is done, or None; one that cannot be read is none."""
    try:
        return ShardRecord.model_validate_json(store.read(plan.key("shards", number)))
    except (MissingObjectError, ValidationError):
        return None


def with_forecasts(batch: pa.RecordBatch, columns: Columns, quantiles: tuple[float, ...]) -> pa.RecordBatch:
    """Return a batch with the columns that a result adds."""
    import pyarrow as pa

    arrays = [columns.mean, *columns.quantiles, columns.elasticity, columns.extrapolated]
    names = [*batch.schema.names, *added_columns(quantiles)]
    return pa.RecordBatch.from_arrays([*batch.columns, *map(pa.array, arrays)], names=names)


class ParquetParts:
    """One Parquet file in memory: a row group a chunk, no dictionaries, which cost figures time and save nothing."""

    def __init__(self) -> None:
        self.rows = 0
        self._buffer: Any = None
        self._writer: Any = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            self._buffer = pa.BufferOutputStream()
            self._writer = pq.ParquetWriter(
                self._buffer, batch.schema, compression=COMPRESSION, use_dictionary=False, write_statistics=False
            )
        self._writer.write_batch(batch, row_group_size=CHUNK_ROWS)
        self.rows += len(batch)

    def finish(self) -> bytes:
        """Return the file."""
        if self._writer is None:
            return b""
        self._writer.close()
        data: bytes = self._buffer.getvalue().to_pybytes()
        self._writer = self._buffer = None
        return data


class CsvParts:
    """One CSV file in memory, with a header; cells are quoted in the chunks where one needs it."""

    def __init__(self) -> None:
        self.rows = 0
        self._buffer = io.BytesIO()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        import pyarrow as pa

        try:
            data = self._lines(batch, "none")
        except pa.ArrowInvalid:
            data = self._lines(batch, "needed")
        self._buffer.write(data)
        self.rows += len(batch)

    def _lines(self, batch: pa.RecordBatch, quoting: Literal["none", "needed"]) -> memoryview:
        import pyarrow.csv as pc

        lines = io.BytesIO()
        pc.write_csv(batch, lines, pc.WriteOptions(include_header=not self.rows, quoting_style=quoting))
        return lines.getbuffer()

    def finish(self) -> bytes:
        """Return the file."""
        return self._buffer.getvalue()


FORMATS: Final[dict[str, type[ParquetParts | CsvParts]]] = {"parquet": ParquetParts, "csv": CsvParts}


class Rejects:
    """Rows that cannot be scored, as CSV: `row` as a spreadsheet counts, `reason`, then the file's own cells."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        self.rows = 0
        self.reasons: Counter[str] = Counter()
        self._text = io.StringIO()
        self._csv = csv.writer(self._text, lineterminator="\n")
        self._csv.writerow(["row", "reason", *columns])

    def add(self, chunk: Chunk, checked: Checked) -> None:
        """Take up the bad rows of a chunk, in the file's order."""
        for row, reason, cells in sorted(self._found(chunk, checked), key=lambda one: one[0]):
            self._csv.writerow([row + 2, reason, *cells])
            self.reasons[reason] += 1
            self.rows += 1

    def _found(self, chunk: Chunk, checked: Checked) -> Iterator[tuple[int, str, list[Any]]]:
        for broken in chunk.broken:
            yield broken.row, broken.reason, [broken.text]
        bad = np.flatnonzero(~checked.good)
        if len(bad):
            cells = zip(*(column.to_pylist() for column in chunk.batch.take(bad).columns), strict=True)
            for at, values in zip(bad.tolist(), cells, strict=True):
                row = chunk.rows[at] if chunk.rows is not None else chunk.first + at
                yield row, checked.reason(at), list(values)

    def finish(self) -> bytes:
        """Return the file."""
        return self._text.getvalue().encode("utf-8", errors="replace") if self.rows else b""

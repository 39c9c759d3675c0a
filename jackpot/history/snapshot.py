"""A history as an immutable file: canonical Parquet, the same bytes for the same draws, named by its SHA-256."""

from __future__ import annotations

import io
from typing import Any, Final

import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import Market
from .cells import shown
from .contract import DRAW_COLUMNS, History

SCHEMA_VERSION: Final = "1"


def snapshot_bytes(history: History) -> bytes:
    """Return the draws as canonical Parquet.

    Columns stand in the contract's order; market, schema version and next jackpot in the file's metadata. Neither
    pandas nor Arrow leaves its own schema there, nothing is compressed or dictionary-encoded, and an unknown figure
    is a null: CSV and Parquet of the same draws give the same bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    draws = history.draws
    arrays = [pa.Array.from_pandas(draws[name], type=_arrow_type(name)) for name in draws.columns]
    table = pa.Table.from_arrays(arrays, names=list(draws.columns))
    metadata = {"market": history.market.market, "schema_version": SCHEMA_VERSION}
    if history.next_jackpot is not None:
        metadata["next_jackpot"] = repr(history.next_jackpot)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        table.schema,
        version="2.6",
        data_page_version="1.0",
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata)
    return buffer.getvalue()


def read_snapshot(data: bytes, market: Market) -> pd.DataFrame:
    """Return a snapshot's draws as `History.draws` holds them; raise InputError where it is none of this market."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        metadata = file.metadata.metadata or {}
        found = {key: metadata.get(key.encode(), b"").decode() for key in ("market", "schema_version")}
        table = file.read(use_threads=False)
        names = table.column_names
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        raise InputError(Problem("the snapshot cannot be read", found=shown(str(error)))) from None
    wanted = {"market": market.market, "schema_version": SCHEMA_VERSION}
    if found != wanted or names[: len(DRAW_COLUMNS)] != list(DRAW_COLUMNS):
        raise InputError(Problem("this is no snapshot of the market", found=str(found), allowed=str(wanted)))
    return pd.DataFrame({name: _pandas_column(name, table.column(name)) for name in names})


def _arrow_type(name: str) -> Any:
    import pyarrow as pa

    if name in {"draw", "jackpot_winners"} or name.startswith("winners:"):
        return pa.int64()
    return {"draw_date": pa.date32(), "special": pa.string()}.get(name, pa.float64())


def _pandas_column(name: str, column: Any) -> Any:
    if name == "draw_date":
        return column.to_pandas().astype("datetime64[ns]")
    if name == "special":
        return pd.array(column.to_pylist(), dtype="string")
    if name == "jackpot_winners" or name.startswith("winners:"):
        return pd.array(column.to_pylist(), dtype="Int64")
    return column.to_numpy()


def quarantine_csv(history: History) -> bytes:
    """Return the rows that were put aside as CSV: `row`, `reason`, then the file's own cells as text."""
    text: str = history.quarantined.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8", errors="replace")


def read_quarantine(data: bytes) -> pd.DataFrame:
    """Return what `quarantine_csv` wrote; no bytes are no rows."""
    if not data:
        return pd.DataFrame({"row": pd.Series(dtype="int64"), "reason": pd.Series(dtype=object)})
    return pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False).astype({"row": "int64"})

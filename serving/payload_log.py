"""The payload log: what was asked and answered, in Parquet under a store, for the monitor to read."""

from __future__ import annotations

import datetime as dt
import io
import random
import uuid
from collections import defaultdict
from typing import Any, Final, NamedTuple

import numpy as np

from jackpot.store import Store

from .background import Background, told
from .fleet import Log
from .settings import Settings
from .version import Forecast, Question, Version

FOLDER: Final = "payloads"
SCHEMA_VERSION: Final = "1"
FIGURES: Final = ("jackpot", "mean", "median", "elasticity", "extrapolated")


class Kept(NamedTuple):
    """An answer in little room: `figures` are FIGURES and the quantiles, (5 + levels, n) as bytes of 8 each."""

    version: Version
    request_id: str
    time: float
    levels: tuple[float, ...]
    dates: list[str]
    figures: bytes


class PayloadLog(Background):
    """A sample of the answers, a row an instance, as `payloads/<model>/<day>/<time>-<id>.parquet`."""

    def __init__(self, store: Store, settings: Settings, log: Log) -> None:
        super().__init__("payload log", settings.payload_rows, settings.payload_seconds)
        self._store, self._share, self._log = store, settings.payload_share, log
        self._random = random.Random()  # noqa: S311 - which requests are sampled is no secret

    def keep(self, version: Version, request_id: str, time: float, question: Question, forecast: Forecast) -> None:
        """Take an answer into the sample, or not."""
        if self._share < 1 and self._random.random() >= self._share:
            return
        columns = (question.jackpots, forecast.mean, forecast.median, forecast.elasticity, forecast.extrapolated)
        figures = np.concatenate((*columns, forecast.quantiles.ravel())).tobytes()
        self.add(Kept(version, request_id, time, question.levels, question.dates, figures), len(question.dates))

    def write(self, items: list[Kept]) -> None:
        """Write one file for each model."""
        by_model = defaultdict(list)
        for item in items:
            by_model[item.version.name].append(item)
        for name, rows in sorted(by_model.items()):
            at = dt.datetime.fromtimestamp(rows[0].time, dt.UTC)
            # The name comes from the first request, so that a second try writes over the first.
            identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{rows[0].request_id}{rows[0].time}").hex[:12]
            self._store.replace(f"{FOLDER}/{name}/{at:%Y-%m-%d/%H%M%S}-{identity}.parquet", parquet(rows))

    def failed(self, error: Exception) -> None:
        """Say that the store cannot be written to."""
        self._log("payload log failed", level="error", error=told(error), place=self._store.uri(FOLDER))

    def goes_on(self) -> None:
        """Say that it can be again, and what was lost until now."""
        self._log("payload log goes on", dropped=self.dropped)


def parquet(rows: list[Kept]) -> bytes:
    """Return answers as Parquet; quantiles that were asked for are a list beside the list of their levels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = [len(one.dates) for one in rows]
    figures = [np.frombuffer(one.figures).reshape(-1, count) for one, count in zip(rows, counts, strict=True)]
    columns = dict(zip(FIGURES, np.concatenate([one[: len(FIGURES)] for one in figures], axis=1), strict=True))
    ends = np.cumsum(np.repeat([len(one.levels) for one in rows], counts))
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())

    def each(values: list[Any]) -> Any:
        return pa.array(np.repeat(np.array(values, dtype=object), counts).tolist())

    def lists(values: list[Any]) -> Any:
        return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(values)))

    table = pa.table(
        {
            "time": pa.array(np.repeat([int(one.time * 1e6) for one in rows], counts), pa.timestamp("us", "UTC")),
            "request_id": each([one.request_id for one in rows]),
            "model_version": each([one.version.version for one in rows]),
            "model": each([one.version.state.model for one in rows]),
            "state": each([one.version.origin["state"] for one in rows]),
            "as_of": each([one.version.state.as_of for one in rows]),
            "draw_date": pa.array([date for one in rows for date in one.dates]),
            **{name: pa.array(values != 0 if name == "extrapolated" else values) for name, values in columns.items()},
            "levels": lists([np.tile(one.levels, count) for one, count in zip(rows, counts, strict=True)]),
            "quantiles": lists([one[len(FIGURES) :].ravel("F") for one in figures]),
        }
    ).replace_schema_metadata({"schema_version": SCHEMA_VERSION})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()

"""What batch scoring reads and leaves: the plan of a job, the record of each of its shards, the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import BinaryIO, Final, Literal, Protocol

from ..canonical import json_bytes, sha256
from ..records import IsoDate, Record, Sha256

Format = Literal["csv", "parquet"]
FILES: Final = 2
"""Counted up where the same plan comes to give other bytes, so that no job mixes shards of both."""
CHUNK_ROWS: Final = 65_536
SHARD_ROWS: Final = 262_144
"""Rows of a shard: what is lost when a process is killed, and what a process holds of its result in memory."""


class File(Protocol):
    """A file of any size, at a path or in S3, that stays the same while it is read."""

    uri: str
    size: int
    version: str
    """What changes when the content does: a version id, an ETag, or a size with a time of change."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open the very version for reading at any place; raise InputError where it is no longer there."""


class Span(Record):
    """A shard's rows: `rows` from `first_row` on, counted from 0; of a CSV also its bytes."""

    first_row: int
    rows: int
    start: int = 0
    end: int = 0


class Plan(Record):
    """plan.json: all that a shard's bytes depend on."""

    schema_version: Literal["1"] = "1"
    market: str
    model: Sha256
    model_version: str
    snapshot: Sha256
    market_file: Sha256
    as_of: IsoDate
    input_uri: str
    input_version: str
    input_format: Format
    input_size: int
    input_sha256: Sha256
    input_rows: int
    columns: tuple[str, ...]
    output_format: Format
    quantiles: tuple[float, ...]
    writer: str
    """The library that writes the files, and FILES: another release may write other bytes."""
    shards: tuple[Span, ...]

    @cached_property
    def job(self) -> str:
        """The name of the job: a hash of input, model, state and settings, not of where the input lies."""
        what = self.model_dump(mode="json", exclude={"input_uri", "input_version", "model_version"})
        return sha256(json_bytes(what))[:16]

    def key(self, kind: Literal["forecasts", "rejects", "shards"], number: int) -> str:
        """Return where a shard's file lies."""
        suffix = {"forecasts": self.output_format, "rejects": "csv", "shards": "json"}[kind]
        return f"{self.job}/{kind}/part-{number:05d}.{suffix}"


class Part(Record):
    """A written file: where, its bytes' hash and size, and its rows."""

    key: str
    sha256: Sha256
    size: int
    rows: int


class ShardRecord(Record):
    """shards/part-N.json, written last: who finds it finds the shard's files, whole."""

    number: int
    rows: int
    scored: int
    rejected: int
    extrapolated: int
    reasons: Mapping[str, int]
    forecasts: Part | None
    rejects: Part | None

    @property
    def files(self) -> tuple[Part, ...]:
        """What was written of the shard."""
        return tuple(part for part in (self.forecasts, self.rejects) if part is not None)


class Manifest(Record):
    """manifest.json, written last of all: counts and hashes of a complete result."""

    schema_version: Literal["1"] = "1"
    job: str
    market: str
    model: Sha256
    model_version: str
    snapshot: Sha256
    market_file: Sha256
    as_of: IsoDate
    input_uri: str
    input_version: str
    input_sha256: Sha256
    rows: int
    scored: int
    rejected: int
    extrapolated: int
    reasons: Mapping[str, int]
    """Rejected rows by the first thing wrong with them."""
    columns: tuple[str, ...]
    forecasts: tuple[Part, ...]
    rejects: tuple[Part, ...]

"""One way to write a value as bytes, so that equal inputs give equal bytes and equal hashes."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIGNIFICANT_DIGITS = 9
"""Solver output is rounded to this: the last digits differ between CPUs' arithmetic."""


def rounded(value: Any) -> Any:
    """Return `value` with every float in it at 9 significant digits; raise ValueError on NaN and infinities."""
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no place in a record")
        number = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if isinstance(value, Mapping):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [rounded(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no place in a record")


def json_bytes(value: Any) -> bytes:
    """Return `value` as JSON in UTF-8: keys sorted, floats at 9 significant digits, one newline at the end."""
    text = json.dumps(rounded(value), sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file in a folder by its name, in order of names."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@contextmanager
def _staged(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Write `data` whole to a file beside `path`, to be moved there; it is gone afterwards.

    Raises OSError with `path` where it cannot be written, so too where the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
        except OSError as error:
            # What writes to an open file names none; and closing one on a full disk fails a second time.
            raise OSError(error.errno, error.strerror, str(path)) from error
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes, mode: int = 0o644) -> Path:
    """Write `data` to `path`, whole or not at all; a reader never sees half a file."""
    with _staged(path, data, mode) as staged:
        staged.replace(path)
    return path


def write_once(path: Path, data: bytes, mode: int = 0o644) -> bool:
    """Write `data` to `path` unless something is there: of two writers at once one wins; False for the others."""
    if path.exists():
        return False
    with _staged(path, data, mode) as staged:
        try:
            os.link(staged, path)
        except FileExistsError:
            return False
    return True

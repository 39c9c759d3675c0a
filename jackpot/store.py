"""Where results are kept: objects under keys, written whole. The local one is a folder; S3's is in adapters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from .canonical import write_atomically, write_once
from .errors import JackpotError


class MissingObjectError(JackpotError):
    """No object lies under this key."""


class Store(Protocol):
    """Objects under keys such as `snapshots/england/<sha256>.parquet`."""

    def read(self, key: str) -> bytes:
        """Return an object's bytes; raise MissingObjectError where there is none."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object that must never change: False where it is there already (what is there stays)."""

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whole, over what was there."""

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""

    def uri(self, key: str) -> str:
        """Return where a person finds the object."""


class FolderStore:
    """A folder. `mode` 0o600 (and folders 0o700) keeps it from other users."""

    def __init__(self, root: Path, mode: int = 0o644) -> None:
        self.root = root
        self.mode = mode

    def _path(self, key: str) -> Path:
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise JackpotError(f"the key {key!r} leads out of the store")
        return path

    def _prepare(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.mode & 0o077 == 0:
            self.root.chmod(0o700)

    def read(self, key: str) -> bytes:
        """Return an object's bytes; raise MissingObjectError where there is none."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise MissingObjectError(f"nothing is stored under {self.uri(key)}") from None

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object that must never change: False where it is there already (what is there stays)."""
        path = self._path(key)
        self._prepare(path)
        return write_once(path, data, self.mode)

    def replace(self, key: str, data: bytes) -> None:
        """Write an object whole, over what was there."""
        path = self._path(key)
        self._prepare(path)
        write_atomically(path, data, self.mode)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, sorted."""
        folder, root = str(self._path(prefix)), str(self.root.resolve())
        paths = (f"{where}/{name}" for where, _, names in os.walk(folder) for name in names if name[0] != ".")
        return iter(sorted(path.removeprefix(f"{root}/") for path in paths))

    def uri(self, key: str) -> str:
        """Return where a person finds the object."""
        return str(self.root / key)

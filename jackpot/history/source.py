"""Where the bytes of a draw history come from."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, Problem


@dataclass(frozen=True)
class Source:
    """A file as read: its URI, its bytes and, where the store keeps versions, which version they are."""

    uri: str
    data: bytes
    version: str | None = None


ReadBytes = Callable[[str], Source]
"""Reads a URI; raises InputError where there is nothing to read."""


def read_local(uri: str) -> Source:
    """Read a file by its path; raise InputError where it is missing, no ordinary file, or may not be read."""
    if "://" in uri:
        raise InputError(
            Problem("this kind of address cannot be read", where=uri, allowed="a path, or s3://bucket/key")
        )
    try:
        path = Path(uri).expanduser()
        if path.is_file():
            return Source(uri, path.read_bytes())
        folder = path.parent
        near = (
            difflib.get_close_matches(path.name, [item.name for item in folder.iterdir()], 1) if folder.is_dir() else []
        )
        found = "a folder" if path.is_dir() else "not an ordinary file" if path.exists() else "no such file"
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(Problem("the file cannot be read", where=uri, found=reason)) from None
    raise InputError(
        Problem(
            "the file cannot be read",
            where=uri,
            found=found,
            hint=f"did you mean {folder / near[0]}?" if near and found == "no such file" else "",
        )
    )

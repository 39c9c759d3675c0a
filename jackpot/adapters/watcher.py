"""A folder that files of draws are put into. A file counts once it has stopped growing and can be read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..triggers.keys import DATA_FILES

Stamp = tuple[int, int]
"""Size and time of change: another stamp is another content."""


@dataclass
class Seen:
    """A file as it was last looked at."""

    stamp: Stamp
    since: float
    handled: bool = False


class Folder:
    """The files of a folder and below it, hidden ones and unknown kinds apart."""

    def __init__(self, root: Path, settle_seconds: float) -> None:
        self.root = root
        self._settle = settle_seconds
        self._seen: dict[Path, Seen] = {}

    def settled(self) -> list[Path]:
        """Return the files that are new or changed, and have not grown for the settling time, in order of names."""
        now, ready = time.monotonic(), []
        for path in sorted(self.root.rglob("*")):
            hidden = any(part.startswith((".", "~")) for part in path.relative_to(self.root).parts)
            stamp = None if hidden or path.suffix.lower() not in DATA_FILES else _stamp(path)
            if stamp is None:
                continue
            seen = self._seen.get(path)
            if seen is None or seen.stamp != stamp:
                seen = self._seen[path] = Seen(stamp, now)
            if not seen.handled and now - seen.since >= self._settle:
                ready.append(path)
        return ready

    def waiting(self) -> bool:
        """Return whether a file was seen that is not handled yet."""
        return any(not seen.handled for seen in self._seen.values())

    def handled(self, path: Path) -> None:
        """Do not name this content of a file again."""
        self._seen[path].handled = True

    def later(self, path: Path, seconds: float) -> None:
        """Name this content of a file again after some seconds."""
        self._seen[path].since = time.monotonic() + seconds - self._settle

    def changes(self, patience_seconds: float) -> Iterator[None]:
        """Yield whenever something changed in the folder, and at least every `patience_seconds`."""
        from watchfiles import watch

        for _ in watch(
            self.root, rust_timeout=int(1000 * patience_seconds), yield_on_timeout=True, raise_interrupt=True
        ):
            yield


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns) if path.is_file() and stat.st_size else None

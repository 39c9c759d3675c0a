"""The key file of the audit log: read as it stands, and made for the very first record of a place alone."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from ..audit import Keyring
from ..canonical import write_once
from ..errors import InputError, Problem
from ..store import Store


def open_key(path: Path, create: bool, stores: Sequence[Store]) -> Keyring:
    """Return the keys of a file; where it is not there yet and may be made, one that the first signature makes.

    Nothing is made where any record or head of any market stands in `stores`: the key that signed it is lost, and
    another would call that log changed. Raises InputError where the keys are missing or no keys.
    """
    try:
        return _read(path)
    except MissingKeyError:
        if not create or _any(stores):
            raise
        return _FirstKey(path, stores)


class MissingKeyError(InputError):
    """There is no key file where the environment has it."""


class _FirstKey(Keyring):
    """The key of a place that holds no record yet. To look makes nothing; to sign makes the file."""

    def __init__(self, path: Path, stores: Sequence[Store]) -> None:
        self._path, self._stores = path, stores
        self._made: Keyring | None = None

    @property
    def current(self) -> str:
        """The name of the key that signs; the file is made where it is not there."""
        if self._made is None and not _any(self._stores):
            try:
                write_once(self._path, secrets.token_hex(32).encode() + b"\n", 0o600)
            except OSError as error:
                problem = Problem(f"the key of the audit log cannot be made: {error.strerror}", where=str(self._path))
                raise InputError(problem) from None
        return self._there().current

    def names(self, key: str) -> bool:
        """Return whether there is a key of this name; another process may have made it since."""
        return self._there().names(key)

    def sign(self, content: bytes, key: str) -> str:
        """Return the HMAC-SHA-256 of `content` by a key's name; raise KeyError for a key that is not here."""
        return self._there().sign(content, key)

    def holds(self, content: bytes, key: str, signature: str) -> bool:
        """Return whether a signature is that of `content` by a known key."""
        return self._there().holds(content, key, signature)

    def _there(self) -> Keyring:
        if self._made is None:
            self._made = _read(self._path)
        return self._made


def _read(path: Path) -> Keyring:
    try:
        return Keyring.parse(path.read_bytes())
    except FileNotFoundError:
        raise MissingKeyError(
            Problem(
                "the key of the audit log is missing",
                where=str(path),
                allowed="at least 32 bytes a line, the current key first",
                hint="restore that file from your secrets or a back-up, and leave the log as it is: without its key "
                "nothing can be checked or added, and another key would call every record changed",
            )
        ) from None
    except OSError as error:
        raise InputError(
            Problem(f"the key of the audit log cannot be read: {error.strerror}", where=str(path))
        ) from None


def _any(stores: Sequence[Store]) -> bool:
    return any(next(iter(store.keys("")), None) is not None for store in stores)

"""A registry that is opened when it is first needed, and given up for the step once it is out of reach."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from ..errors import InputError, JackpotError
from ..ports import (
    Files,
    RegisteredModel,
    Registry,
    RegistryLostError,
    RegistryUnreachableError,
    TrialRun,
    VersionNote,
)
from ..steps.notify import redacted

T = TypeVar("T")


class GuardedRegistry:
    """Passes calls on. The first that fails because a server does not answer, or a file cannot be opened, is the last.

    With a file all else fails as it is.
    """

    def __init__(self, open_registry: Callable[[], Registry], uri: str) -> None:
        self._open, self._uri = open_registry, uri
        self._registry: Registry | None = None
        self._down: str | None = None

    def _call(self, ask: Callable[[Registry], T]) -> T:
        if self._down is not None:
            raise RegistryUnreachableError(self._down)
        try:
            if self._registry is None:
                self._registry = self._open()
            return ask(self._registry)
        except (InputError, RegistryLostError):
            raise
        except Exception as error:
            if not self._uri.startswith(("http://", "https://")):
                if self._registry is None and isinstance(error, RegistryUnreachableError):
                    self._down = str(error)
                raise
            said = str(error) if isinstance(error, JackpotError) else f"{type(error).__name__}: {error}"
            print(redacted(said), file=sys.stderr)
            # The same words whatever the reason: they stand in a recommendation, which depends on no address in memory.
            self._down = redacted(f"{self._uri} does not answer")
            raise RegistryUnreachableError(self._down) from error

    def champion(self, name: str) -> RegisteredModel | None:
        """Return the champion of a name, or None where there is none."""
        return self._call(lambda registry: registry.champion(name))

    def log(
        self,
        name: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        pages: Files = MappingProxyType({}),
        trials: Sequence[TrialRun] = (),
    ) -> str:
        """Log a training run with its model's files and return the registry's own id of it."""
        return self._call(lambda registry: registry.log(name, run_id, sha256, files, metrics, params, pages, trials))

    def register(self, name: str, logged: str, sha256: str, tags: Mapping[str, str]) -> str:
        """Register a logged model and return its version."""
        return self._call(lambda registry: registry.register(name, logged, sha256, tags))

    def restore(self, name: str, version: str, sha256: str, files: Files, tags: Mapping[str, str]) -> None:
        """Register files again under the version that they had before the registry lost it."""
        self._call(lambda registry: registry.restore(name, version, sha256, files, tags))

    def versions(self, name: str) -> list[VersionNote]:
        """Return what is known of every version of a name, oldest first."""
        return self._call(lambda registry: registry.versions(name))

    def load(self, name: str, version: str) -> RegisteredModel:
        """Return a version with its files."""
        return self._call(lambda registry: registry.load(name, version))

    def set_aliases(self, name: str, aliases: Mapping[str, str | None]) -> None:
        """Point each alias at a version, or at none."""
        self._call(lambda registry: registry.set_aliases(name, aliases))

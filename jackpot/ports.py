"""What the core asks of the outside: interfaces that adapters implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

Files = Mapping[str, bytes]
"""A model as files by name: what `demand.storage` writes, and `evaluation.json` beside it."""


@dataclass(frozen=True)
class RegisteredModel:
    """A model version as the registry knows it; `version` is written v3."""

    version: str
    sha256: str
    as_of: str
    """The day from which its training data was seen, YYYY-MM-DD."""
    files: Files


class Registry(Protocol):
    """Where models are logged, versioned and named champion or challenger. `name` is Week.model_name."""

    def champion(self, name: str) -> RegisteredModel | None:
        """Return the champion of a name, or None where there is none."""

    def log(
        self,
        name: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        pages: Files = MappingProxyType({}),
    ) -> str:
        """Log a training run with its model's files and return the registry's own id of it.

        `pages` are for people to read beside the run; they are no part of the model.
        """

    def register(
        self, name: str, logged: str, sha256: str, tags: Mapping[str, str], bootstrap: bool
    ) -> tuple[str, str]:
        """Register a logged model; return its version and its alias.

        A model that is registered already keeps its version. The alias is `champion` for the first where `bootstrap`
        allows it, else `challenger`; a champion keeps that alias.
        """


@dataclass(frozen=True)
class Notice:
    """A message about a run; no cash figure and no secret ever stands in it."""

    name: str
    run_id: str
    kind: str
    text: str
    link: str | None


Notifier = Callable[[Notice], None]

"""What the core asks of the outside: interfaces that adapters implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from .errors import JackpotError

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


@dataclass(frozen=True)
class VersionNote:
    """What a registry's list says of a version."""

    version: str
    sha256: str
    created_at: str
    """ISO 8601, UTC."""
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class TrialRun:
    """One trial of a tuning, as a registry shows it under the run that it belongs to."""

    name: str
    settings: Mapping[str, float]
    scores: Mapping[str, float]
    chosen: bool


class RegistryUnreachableError(JackpotError):
    """The registry does not answer, or only with errors of its own."""


class RegistryLostError(JackpotError):
    """The registry answers, and has lost a version that it held, or has another model in its place."""


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
        trials: Sequence[TrialRun] = (),
    ) -> str:
        """Log a training run with its model's files and return the registry's own id of it.

        `pages` are for people to read beside the run; they are no part of the model. `trials` become runs under it.
        """

    def register(self, name: str, logged: str, sha256: str, tags: Mapping[str, str]) -> str:
        """Register a logged model and return its version; one that is registered already keeps its version."""

    def restore(self, name: str, version: str, sha256: str, files: Files, tags: Mapping[str, str]) -> None:
        """Register files again under the version (v3) that they had before the registry lost it."""

    def versions(self, name: str) -> list[VersionNote]:
        """Return what is known of every version of a name, oldest first."""

    def load(self, name: str, version: str) -> RegisteredModel:
        """Return a version with its files; raise InputError where there is none, JackpotError where it is damaged."""

    def set_aliases(self, name: str, aliases: Mapping[str, str | None]) -> None:
        """Point each alias at a version, or at none; those that stand so already are left alone.

        Raises RegistryLostError where there is no such version, once the others are set; its alias then points at none.
        """


@dataclass(frozen=True)
class Target:
    """A model version to be served."""

    market: str
    model_name: str
    version: str
    sha256: str
    prefix: str
    """Where its files lie in the store."""
    files: Files


class Deployer(Protocol):
    """Brings a model version to where it is served. A service is a market's name, or `<market>-candidate`."""

    def served(self, service: str) -> str | None:
        """Return the hash of the model that has all of a service's traffic, or None."""

    def roll_out(self, service: str, target: Target) -> None:
        """Give a service's traffic to a version, step by step where there is one before it, and verify it.

        Raises JackpotError, with why, where it fails; traffic may then be divided: `serve` what was there before.
        Doing it again is harmless.
        """

    def serve(self, service: str, target: Target) -> None:
        """Give all of a service's traffic to a version at once: what it had before a failure."""


@dataclass(frozen=True)
class Notice:
    """A message about a run; no cash figure and no secret ever stands in it."""

    name: str
    run_id: str
    kind: str
    text: str
    link: str | None
    lines: tuple[str, ...] = ()
    """More to read below the sentence: evidence, or the last lines of a log."""
    question: Mapping[str, str] | None = None
    """Which request for approval this is, as `approval.buttons.Question`, where it is one."""


Notifier = Callable[[Notice], None]

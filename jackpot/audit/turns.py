"""Whose turn it is: the champions of a model name, read from the market's audit log.

A turn is one change of champion, tried or done. It begins with a claim, so that of several promotions one goes ahead,
and ends with the first record of it: a promotion (which may say that it failed) or a rollback. Promotions stack; a
rollback takes the last one off.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import InputError, JackpotError, Problem
from .log import AuditLog, Entry

PROMOTED: Final = "promoted"


@dataclass(frozen=True)
class Version:
    """A model version by its number in the registry and the hash of its files."""

    version: str
    sha256: str

    @property
    def body(self) -> dict[str, str]:
        """Return it as it stands in records."""
        return {"version": self.version, "model_sha256": self.sha256}

    def reference(self, model_name: str) -> str:
        """Return name, number and hash in one text, as steps hand it on."""
        return f"{model_name}/{self.version}/{self.sha256}"

    @classmethod
    def parse(cls, reference: str) -> tuple[str, Version]:
        """Return the model name and version that `reference` wrote; raise InputError for another text."""
        parts = reference.split("/")
        if len(parts) != 3 or not all(parts):
            raise InputError(Problem("this names no version", found=reference[:200], allowed="name/version/hash"))
        return parts[0], cls(parts[1], parts[2])

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Version:
        """Return the version that a record is about."""
        return cls(str(body["version"]), str(body["model_sha256"]))


@dataclass(frozen=True)
class Standings:
    """Where a model name stands: its champions so far that were not rolled back, and the turn that comes next."""

    champions: tuple[Version, ...]
    turn: int
    claim: Entry | None
    """Of that turn, where it has begun."""
    since: Entry | None
    """The record that made the champion what it is: a promotion or a rollback."""

    @property
    def champion(self) -> Version | None:
        """The champion, or None."""
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> Version | None:
        """The champion before it, to which a rollback returns."""
        return self.champions[-2] if len(self.champions) > 1 else None


def standings(log: AuditLog, model_name: str, until: str | None = None) -> Standings:
    """Return where a model name stands now, or stood at a moment (ISO 8601 with offset)."""
    limit = dt.datetime.fromisoformat(until) if until else None
    champions: list[Version] = []
    turn, claims, since = 1, {}, None
    for entry in log.entries("claim", "promotion", "rollback"):
        if limit is not None and dt.datetime.fromisoformat(entry.at) > limit:
            continue
        if entry.kind == "claim":
            claims[entry.subject] = entry
        elif entry.subject == _subject(model_name, turn):
            if entry.kind == "rollback":
                champions.pop()
                since = entry
            elif entry.body["outcome"] == PROMOTED:
                champions.append(Version.of(entry.body))
                since = entry
            turn += 1
    return Standings(tuple(champions), turn, claims.get(_subject(model_name, turn)), since)


def named_version(market: str, version: str, log: AuditLog) -> tuple[str, str]:
    """Return the model name and number that a person means: `v3`, or `england-synthetic/v3`.

    A bare number is one of the model name that the market's last request or promotion was about. Raises InputError
    where it is no version.
    """
    name, _, number = version.rpartition("/")
    if not re.fullmatch(r"v[1-9]\d{0,8}", number):
        raise InputError(Problem("this is no version", field="version", found=version[:100], allowed="v1, v2, ..."))
    return name or model_name_of(market, log), number


def model_name_of(market: str, log: AuditLog) -> str:
    """Return the model name that a market's last request, promotion or rollback was about, or the market's own."""
    about = [str(entry.body["model_name"]) for entry in log.entries("approval_request", "promotion", "rollback")]
    return about[-1] if about else market


def claim(log: AuditLog, model_name: str, seen: Standings, version: Version, *, by: str, at: str, minutes: int) -> bool:
    """Begin the turn that was seen to come next, for a version; False where it is over by now: look again.

    A turn that this version has begun goes on. Raises JackpotError where another version's is under way; one that has
    not ended in its time is given up.
    """
    entry = seen.claim
    if entry is None:
        expires = dt.datetime.fromisoformat(at) + dt.timedelta(minutes=minutes)
        body = {"model_name": model_name, **version.body, "expires_at": expires.isoformat()}
        entry, _ = log.append("claim", _subject(model_name, seen.turn), at=at, by=by, body=body, once=True)
    if standings(log, model_name).turn != seen.turn:
        return False
    if Version.of(entry.body) == version:
        return True
    if not give_up(log, model_name, seen, by=by, at=at):
        raise JackpotError(
            f"{entry.body['version']} of {model_name} is being promoted since {entry.at} by {entry.by}: run its "
            f"promotion again to finish it, or wait until {entry.body['expires_at']}"
        )
    return False


def give_up(log: AuditLog, model_name: str, seen: Standings, *, by: str, at: str) -> bool:
    """End the turn that is under way where its time is over, and return whether it was."""
    entry = seen.claim or standings(log, model_name).claim
    if entry is None or dt.datetime.fromisoformat(at) < dt.datetime.fromisoformat(str(entry.body["expires_at"])):
        return False
    body = {"outcome": "given_up", "reason": f"it had not ended by {entry.body['expires_at']}"}
    end(log, "promotion", model_name, seen.turn, Version.of(entry.body), body, by=by, at=at)
    return True


def end(
    log: AuditLog,
    kind: Literal["promotion", "rollback"],
    model_name: str,
    turn: int,
    version: Version,
    body: Mapping[str, Any],
    *,
    by: str,
    at: str,
) -> Entry:
    """End a turn, and return the record that ended it: this one, or another's that came first."""
    subject = _subject(model_name, turn)
    told = {"model_name": model_name, **version.body, **body}
    log.append(kind, subject, at=at, by=by, body=told, once=True)
    return next(entry for entry in log.entries("promotion", "rollback") if entry.subject == subject)


def _subject(model_name: str, turn: int) -> str:
    return f"{model_name}/turn-{turn}"

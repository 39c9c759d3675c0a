"""Claims: of all who want to do a thing that has a key, one does it, and its death is noticed.

A claim is a record of the audit log with a lease; that it ended is a second record. A claim whose lease is over
without that record was taken by a run that is dead, and the next who asks takes it up as another attempt.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..audit import AuditLog, Entry

MOST_ATTEMPTS: Final = 3
"""How often a thing is tried that fails."""
Outcome = Literal["succeeded", "failed"]


@dataclass(frozen=True)
class Claim:
    """The right to do a thing, until the lease is over."""

    key: str
    attempt: int
    lease_until: dt.datetime

    @property
    def subject(self) -> str:
        """Its name in the audit log."""
        return _subject(self.key, self.attempt)


@dataclass(frozen=True)
class Refusal:
    """Why there is nothing to do now; `final`: nor will there be later, whatever the time."""

    reason: str
    final: bool


def take(
    log: AuditLog, key: str, *, now: dt.datetime, lease: dt.timedelta, by: str, body: dict[str, Any] | None = None
) -> Claim | Refusal:
    """Claim a key for one attempt at it, or say why not: done, being done, or failed too often.

    `now` is aware. Of any number who ask at once, on however many machines, one gets the claim.
    """
    ended = _ended(log)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        until = now + lease
        entry, mine = log.append(
            "claim",
            _subject(key, attempt),
            at=now.isoformat(),
            by=by,
            body={**(body or {}), "key": key, "state": "claimed", "lease_until": until.isoformat()},
            once=True,
        )
        if mine:
            return Claim(key, attempt, until)
        outcome = ended.get(entry.subject) or _ended(log).get(entry.subject)
        if outcome == "succeeded":
            return Refusal("it is done", final=True)
        held_until = dt.datetime.fromisoformat(str(entry.body["lease_until"]))
        if outcome is None and held_until > now:
            return Refusal(f"{entry.by} is at it until {held_until:%Y-%m-%d %H:%M:%S} UTC at most", final=False)
    return Refusal(f"it was tried {MOST_ATTEMPTS} times and failed", final=True)


def finish(log: AuditLog, claim: Claim, outcome: Outcome, *, at: dt.datetime, by: str, note: str = "") -> None:
    """Record how a claim ended; a second time changes nothing."""
    body = {"key": claim.key, "state": outcome, "note": note}
    log.append("claim", f"{claim.subject} ended", at=at.isoformat(), by=by, body=body, once=True)


def claimed(log: AuditLog, prefix: str) -> list[Entry]:
    """Return the first claims of all keys that begin so, oldest first."""
    firsts = (entry for entry in log.entries("claim") if entry.subject.endswith(_subject("", 1)))
    return [entry for entry in firsts if entry.subject.startswith(prefix)]


def _ended(log: AuditLog) -> dict[str, str]:
    ended = {
        entry.subject.removesuffix(" ended"): str(entry.body["state"])
        for entry in log.entries("claim")
        if entry.subject.endswith(" ended")
    }
    return ended


def _subject(key: str, attempt: int) -> str:
    return f"{key} attempt {attempt}"

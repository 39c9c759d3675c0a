"""Requests and answers in a market's audit log: one request, one answer, about one model with one evidence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Literal

from ..audit import AuditLog, Entry
from ..audit.turns import Version, standings
from ..canonical import json_bytes, sha256
from ..errors import InputError, JackpotError, Problem
from .rules import Caller, Rules

Verdict = Literal["approved", "rejected"]
LONGEST_REASON: Final = 2000


class AnsweredError(JackpotError):
    """The request has its answer; `entry` is that answer."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        super().__init__(f"{entry.subject} was {entry.body['verdict']} by {entry.by} at {entry.at}: it has its answer")


def request(
    log: AuditLog,
    *,
    model_name: str,
    version: str,
    model_sha256: str,
    evidence: Mapping[str, Any],
    trained_by: Caller,
    four_eyes: bool,
    at: str,
    expires_at: str,
) -> Entry:
    """Ask whether a model version may be promoted; return the request, an earlier one that still stands if any.

    `evidence` is what the answer will rest on: gates, comparison, what changes this week. `at` and `expires_at` are
    ISO 8601 with an offset; `four_eyes`: whether whoever trained may not answer. The request's id,
    `<name>/<version>/<first 16 of the hash>`, is its entry's subject; a request that nobody answered in time, or whose
    approval is spent or ran out unused, is followed by another with `/2`, `/3`, ...
    """
    now, end = moment(at), moment(expires_at)
    if end <= now:
        raise InputError(Problem("a request expires after it is made", found=expires_at, allowed=f"later than {at}"))
    body = {
        "model_name": model_name,
        "version": version,
        "model_sha256": model_sha256,
        "evidence": dict(evidence),
        "evidence_sha256": sha256(json_bytes(evidence)),
        "trained_by": trained_by.person,
        "trained_by_identity": trained_by.identity,
        "four_eyes": four_eyes,
        "expires_at": expires_at,
    }
    first = f"{model_name}/{version}/{model_sha256[:16]}"
    subject, attempt = first, 1
    while True:
        earlier = log.find("approval_request", subject)
        if earlier is None:
            return log.append("approval_request", subject, at=at, by=trained_by.person, body=body, once=True)[0]
        if _stands(log, earlier, now):
            return earlier
        attempt += 1
        subject = f"{first}/{attempt}"


def answer(
    log: AuditLog,
    request_id: str,
    verdict: Verdict,
    reason: str,
    by: Caller,
    at: str,
    rules: Rules,
    evidence_sha256: str | None = None,
) -> Entry:
    """Record the one answer to a request.

    `evidence_sha256` names the evidence that was shown to `by`, where another process showed it. Four eyes hold where
    the request asks for them, whatever `rules` say. Raises InputError where the request is unknown, expired, or of
    other evidence, `by` may not answer it or gives no reason; and AnsweredError, of whoever answered first, where it
    has an answer.
    """
    asked = _asked(log, request_id)
    if evidence_sha256 is not None and evidence_sha256 != asked.body["evidence_sha256"]:
        raise InputError(
            Problem(
                "the evidence that was shown is not that of the request",
                where=request_id,
                found=evidence_sha256[:64],
                allowed=str(asked.body["evidence_sha256"]),
                hint="look at the request as it stands: jackpot approvals",
            )
        )
    rules.at_least(bool(asked.body.get("four_eyes"))).check(by, trainer_of(asked))
    said = reasoned(reason, request_id)
    given = answer_of(log, request_id)
    if given is not None:
        raise AnsweredError(given)
    if not moment(asked.at) <= moment(at) < moment(str(asked.body["expires_at"])):
        raise InputError(
            Problem(
                "the request is not open at this time",
                where=request_id,
                found=at,
                allowed=f"from {asked.at}, before {asked.body['expires_at']}",
                hint=f"once it has expired, the next weekly run asks anew: jackpot run {log.market}",
            )
        )
    overtaken = stale(log, asked)
    if overtaken:
        raise InputError(
            Problem(
                "the request waits no more",
                where=request_id,
                found=overtaken,
                hint=f"the next weekly run compares anew: jackpot run {log.market}",
            )
        )
    body = {
        "verdict": verdict,
        "reason": said,
        "identity": by.identity,
        "request": asked.number,
        **{name: asked.body[name] for name in ("model_name", "version", "model_sha256", "evidence_sha256")},
    }
    entry, new = log.append("approval_answer", request_id, at=at, by=by.person, body=body, once=True)
    if not new:
        raise AnsweredError(entry)
    return entry


def approved(log: AuditLog, request_id: str, model_sha256: str, at: str) -> Entry:
    """Return the approval of this very model; raise JackpotError, with why, where there is none that holds at `at`.

    An approval holds as long again as its request was open, and makes its version champion once.
    """
    asked, given = _asked(log, request_id), answer_of(log, request_id)
    if given is None:
        state = "expired without an answer" if moment(at) >= moment(str(asked.body["expires_at"])) else "waits"
        raise JackpotError(f"{request_id} is not approved: it {state}")
    if given.body["verdict"] != "approved":
        raise JackpotError(f"{request_id} was rejected by {given.by} at {given.at}: {given.body['reason']}")
    if not model_sha256 == asked.body["model_sha256"] == given.body["model_sha256"]:
        raise JackpotError(
            f"{request_id} approves the model {given.body['model_sha256']}, not {model_sha256}: nothing is promoted"
        )
    later = overtaken_by(log, given)
    if later is not None:
        raise JackpotError(
            f"the approval of {request_id} was used, and {later.by} changed the champion since ({later.kind} at "
            f"{later.at}): it needs a new one, for which jackpot run {log.market} asks where the model is still better"
        )
    ends = _runs_out(asked, given)
    if moment(at) >= ends:
        raise JackpotError(
            f"the approval of {request_id} held until {ends.isoformat()}: jackpot run {log.market} asks anew where the "
            "model is still better"
        )
    return given


def pending(log: AuditLog, at: str) -> list[Entry]:
    """Return the requests that wait for an answer at `at`, oldest first."""
    return [asked for asked in unanswered(log, at) if not stale(log, asked)]


def unanswered(log: AuditLog, at: str) -> list[Entry]:
    """Return the requests that are open at `at`: those that wait, and those that a new champion overtook."""
    answered = {entry.subject for entry in log.entries("approval_answer")}
    now = moment(at)
    return [
        entry
        for entry in log.entries("approval_request")
        if entry.subject not in answered and now < moment(str(entry.body["expires_at"]))
    ]


def stale(log: AuditLog, asked: Entry) -> str:
    """Say why a request waits no more: its version was compared with another champion than today's; empty: it waits."""
    evidence = asked.body["evidence"]
    if not isinstance(evidence, dict) or "comparison" not in evidence:
        return ""
    against, champion = evidence["comparison"], standings(log, str(asked.body["model_name"])).champion
    then = Version.of(against) if isinstance(against, dict) else None
    if (then and then.sha256) == (champion and champion.sha256):
        return ""
    return (
        f"{asked.body['version']} was compared with {f'champion {then.version}' if then else 'no champion'}, and "
        f"{champion.version if champion else 'none'} is champion now"
    )


def unpromoted(log: AuditLog, at: str) -> list[Entry]:
    """Return the approvals that hold at `at` and that no promotion has followed: never started, or killed."""
    promoted = [(entry.body["model_name"], entry.number) for entry in log.entries("promotion")]
    left = []
    for entry in log.entries("approval_answer"):
        name = entry.body["model_name"]
        if entry.body["verdict"] != "approved" or any(name == of and number > entry.number for of, number in promoted):
            continue
        with suppress(JackpotError):
            left.append(approved(log, entry.subject, str(entry.body["model_sha256"]), at))
    return left


def overtaken_by(log: AuditLog, given: Entry) -> Entry | None:
    """Return the first change of champion after the promotion that an approval was used for: it is spent since then."""
    used = False
    for entry in log.entries("promotion", "rollback"):
        if entry.body["model_name"] != given.body["model_name"]:
            continue
        if entry.body.get("approval") == given.number:
            used = True
        elif used and (entry.kind == "rollback" or entry.body["outcome"] == "promoted"):
            return entry
    return None


def _stands(log: AuditLog, asked: Entry, now: dt.datetime) -> bool:
    """Return whether a request is open, rejected, or approved and of use: it is not asked anew."""
    given = answer_of(log, asked.subject)
    if given is None:
        return now < moment(str(asked.body["expires_at"]))
    if given.body["verdict"] != "approved":
        return True
    used = any(entry.body.get("approval") == given.number for entry in log.entries("promotion"))
    return overtaken_by(log, given) is None if used else now < _runs_out(asked, given)


def _runs_out(asked: Entry, given: Entry) -> dt.datetime:
    """Return when an approval runs out."""
    return moment(given.at) + (moment(str(asked.body["expires_at"])) - moment(asked.at))


def answer_of(log: AuditLog, request_id: str) -> Entry | None:
    """Return the answer to a request, or None."""
    return log.find("approval_answer", request_id)


def reasoned(reason: str, where: str = "") -> str:
    """Return a reason as it is recorded; raise InputError where it is empty or too long."""
    said = reason.strip()
    if not said or len(said) > LONGEST_REASON:
        raise InputError(
            Problem(
                "whoever answers or rolls back gives a reason",
                where=where,
                field="reason",
                found=f"{len(said)} characters",
                allowed=f"1 to {LONGEST_REASON}",
            )
        )
    return said


def trainer_of(asked: Entry) -> Caller:
    """Return who trained the model of a request; requests of an earlier release say no identity."""
    return Caller(str(asked.body["trained_by"]), str(asked.body.get("trained_by_identity", "")))


def giver_of(given: Entry) -> Caller:
    """Return who gave an answer, or made a decision; those of an earlier release say no identity."""
    return Caller(given.by, str(given.body.get("identity", "")))


def moment(text: str) -> dt.datetime:
    """Return the moment of an ISO 8601 text; raise InputError where it is none or has no offset."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InputError(
            Problem("this is no moment in time", found=text[:80], allowed="ISO 8601 with offset: 2026-11-21T12:00:00Z")
        )
    return found


def _asked(log: AuditLog, request_id: str) -> Entry:
    found = log.find("approval_request", request_id)
    if found is None:
        waiting = [entry.subject for entry in log.entries("approval_request")][-5:]
        raise InputError(
            Problem(
                f"{log.market} knows no such request",
                found=request_id[:200],
                allowed=", ".join(waiting) or "none was made yet",
            )
        )
    return found

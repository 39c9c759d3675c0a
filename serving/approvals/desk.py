"""What an answer sets off: it is recorded, the promotion starts, and Slack is told what became of it."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final

from jackpot.adapters.places import Places
from jackpot.approval import AnsweredError, Caller, Rules, answer
from jackpot.approval.buttons import Pressed
from jackpot.audit import AuditLog, Entry
from jackpot.errors import InputError, JackpotError, Problem
from jackpot.market.loading import known_markets, load_market

ATTEMPTS: Final = 3
TELL_SECONDS: Final = 10.0
PROMOTE_SECONDS: Final = 3600


@dataclass(frozen=True)
class Outcome:
    """What became of a pressed button: the answer that was recorded, or why none was."""

    text: str
    entry: Entry | None = None


@dataclass(frozen=True)
class Desk:
    """Records answers as the person behind a Slack user."""

    places: Places
    clock: Callable[[], float] = time.time
    _logs: dict[str, AuditLog] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def first_seen(self, signature: str, timestamp: str) -> bool:
        """Return whether a signed message is seen for the first time, and remember it; for good, by its second."""
        return self.places.store.put_new(f"approvals/seen/{timestamp}-{signature.rpartition('=')[2]}", b"")

    def answer(self, press: Pressed) -> Outcome:
        """Record an answer; an Outcome without an entry says why there is none."""
        try:
            entry = self._answer(press)
        except AnsweredError as error:
            return Outcome(f"Nothing was recorded: {error}.")
        except InputError as error:
            return Outcome(f"Nothing was recorded: {error.problems[0]}.")
        return Outcome(f"{entry.subject}: {entry.body['verdict']} by {entry.by}: {entry.body['reason']}", entry)

    def _answer(self, press: Pressed) -> Entry:
        market, settings = press.question.market, self.places.environment.approval
        # A name alone: the loader would also take a path.
        if market not in known_markets():
            raise InputError(Problem("there is no such market", found=market[:80]))
        rules = Rules.of(market, settings.approvers, load_market(market).market.governance.four_eyes)
        identity = f"slack:{press.user}"
        by = Caller(settings.person(identity), identity)
        at = dt.datetime.fromtimestamp(int(self.clock()), dt.UTC).isoformat()
        # The log keeps what it has read, and is for one thread at a time.
        with self._lock:
            log = self._logs.setdefault(market, self.places.audit(market))
            question = press.question
            return answer(log, question.request, press.verdict, press.reason, by, at, rules, question.evidence_sha256)

    def ready(self) -> None:
        """Raise JackpotError where no market's answers could be recorded: no key, no store."""
        for market in known_markets()[:1]:
            self.places.audit(market)
        list(self.places.store.keys("approvals/ready"))


def promote(entry: Entry, environment: str) -> str:
    """Start the promotion of an approved version as a process of its own; return what became of it, as a sentence."""
    version = f"{entry.body['model_name']}/{entry.body['version']}"
    words = ["promote", entry.market, version, "--environment", environment, "--no-wait", "--json"]
    again = f"start it again: jackpot promote {entry.market} {version}"
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-m", "jackpot", *words], capture_output=True, text=True, timeout=PROMOTE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The promotion did not start ({type(error).__name__}); {again}"
    if done.returncode == 0:
        told = json.loads(done.stdout)
        return f"{version} is champion." if told["champion"] else f"The promotion has started: {told['link']}"
    try:
        told = json.loads(done.stdout)
        why = told.get("message") or "; ".join(problem["message"] for problem in told["problems"])
    except (ValueError, KeyError, AttributeError):
        why = f"exit code {done.returncode}"
    return f"The promotion failed: {why}; {again}"


def tell(url: str, text: str, below: str, in_place: bool = False) -> None:
    """Tell Slack what became of an answer: at the message's own address, and nowhere else than `below` a prefix.

    Raises JackpotError where the address is another or Slack takes nothing.
    """
    import httpx

    if not url.startswith(below.rstrip("/") + "/"):
        raise JackpotError("the address for the outcome is not Slack's")
    message: dict[str, Any] = {"text": text, "response_type": "in_channel", "replace_original": in_place}
    reason = ""
    for attempt in range(ATTEMPTS):
        try:
            answered = httpx.post(url, json=message, timeout=TELL_SECONDS, follow_redirects=False)
        except httpx.HTTPError as error:
            reason = type(error).__name__
        else:
            if answered.is_success:
                return
            reason = f"HTTP {answered.status_code}"
        if attempt + 1 < ATTEMPTS:
            time.sleep(2**attempt)
    raise JackpotError(f"Slack did not take the outcome: {reason}")

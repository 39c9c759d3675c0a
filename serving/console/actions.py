"""What takes longer than a page: replays, promotions, a year decided anew. Each is the command itself, in a process.

An action's state lies in the store, so that it survives a reload and is shown to whoever may see it; what it did is
recorded by the command, in the audit log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from jackpot.canonical import json_bytes, sha256
from jackpot.store import MissingObjectError, Store

LONGEST_SECONDS: Final = 3600.0
KEPT_OUTPUT: Final = 200_000
AT_ONCE: Final = 2
"""Commands that run at the same time, a few hundred MB each; the others wait their turn."""
NICE: Final = 10
"""They leave the processor to the pages and the questions."""
ID_LENGTH: Final = 24


@dataclass(frozen=True)
class Action:
    """A command that was started, and how it stands."""

    id: str
    market: str
    what: str
    by: str
    started: str
    state: str = "running"
    """running, done, failed, or lost: the console stopped while it ran."""
    code: int | None = None
    output: str = ""
    page: str = ""
    """Where its result is shown; empty where that is the action's own page."""

    @property
    def said(self) -> str:
        """What the command said in the end, in a sentence; empty where that is not known."""
        try:
            told = json.loads(self.output)
            if "verdict" in told:
                return f"The replay is {told['verdict']}: {told['reason']}"
            if "sums" in told:
                return _year(told)
            if told.get("champion"):
                return f"{told['champion']} is champion."
            if told.get("link"):
                return f"The promotion has started: {told['link']}"
            return str(told.get("message") or "; ".join(problem["message"] for problem in told["problems"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return ""

    def shown(self) -> dict[str, Any]:
        """Return it as an event shows it."""
        return {**asdict(self), "said": self.said}


class Actions:
    """Starts commands and tells how they stand."""

    def __init__(self, store: Store, environment: str, now: Callable[[], str]) -> None:
        self._store = store
        self._environment = environment
        self._now = now
        self._running: dict[str, tuple[Action, asyncio.Task[None]]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.ended: Counter[tuple[str, str]] = Counter()
        """Actions that have ended, by their first word and how."""

    def __len__(self) -> int:
        """Return how many run or wait their turn."""
        return len(self._running)

    def running(self, market: str, what: str) -> Action | None:
        """Return the action of this name that runs now, or None."""
        found = (known for known, _ in list(self._running.values()))
        return next((known for known in found if (known.market, known.what) == (market, what)), None)

    def start(self, market: str, what: str, words: Sequence[str], by: str, page: str = "") -> Action:
        """Start `jackpot WORDS`; the same one that still runs is returned instead of a second."""
        known = self.running(market, what)
        if known is not None:
            return known
        at = self._now()
        number = sha256(f"{at}\n{market}\n{what}\n{by}".encode())[:ID_LENGTH]
        action = Action(number, market, what, by, at, page=page)
        task = asyncio.get_running_loop().create_task(self._run(action, list(words)))
        self._running[action.id] = (action, task)
        return action

    def get(self, action_id: str) -> Action | None:
        """Return an action by its id, or None."""
        running = self._running.get(action_id)
        if running is not None:
            return running[0]
        if not (len(action_id) == ID_LENGTH and action_id.isascii() and action_id.isalnum()):
            return None
        try:
            action = Action(**json.loads(self._store.read(_key(action_id))))
        except MissingObjectError:
            return None
        # It ended, or the console that ran it did, while the record was read.
        return replace(action, state="lost") if action.state == "running" and action_id not in self._running else action

    async def events(self, action_id: str) -> AsyncIterator[str]:
        """Yield an action's states as server-sent events, until it has ended."""
        last = None
        while True:
            action = await asyncio.to_thread(self.get, action_id)
            if action is None:
                return
            if action != last:
                yield f"data: {json.dumps(action.shown())}\n\n"
                last = action
            if action.state != "running":
                return
            running = self._running.get(action_id)
            if running is not None:
                await asyncio.wait([running[1]], timeout=10)
            yield ": \n\n"

    async def _run(self, action: Action, words: list[str]) -> None:
        ended = replace(action, state="failed", output="the console stopped while it ran")
        try:
            await asyncio.to_thread(self._keep, action)
            async with self._turns:
                ended = await self._ended(action, words)
        except OSError as error:
            ended = replace(ended, output=f"it could not be started: {error}")
        finally:
            self.ended[action.what.partition(" ")[0], ended.state] += 1
            try:
                await asyncio.to_thread(self._keep, ended)
            finally:
                self._running.pop(action.id, None)

    async def _ended(self, action: Action, words: list[str]) -> Action:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jackpot",
            *words,
            "--environment",
            self._environment,
            "--json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            out, err = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            out, err = b"", f"stopped after {LONGEST_SECONDS:.0f} s".encode()
        except asyncio.CancelledError:
            process.terminate()
            raise
        text = (out or err).decode(errors="replace")[:KEPT_OUTPUT]
        return replace(
            action, state="done" if process.returncode == 0 else "failed", code=process.returncode, output=text
        )

    def _keep(self, action: Action) -> None:
        self._store.replace(_key(action.id), json_bytes(asdict(action)))


def _year(told: dict[str, Any]) -> str:
    from jackpot.report.money import Money
    from jackpot.steps.beside import YearBeside

    return " ".join(YearBeside.model_validate(told).words(Money(str(told["currency"])).short))


def _key(action_id: str) -> str:
    return f"console/actions/{action_id}.json"

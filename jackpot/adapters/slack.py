"""Messages to Slack: one thread a run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

from ..approval.buttons import Question, answer_blocks
from ..canonical import json_bytes
from ..environment import Slack
from ..errors import JackpotError
from ..ports import Notice
from ..store import MissingObjectError, Store

ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 10.0
"""Seconds between two attempts, however long Slack asks to wait."""
LONGEST_LINES: Final = 2500
"""Characters of the lines below a message: a block of Slack's holds 3,000."""
MARKS: Final = {"failed": ":x:", "infeasible": ":warning:", "overdue": ":alarm_clock:", "recommended": ":moneybag:"}


class SlackThread:
    """Posts a run's first message to the channel and all later ones into its thread."""

    def __init__(self, settings: Slack, token: Path, store: Store) -> None:
        from slack_sdk import WebClient

        try:
            secret = token.read_text().strip()
        except OSError as error:
            raise JackpotError(f"Slack's token cannot be read: {token}: {error.strerror}") from None
        api = settings.api if settings.api.endswith("/") else f"{settings.api}/"
        self._client = WebClient(secret, base_url=api, timeout=settings.timeout_seconds, retry_handlers=[])
        self._channel = settings.channel
        self._buttons = settings.signing_secret is not None
        self._store = store

    def __call__(self, notice: Notice) -> None:
        """Post a message; raise JackpotError where Slack refuses it or does not answer."""
        key = f"runs/{notice.run_id}/slack-thread.json"
        try:
            thread = str(json.loads(self._store.read(key))["ts"])
        except MissingObjectError:
            thread = None
        answer = self._post(
            {
                "channel": self._channel,
                "text": f"{notice.name}: {notice.text}",
                "blocks": blocks(notice, self._buttons),
                "unfurl_links": False,
                "thread_ts": thread,
                # What went wrong or wants an answer is seen in the channel too.
                "reply_broadcast": bool(thread) and notice.kind not in {"started", "recommended", "restoring"},
            }
        )
        if thread is None:
            self._store.put_new(key, json_bytes({"channel": self._channel, "ts": str(answer["ts"])}))

    def _post(self, message: dict[str, Any]) -> Any:
        from slack_sdk.errors import SlackApiError, SlackClientError

        for attempt in range(1, ATTEMPTS + 1):
            wait = float(attempt)
            try:
                return self._client.chat_postMessage(**message)
            except SlackApiError as error:
                reason = str(error.response.get("error") or f"HTTP {error.response.status_code}")
                if error.response.status_code != 429 and error.response.status_code < 500:
                    raise JackpotError(f"Slack refused the message: {reason}") from None
                wait = float(error.response.headers.get("Retry-After", wait))
            except (SlackClientError, OSError) as error:  # OSError: nobody answers, or not in time
                reason = str(error)
            if attempt < ATTEMPTS:
                time.sleep(min(wait, LONGEST_WAIT))
        raise JackpotError(f"Slack cannot be reached: {reason}")


def blocks(notice: Notice, buttons: bool = False) -> list[dict[str, Any]]:
    """Return a message as Slack's Block Kit: the sentence, the lines below it, the buttons of a question, the link."""
    head = f"{MARKS.get(notice.kind, '')} *{_escaped(notice.name)}*  {_escaped(notice.text)}".strip()
    made: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": head[:2900]}}]
    if notice.lines:
        lines = _escaped("\n".join(notice.lines))[-LONGEST_LINES:].replace("```", "'''")
        made.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{lines}```"}})
    if notice.question is not None and buttons:
        made += answer_blocks(Question.model_validate(notice.question))
    if notice.link:
        made.append({"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{notice.link}|the run>"}]})
    return made


def _escaped(text: str) -> str:
    """Slack reads three characters as its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

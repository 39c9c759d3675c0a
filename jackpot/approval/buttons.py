"""Approve and Reject as buttons of a Slack message (Block Kit), and what Slack sends when one is pressed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from ..errors import InputError, Problem
from ..records import Record, Sha256
from .requests import LONGEST_REASON, Verdict

VERDICTS: Final[dict[str, Verdict]] = {"approve": "approved", "reject": "rejected"}
REASON: Final = "reason"


class Question(Record):
    """What a button is about; it travels through Slack as the button's value."""

    market: str
    request: str
    evidence_sha256: Sha256
    """Of the evidence that stands in the message: an answer counts for that evidence alone."""


@dataclass(frozen=True)
class Pressed:
    """A button that somebody pressed."""

    verdict: Verdict
    question: Question
    user: str
    """Slack's id of the user, e.g. U0123ABCD."""
    reason: str
    response_url: str


def answer_blocks(question: Question) -> list[dict[str, Any]]:
    """Return a field for the reason and the two buttons, to stand below the evidence."""
    value = question.model_dump_json()
    label = {"approve": "Approve", "reject": "Reject"}
    style = {"approve": "primary", "reject": "danger"}
    return [
        {
            "type": "input",
            "block_id": REASON,
            "label": {"type": "plain_text", "text": "Reason"},
            "element": {"type": "plain_text_input", "action_id": REASON, "max_length": LONGEST_REASON},
        },
        {
            "type": "actions",
            "block_id": "answer",
            "elements": [
                {
                    "type": "button",
                    "action_id": action,
                    "text": {"type": "plain_text", "text": label[action]},
                    "style": style[action],
                    "value": value,
                }
                for action in VERDICTS
            ],
        },
    ]


def pressed(payload: str) -> Pressed:
    """Return the button in Slack's `payload` of a block_actions interaction; raise InputError where it is none."""
    try:
        told = json.loads(payload)
        if told["type"] != "block_actions" or len(told["actions"]) != 1:
            raise ValueError("not one pressed button")
        action = told["actions"][0]
        reason = told["state"]["values"][REASON][REASON]["value"]
        return Pressed(
            verdict=VERDICTS[action["action_id"]],
            question=Question.model_validate_json(action["value"]),
            user=_text(told["user"]["id"]),
            reason="" if reason is None else _text(reason),
            response_url=_text(told["response_url"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise InputError(
            Problem(
                "this is no answer to a request for approval", found=type(error).__name__, allowed="a pressed button"
            )
        ) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value

"""Approval: a model is promoted once a person who may has said yes to that very model, on evidence, in time."""

from .requests import (
    AnsweredError,
    answer,
    answer_of,
    approved,
    giver_of,
    pending,
    reasoned,
    request,
    stale,
    trainer_of,
    unanswered,
    unpromoted,
)
from .rules import Caller, Rules, two_people

__all__ = [
    "AnsweredError",
    "Caller",
    "Rules",
    "answer",
    "answer_of",
    "approved",
    "giver_of",
    "pending",
    "reasoned",
    "request",
    "stale",
    "trainer_of",
    "two_people",
    "unanswered",
    "unpromoted",
]

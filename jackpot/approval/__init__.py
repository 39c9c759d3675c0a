"""Approval: a model is promoted once a person who may has said yes to that very model, on evidence, in time."""

from .requests import AnsweredError, answer, answer_of, approved, pending, request, unpromoted
from .rules import Rules, two_people

__all__ = [
    "AnsweredError",
    "Rules",
    "answer",
    "answer_of",
    "approved",
    "pending",
    "request",
    "two_people",
    "unpromoted",
]

"""What was recommended, what was decided and what happened: views of the audit log and the history."""

from .decisions import decide, decision_for, in_words, is_late, waits_for_second
from .outcomes import DrawOutcome, Month, Outcomes, outcomes

__all__ = [
    "DrawOutcome",
    "Month",
    "Outcomes",
    "decide",
    "decision_for",
    "in_words",
    "is_late",
    "outcomes",
    "waits_for_second",
]

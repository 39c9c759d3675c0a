"""Who may what, by market: read, decide (and see cash), approve, administer."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from jackpot.approval.rules import Rules
from jackpot.environment import Environment

Role = Literal["read", "decide", "approve", "administer"]


class Roles:
    """The roles of an environment file. Whoever may decide, approve or administer may also read."""

    def __init__(self, environment: Environment) -> None:
        self._console = environment.console
        self._approvers = environment.approval.approvers

    def may(self, person: str, role: Role, market: str) -> bool:
        """Return whether a person has a role on a market."""
        if role == "read" and any(self.may(person, other, market) for other in ("decide", "approve", "administer")):
            return True
        given = self._approvers if role == "approve" else getattr(self._console, role)
        return any(fnmatchcase(person, pattern) for pattern in Rules.of(market, given, False).approvers)

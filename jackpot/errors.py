"""Errors written for the reader: what is wrong, where, what was found, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input, or worth a warning, at one place.

    `where` is the file, with its line where there is one ("england.yaml:12"); `field` is a key ("jackpot.cap") or a
    column; `row` is the row of a table, counted as a spreadsheet counts (the header is row 1).
    """

    message: str
    where: str = ""
    field: str = ""
    row: int | None = None
    found: str = ""
    allowed: str = ""
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = [self.where] if self.where else []
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.field:
            place.append(self.field)
        parts = [f"{', '.join(place)}: {self.message}" if place else self.message]
        if self.found:
            parts.append(f"found {self.found}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)


class JackpotError(Exception):
    """Something failed that no input of the user's can mend (exit code 1)."""


class InputError(JackpotError):
    """The input is at fault (exit code 2); every problem found is listed, not only the first."""

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: Sequence[Problem] = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

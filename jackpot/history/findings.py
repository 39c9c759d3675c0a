"""What was found wrong with a file, and what becomes of it: an error, or a warning with the row put aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from .cells import Bools, Fault, shown

MOST_BAD_ROWS = 0.05
"""More than this share of rows at fault is no slip of a row: the file, or how it is read, is wrong."""
LAST_DRAWS = 4
"""A fault in the last draws would shift the state that the forecast starts from, so it is never put aside."""
MOST_LISTED = 20


@dataclass(frozen=True)
class _Bad:
    mask: Bools
    problem: Problem
    found: Sequence[str]
    whole_row: bool
    harmless: bool


@dataclass
class Findings:
    """Gathers faults over the rows of one file, in order of date; `row` gives their number in the file."""

    where: str
    row: npt.NDArray[np.int64]
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _bad: list[_Bad] = field(default_factory=list)

    def bad(
        self, fault: Fault, column: str, found: Sequence[str], whole_row: bool = True, harmless: bool = False
    ) -> None:
        """Note bad cells: `whole_row` where the draw cannot be used without them, `harmless` where nothing is lost."""
        if fault.mask.any():
            problem = Problem(fault.message, self.where, column, allowed=fault.allowed, hint=fault.hint)
            self._bad.append(_Bad(fault.mask, problem, found, whole_row, harmless))

    def error(
        self, mask: Bools, message: str, column: str, found: Sequence[str], allowed: str = "", hint: str = ""
    ) -> None:
        """Note rows that stop the run wherever they stand."""
        for i in np.flatnonzero(mask).tolist():
            self.errors.append(Problem(message, self.where, column, int(self.row[i]), shown(found[i]), allowed, hint))

    def warn(
        self, mask: Bools, message: str, column: str, found: Sequence[str], allowed: str = "", hint: str = ""
    ) -> None:
        """Note rows that are kept: one warning, with their count and the first of them."""
        if mask.any():
            problem = Problem(message, self.where, column, allowed=allowed, hint=hint)
            self.warnings.append(self._summary(mask, problem, found))

    @property
    def unusable(self) -> Bools:
        """Which rows cannot be used."""
        mask = np.zeros(len(self.row), dtype=bool)
        for bad in self._bad:
            if bad.whole_row:
                mask |= bad.mask
        return mask

    def settle(self) -> dict[int, str]:
        """Return the reason for each position that is put aside; raise InputError where errors were found.

        Faults in more than 5% of rows (and in more than one), or in one of the last 4, are errors.
        """
        total = len(self.row)
        at_fault = np.zeros(total, dtype=bool)
        harmful = [bad for bad in self._bad if not bad.harmless]
        for bad in harmful:
            at_fault |= bad.mask
        count = int(at_fault.sum())
        too_many = count > max(1.0, MOST_BAD_ROWS * total)
        fatal = np.arange(total) >= (0 if too_many else total - LAST_DRAWS)
        listed = [
            (int(self.row[i]), self._single(bad, i, too_many))
            for bad in harmful
            for i in np.flatnonzero(bad.mask & fatal)[: MOST_LISTED + 1]
        ]
        errors = self.errors + [problem for _, problem in sorted(listed, key=lambda item: item[0])]
        if errors:
            more = sum(int((bad.mask & fatal).sum()) for bad in harmful) + len(self.errors) - MOST_LISTED
            message = f"{count} of {total} rows are at fault: more than {MOST_BAD_ROWS:.0%}"
            summary = [Problem(message, self.where)] if too_many else []
            rest = [Problem(f"and {more} more", self.where)] if more > 0 else []
            raise InputError([*summary, *errors[:MOST_LISTED], *rest])

        reasons: dict[int, list[str]] = {}
        for bad in self._bad:
            self.warnings.append(self._summary(bad.mask, bad.problem, bad.found, bad.whole_row))
            if bad.whole_row:
                for i in np.flatnonzero(bad.mask):
                    name = f"{bad.problem.field} " if bad.problem.field else ""
                    reasons.setdefault(int(i), []).append(name + bad.problem.message)
        return {i: "; ".join(reasons[i]) for i in sorted(reasons)}

    def _single(self, bad: _Bad, position: int, too_many: bool) -> Problem:
        late = "" if too_many else f"one of the last {LAST_DRAWS} draws, from which the forecast starts: correct it"
        return replace(
            bad.problem,
            row=int(self.row[position]),
            found=shown(bad.found[position]),
            hint="; ".join(part for part in (bad.problem.hint, late) if part),
        )

    def _summary(self, mask: Bools, problem: Problem, found: Sequence[str], whole_row: bool | None = None) -> Problem:
        """Return one warning on many rows: the first few by number and what they hold."""
        positions: list[int] = np.flatnonzero(mask).tolist()
        first = sorted(positions, key=lambda i: self.row[i])[:3]
        listed = ", ".join(f"{shown(found[i])} (row {self.row[i]})" for i in first)
        done = "" if whole_row is None else "the row was put aside" if whole_row else "the figure counts as unknown"
        return replace(
            problem,
            row=int(self.row[first[0]]),
            found=shown(found[first[0]])
            if len(positions) == 1
            else f"{len(positions)} rows: {listed}" + (", ..." if len(positions) > len(first) else ""),
            hint="; ".join(part for part in (problem.hint, done) if part),
            severity="warning",
        )

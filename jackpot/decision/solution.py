"""A situation with its answer: what a recommendation is written from, and what questions after it start from.

The mathematics: docs/decision.md, "What if".
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..records import Infeasibility, Status
from .constraints import Constraints, constraints_of
from .grid import StepGrid, step_grid
from .infeasible import infeasibility
from .search import Optimum, optimise
from .situation import Situation


@dataclass(frozen=True)
class Solution:
    """The best jackpot of a situation, the constraints it was chosen under, and the table of all that were valued.

    `shown` is the grid index of `jackpot`: the best, or the least harmful where `trouble` says why there is none.
    """

    situation: Situation
    grid: StepGrid
    constraints: Constraints
    optimum: Optimum
    shown: int
    trouble: Infeasibility | None
    outcomes: dict[Hashable, Any] = field(init=False, default_factory=dict, compare=False, repr=False)
    """What was asked of this solution before: `what_if`."""

    @property
    def jackpot(self) -> float:
        """The recommended jackpot, or the least harmful one, in units of currency."""
        return float(self.grid.jackpots(self.shown))

    @property
    def status(self) -> Status:
        """What the jackpot is."""
        if self.trouble is not None:
            return "infeasible"
        return "restoring" if self.optimum.restoring else "recommended"


def solve(situation: Situation) -> Solution:
    """Return the solution of a situation."""
    grid = step_grid(situation)
    constraints = constraints_of(situation, grid)
    return _solution(situation, grid, constraints, optimise(situation, grid, constraints))


def with_cash_now(solved: Solution, cash_now: float) -> Solution:
    """Return the solution with other cash figures: what `solve` gives, from the same plan wherever that stays."""
    situation = replace(solved.situation, cash_now=cash_now)
    constraints = constraints_of(situation, solved.grid, solved.constraints.planned)
    same = constraints.outlook is solved.constraints.outlook
    table = solved.optimum.table
    optimum = optimise(situation, solved.grid, constraints, table if same else None, table)
    return _solution(situation, solved.grid, constraints, optimum)


def held(solved: Solution) -> Solution:
    """Return the solution with the jackpot announced last, or the nearest valued one that keeps every constraint.

    Where nothing does, or no jackpot keeps its promises any more, it is the solution as it was.
    """
    if solved.trouble is not None or solved.optimum.restoring:
        return solved
    kept = solved.optimum.table.index.to_numpy()[solved.optimum.feasible]
    last = solved.grid.nearest(solved.situation.last_jackpot)
    nearest = int(kept[np.abs(kept - last).argmin()])
    optimum = replace(solved.optimum, best=nearest, near=None)
    return replace(solved, optimum=optimum, shown=nearest)


def _solution(situation: Situation, grid: StepGrid, constraints: Constraints, optimum: Optimum) -> Solution:
    if optimum.best is not None:
        return Solution(situation, grid, constraints, optimum, optimum.best, None)
    trouble, shown = infeasibility(grid, constraints, optimum)
    return Solution(situation, grid, constraints, optimum, shown, trouble)

"""The best jackpot on the step grid, from coarse to fine where the grid is large.

The mathematics: docs/decision.md, "Search".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .constraints import Constraints
from .grid import Index, StepGrid
from .programme import AS_CONFIDENT, LOST
from .situation import Array, Mask, Situation
from .value import value_table

_WHOLE = 1001
_COARSE = 400
_FINE = 16
_GAIN = 1e-9
RATIO = frozenset({"payout_ratio_floor", "payout_ratio_ceiling"})
"""Promises that have the plan; where there is none of them, the cash floor has it."""


@dataclass(frozen=True)
class Optimum:
    """The table of values by grid index, which of its rows keep each constraint, and where the best ones lie.

    `best` is the feasible index that is worth most, this draw and what it leads to; None where the bounds leave
    nothing. Where they do, but no jackpot keeps every promise, it is the most confident one, and `restoring`. `near`
    is the unbroken run of feasible indices round it within the near-optimal share of the draw's value.
    """

    table: pd.DataFrame
    kept: dict[str, Mask]
    feasible: Mask
    best: int | None
    near: tuple[int, int] | None
    restoring: bool = False

    def without(self, removed: str) -> Mask:
        """Return which rows keep every constraint but the one named."""
        others = [mask for name, mask in self.kept.items() if name != removed]
        return np.asarray(np.logical_and.reduce(others), dtype=bool)

    def binding(self) -> dict[str, float]:
        """Return what each constraint's removal would add to the best value, for those whose removal adds anything.

        Where several stand in the way of the same better jackpots, so that removing one alone adds nothing, it is
        those that the best row of all breaks, each with all that could be gained.
        """
        if self.best is None or self.restoring:
            return {}
        objective = self.table["objective"]
        best = float(objective.loc[self.best])
        least = _GAIN * abs(float(self.table["expected_value"].loc[self.best]))
        planned = self.kept.keys() & RATIO or self.kept.keys() & {"cash_floor"}
        gains = {name: float(objective[self.without(name)].max()) - best for name in self.kept if name not in planned}
        # Without its plan a promise asks for nothing, and the draw's own value decides.
        value = self.table["expected_value"]
        for name in sorted(planned):
            gains[name] = float(value[self.without(name)].max()) - float(value.loc[self.best])
        alone = {name: gain for name, gain in gains.items() if gain > least}
        top = int(objective.to_numpy().argmax())
        together = {name: float(objective.iloc[top]) - best for name, mask in self.kept.items() if not mask[top]}
        return alone or {name: gain for name, gain in together.items() if gain > least}


def optimise(
    situation: Situation,
    grid: StepGrid,
    constraints: Constraints,
    table: pd.DataFrame | None = None,
    known: pd.DataFrame | None = None,
) -> Optimum:
    """Return the optimum over the step grid; a `table` of the same outlook is taken over and not computed again.

    Of a `known` one, of another outlook, the draw's own values are taken.

    Grids of up to about a thousand jackpots are valued one by one. Larger ones start from 400, and the gaps next to
    the best, to the ends of its near-optimal run and to the edges of what is feasible are split until they are single
    steps: values are smooth in the jackpot. A simulated promise that was interpolated there is computed before it is
    believed.
    """
    if table is None:
        table = _table(situation, grid, constraints, _first_nodes(situation, grid, constraints), known)
    while True:
        found = _read(situation, grid, constraints, table)
        if found.best is not None and not all(promise.verified(found.best) for promise in constraints.promises):
            continue
        new = _open_gaps(found)
        if not len(new):
            return found
        table = pd.concat([table, _table(situation, grid, constraints, new)]).sort_index()


def _table(
    situation: Situation, grid: StepGrid, constraints: Constraints, index: Index, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the values of the draw, the `objective` (with what each jackpot leads to) and the restoring `score`."""
    if known is not None and np.isin(index, known.index).all():
        table = known.loc[index].copy()
    else:
        table = value_table(situation, grid, index)
    jackpots = grid.jackpots(index)
    look = constraints.outlook.look(situation, jackpots)
    table["objective"] = table["expected_value"] + constraints.outlook.after(situation, jackpots, look)
    table["score"] = 0.0 if look is None else look.score
    return table


def _first_nodes(situation: Situation, grid: StepGrid, constraints: Constraints) -> Index:
    if grid.highest - grid.lowest <= _WHOLE:
        return np.arange(grid.lowest, grid.highest + 1)
    low, high = grid.pool, grid.last
    ends = [grid.lowest, grid.highest]
    change = situation.market.jackpot.largest_change
    if change is not None:
        low = max(low, min(grid.at_least(situation.last_jackpot - change), grid.highest))
        high = min(high, max(grid.at_most(situation.last_jackpot + change), low))
    low = max(low, min(grid.at_least(situation.least_progressed), grid.last))
    for end in (low, high):
        ends += [end - 1, end, end + 1]
    nodes = np.concatenate([grid.spread(0, grid.last, _COARSE), grid.spread(low, max(low, high), _COARSE), ends])
    return np.unique(np.clip(nodes, grid.lowest, grid.highest).astype(np.int64))


def _read(situation: Situation, grid: StepGrid, constraints: Constraints, table: pd.DataFrame) -> Optimum:
    index = table.index.to_numpy()
    kept = constraints.kept(grid, index)
    feasible = np.logical_and.reduce(list(kept.values()))
    allowed = np.logical_and.reduce([kept[bound.name] for bound in constraints.bounds])
    objective, value = table["objective"].to_numpy(), table["expected_value"].to_numpy()
    if not allowed.any():
        return Optimum(table, kept, feasible, None, None)
    if not feasible.any():
        chances = [np.minimum(one.chance(index), one.confidence) for one in constraints.promises]
        best = most_confident(allowed, np.sum(chances, axis=0), table["score"].to_numpy(), objective)
        return Optimum(table, kept, feasible, int(index[best]), None, restoring=True)
    best = int(np.where(feasible, objective, -np.inf).argmax())
    close = feasible & (objective >= objective[best] - situation.market.decision.near_optimal_share * abs(value[best]))
    breaks = np.flatnonzero(~close)
    low = int(breaks[breaks < best].max(initial=-1)) + 1
    high = int(breaks[breaks > best].min(initial=len(value))) - 1
    return Optimum(table, kept, feasible, int(index[best]), (int(index[low]), int(index[high])))


def most_confident(allowed: Mask, kept: Array, score: Array, objective: Array) -> int:
    """Return which allowed row is worth most of those that keep most of the promises, as the plan has it.

    Where all is lost, it is the one with the highest score.
    """
    most = float(kept[allowed].max())
    if most > LOST:
        return int(np.where(allowed & (kept >= (1.0 - AS_CONFIDENT) * most), objective, -np.inf).argmax())
    order = np.lexsort((-objective, -score.round(6)))
    return int(order[allowed[order]][0])


def _open_gaps(found: Optimum) -> Index:
    """Return the indices that split the gaps which matter."""
    index = found.table.index.to_numpy()
    if found.best is None:
        rows = [int(row) for row in _most_promising(found)]
    elif found.near is None:
        rows = [int(np.searchsorted(index, found.best))]
    else:
        rows = [int(np.searchsorted(index, at)) for at in (found.best, *found.near)]
        rows += [int(row) for row in np.flatnonzero(np.diff(found.feasible.astype(np.int8)))]
    splits = [
        np.linspace(index[row], index[row + 1], _FINE + 1)[1:-1].round().astype(np.int64)
        for row in sorted({row + side for row in rows for side in (-1, 0)})
        if 0 <= row < len(index) - 1 and index[row + 1] - index[row] > 1
    ]
    return np.setdiff1d(np.concatenate(splits), index) if splits else np.array([], dtype=np.int64)


def _most_promising(found: Optimum) -> Index:
    """Return, where nothing is feasible, the edges of each constraint: between two of them something may be."""
    edges = [np.flatnonzero(np.diff(mask.astype(np.int8))) for mask in found.kept.values()]
    return np.concatenate(edges).astype(np.int64)

"""Where the bounds leave no jackpot: which one is in the way, what would help, and what harms least."""

from __future__ import annotations

import math

import numpy as np

from ..records import Infeasibility
from .constraints import Bound, Constraints
from .grid import StepGrid
from .search import Optimum


def infeasibility(grid: StepGrid, constraints: Constraints, optimum: Optimum) -> tuple[Infeasibility, int]:
    """Return the explanation, and the grid index of the least harmful jackpot.

    The bound in the way is the one that has to be relaxed least, in proportion to its limit, for some jackpot to keep
    all of them; where no single one will do, all that the least harmful jackpot breaks are relaxed together. Least
    harmful is, between start and cap or at a pool above them, what breaks the bounds least, then promises, then is
    worth most.
    """
    index = optimum.table.index.to_numpy()
    jackpots = grid.jackpots(index)
    kept = {bound.name: bound.keeps(jackpots) for bound in constraints.bounds}
    found = []
    for bound in constraints.bounds:
        others = np.logical_and.reduce([mask for name, mask in kept.items() if name != bound.name])
        if others.any() and bound.relaxable:
            found.append(_relaxed(bound, jackpots[others]))
    harmless = _least_harmful(grid, constraints, optimum)
    jackpot = float(grid.jackpots(harmless))
    if found:
        _, name, text = min(found)
        reason = f"no jackpot that keeps all other bounds keeps {name}"
        return _explain(name, reason, text, jackpot), harmless
    broken = [bound for bound in constraints.bounds if not bound.keeps(np.array([jackpot]))[0]]
    together = sorted((_relaxed(bound, np.array([jackpot])) for bound in broken), reverse=True)
    names = " and ".join(name for _, name, _ in together)
    reason = f"no jackpot keeps {names}, and to relax one of them alone does not help"
    return _explain(together[0][1], reason, " and ".join(text for _, _, text in together), jackpot), harmless


def _explain(constraint: str, reason: str, text: str, jackpot: float) -> Infeasibility:
    return Infeasibility(constraint=constraint, reason=reason, smallest_relaxation=text, least_harmful_jackpot=jackpot)


def _relaxed(bound: Bound, jackpots: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, str, str]:
    """Return the smallest relaxation of one bound that lets a jackpot pass: its size in proportion, name and words."""
    needed = bound.measured(jackpots)
    at = int((-bound.side * needed).argmin())
    size = abs(float(needed[at]) - bound.limit) / bound.limit if bound.limit else math.inf
    return size, bound.name, f"{bound.name} {bound.limit:.12g} -> {needed[at]:.12g}"


def _least_harmful(grid: StepGrid, constraints: Constraints, optimum: Optimum) -> int:
    index = optimum.table.index.to_numpy()
    index = index[(index >= 0) & (index <= grid.last)] if grid.pool <= grid.last else np.array([grid.pool])
    jackpots = grid.jackpots(index)
    beyond = np.sum([np.maximum(-bound.distance(jackpots), 0.0) for bound in constraints.bounds], axis=0)
    index = index[beyond == beyond.min()]
    missed = np.zeros(len(index))
    for promise in constraints.promises:
        missed += np.maximum(promise.confidence - promise.chance(index), 0.0)
    objective = optimum.table["objective"].loc[index].to_numpy()
    return int(index[np.lexsort((-objective, missed.round(6)))[0]])

"""Where no jackpot keeps every constraint: which one is in the way, what would help, and what harms least."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..records import Infeasibility
from .constraints import Bound, Constraints
from .grid import StepGrid
from .promise import Promise
from .search import Optimum
from .situation import Array, Situation

_DIGITS = 3
_CANDIDATES = 65
_CASH_HELP = "cash_floor: more cash, or a lower floor or confidence (the figures stand in the restricted report)"


@dataclass(frozen=True)
class _Relaxation:
    """A new limit that lets some jackpot pass, and how large a change of the limit that is, in proportion."""

    name: str
    size: float
    text: str


def infeasibility(
    situation: Situation, grid: StepGrid, constraints: Constraints, optimum: Optimum
) -> tuple[Infeasibility, int]:
    """Return the explanation, and the grid index of the least harmful jackpot.

    The constraint in the way is the one that has to be relaxed least, in proportion to its limit, for some jackpot to
    keep all of them; where no single one will do, all that the least harmful jackpot breaks are relaxed together.
    """
    index = optimum.table.index.to_numpy()
    found = []
    everything: list[Bound | Promise] = [*constraints.bounds, *constraints.promises]
    for one in everything:
        others = index[optimum.without(one.name)]
        if len(others) and not (isinstance(one, Bound) and not one.relaxable):
            found.append(_relaxed(grid, one, others))
    harmless = _least_harmful(grid, constraints, optimum)
    jackpot = float(grid.jackpots(harmless))
    if found:
        least = min(found, key=lambda relaxation: relaxation.size)
        reason = f"no jackpot that keeps all else keeps {least.name}"
        return _explain(least.name, reason, least.text, jackpot), harmless
    broken = [one for one in everything if not _keeps(one, grid, harmless)]
    together = [_relaxed(grid, one, np.array([harmless])) for one in broken]
    together.sort(key=lambda relaxation: -relaxation.size)
    names = " and ".join(relaxation.name for relaxation in together)
    reason = f"no jackpot keeps {names}, and to relax one of them alone does not help"
    return _explain(together[0].name, reason, " and ".join(one.text for one in together), jackpot), harmless


def _explain(constraint: str, reason: str, text: str, jackpot: float) -> Infeasibility:
    return Infeasibility(constraint=constraint, reason=reason, smallest_relaxation=text, least_harmful_jackpot=jackpot)


def _keeps(one: Bound | Promise, grid: StepGrid, index: int) -> bool:
    return bool((one.keeps(grid.jackpots([index])) if isinstance(one, Bound) else one.keeps([index]))[0])


def _relaxed(grid: StepGrid, one: Bound | Promise, candidates: Array) -> _Relaxation:
    """Return the smallest relaxation of one constraint that lets one of the candidates pass."""
    if isinstance(one, Bound):
        needed = one.measured(grid.jackpots(candidates))
        at = int((-one.side * needed).argmin())
        size = abs(float(needed[at]) - one.limit) / one.limit if one.limit else math.inf
        return _Relaxation(one.name, size, f"{one.name} {one.limit:.12g} -> {needed[at]:.12g}")
    chance = one.chance(candidates)
    if one.ratio is None:
        at = int(chance.argmax())
        return _Relaxation(one.name, (one.confidence - float(chance[at])) / one.confidence, _CASH_HELP)
    ratio = one.ratio
    if ratio.test.dear and len(candidates) > _CANDIDATES:
        thin = np.linspace(0, len(candidates) - 1, _CANDIDATES).round().astype(np.int64)
        candidates = candidates[thin]
    attainable = ratio.attainable(grid.jackpots(candidates), one.confidence)
    at = int((ratio.side * attainable).argmax())
    scale = 10.0**_DIGITS
    # Rounded to the lenient side, so that the limit as it is written really helps.
    lenient = -ratio.side * math.ceil(-ratio.side * float(attainable[at]) * scale - 1e-6) / scale
    needed_ratio = min(max(lenient, 0.0), 1.0)
    size = abs(needed_ratio - ratio.limit) / max(ratio.limit, 1 / scale)
    return _Relaxation(one.name, size, f"{one.name} {ratio.limit:.{_DIGITS}f} -> {needed_ratio:.{_DIGITS}f}")


def _least_harmful(grid: StepGrid, constraints: Constraints, optimum: Optimum) -> int:
    """Return the index between start and cap, or at the pool where it is above the cap, that harms least.

    That is: it breaks the other bounds least, then promises least, then is worth most.

    Promises are weighed by the probability by which they are missed; where that is the same, as on the accrued basis,
    which is nearly certain either way, by how far the ratio is from its limit.
    """
    index = optimum.table.index.to_numpy()
    index = index[(index >= 0) & (index <= grid.last)] if grid.pool <= grid.last else np.array([grid.pool])
    jackpots = grid.jackpots(index)
    beyond = sum(np.maximum(-bound.distance(jackpots), 0.0) for bound in constraints.bounds)
    index, jackpots = (array[beyond == np.min(beyond)] for array in (index, jackpots))
    missed, short = np.zeros(len(index)), np.zeros(len(index))
    for promise in constraints.promises:
        missed += np.maximum(promise.confidence - promise.chance(index), 0.0)
        if promise.ratio is not None and not promise.ratio.test.dear:
            attainable = promise.ratio.attainable(jackpots, promise.confidence)
            short += np.maximum(promise.ratio.side * (promise.ratio.limit - attainable), 0.0)
    value = optimum.table["expected_value"].loc[index].to_numpy()
    return int(index[np.lexsort((-value, short.round(9), missed.round(6)))[0]])

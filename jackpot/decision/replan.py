"""A plan for draws that differ a little from those of a plan at hand, found at once from its multipliers.

The mathematics: docs/decision.md, "What it hangs on".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from .plan import Ahead, Plan, attainable_now, plan_by
from .programme import AS_CONFIDENT, Policy
from .situation import Array

_NEAR: Final = (0.7, 1.0, 1.4)
_WIDE: Final = (0.05, 0.1, 0.2, 0.4, 0.7, 1.4, 2.8, 8.0)
_FROM_NOTHING: Final = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 0.05, 0.5)
_MOST = 10.0
_ROUNDING = 1e-9


def replan(ahead: Ahead, known: Plan, *, smooth: bool = False) -> Plan:
    """Return what `make_plan` would for other draws ahead, from the multipliers of a plan at hand.

    With `smooth` its tables are those of a random choice between two multipliers that keeps the promise as it is, and
    not better, and what is out of reach is restored by the most confident jackpot alone, so that they move as smoothly
    as what they depend on.
    """
    confidence, scale = known.confidence, ahead.unit / known.ahead.unit
    attainable = attainable_now(ahead)
    promised = known.promised if attainable >= known.promised - _ROUNDING else confidence

    def least(draws: tuple[int, int], tail: Policy | None, since: tuple[int, float]) -> Policy:
        before = known.multiplier if draws[0] == 0 or known.tail is None else float(known.tail.multiplier[0])
        return _least(ahead, confidence, promised, draws, tail, since, scale * before, smooth=smooth)

    return plan_by(least, ahead, confidence, promised, attainable)


def _least(
    ahead: Ahead,
    confidence: float,
    promised: float,
    draws: tuple[int, int],
    tail: Policy | None,
    since: tuple[int, float],
    before: float,
    *,
    smooth: bool,
) -> Policy:
    """Return the policy of the least multiplier near the one `before` that keeps the promise, or of a large one."""
    programme, (t, x), most = ahead.programme, since, ahead.unit * _MOST
    at, alike = np.array([x]), 0.0 if smooth else AS_CONFIDENT
    if programme.cells.read(programme.attainable[t, 0], at)[0] < confidence - _ROUNDING:
        return programme.solve(np.array([most]), promised, *draws, tail, as_confident=alike)
    wide = before * np.array(_WIDE) if before else ahead.unit * np.array(_FROM_NOTHING)
    ladders = [np.zeros(1), before * np.array(_NEAR), np.append(wide[wide < most], most)]
    for ladder in ladders if before else ladders[::2]:
        policies = programme.solve(ladder, promised, *draws, tail, as_confident=alike)
        chances = np.array([programme.cells.read(row, at)[0] for row in policies.kept[t - draws[0]]])
        enough = chances >= confidence - _ROUNDING
        if enough.any() and (ladder[0] == 0.0 or not enough[0]):
            break
    row = int(enough.argmax()) if enough.any() else int(chances.argmax())
    return _between(policies, row, chances, confidence) if smooth else policies.row(row)


def _between(policies: Policy, row: int, chances: Array, confidence: float) -> Policy:
    """Return a row mixed with the one before it so that the promise is kept as it is."""
    best = policies.row(row)
    if row == 0 or chances[row] <= chances[row - 1]:
        return best
    less = policies.row(row - 1)
    share = float(np.clip((confidence - chances[row - 1]) / (chances[row] - chances[row - 1]), 0.0, 1.0))

    def mixed(one: Array, other: Array) -> Array:
        return np.asarray(share * one + (1.0 - share) * other, dtype=np.float64)

    return replace(
        best,
        multiplier=mixed(best.multiplier, less.multiplier),
        value=mixed(best.value, less.value),
        kept=mixed(best.kept, less.kept),
        later=mixed(best.later, less.later),
    )

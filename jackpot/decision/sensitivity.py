"""How far the answer hangs on its inputs: other circumstances, the smallest that matter, what knowing more is worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from ..game.moments import expected_value
from ..records import Record
from .changes import Changes, changed
from .situation import portions
from .solution import Solution, solve

_FACTOR = 0.1
_POINTS = 0.01
_FURTHEST = {"elasticity": 0.9, "level": 0.9, "prize_share": 0.1}
_CLOSE = 1.5


class Sensitivity(Record):
    """What one changed input does to the recommendation."""

    name: str = Field(description="As `Changes` has it.")
    value: float
    jackpot: float | None = Field(description="Recommended then; null: infeasible.")
    value_ahead: float = Field(description="Less that of the recommendation as it stands, in units of currency.")


class Sensitivities(Record):
    """What the recommendation hangs on."""

    inputs: tuple[Sensitivity, ...]
    smallest: tuple[Sensitivity, ...] = Field(
        description="For each input the smallest change found, either way, that moves the recommendation by a step."
    )
    value_of_information: float = Field(
        description="What this draw would gain by knowing its mean sales before the jackpot is announced: expected "
        "value of perfect information on the demand's samples, in units of currency."
    )


def sensitivities(solved: Solution) -> Sensitivities:
    """Return how the recommendation answers to elasticity and level 10% up and down, and to a point of prize share.

    Each is planned anew (under a second each at 52 draws); the smallest changes are found to within a half of
    themselves.
    """
    inputs, smallest = [], []
    for name, unit, at in _inputs(solved):
        inputs += [
            _answer(solved, name, at + side * unit) for side in (-1, 1) if _possible(solved, name, at + side * unit)
        ]
        found = [one for side in (-1, 1) if (one := _smallest(solved, name, at, side * unit)) is not None]
        smallest += sorted(found, key=lambda one, at=at: abs(one.value - at))[:1]  # type: ignore[misc]
    return Sensitivities(
        inputs=tuple(inputs), smallest=tuple(smallest), value_of_information=value_of_information(solved)
    )


def value_of_information(solved: Solution) -> float:
    """Return E[max_J v(S, J)] - max_J E[v(S, J)] over the demand's samples and the jackpots allowed.

    Raiffa and Schlaifer (1961), expected value of perfect information; what a jackpot leads to is as the plan has it.
    """
    situation, optimum = solved.situation, solved.optimum
    table = optimum.table[optimum.feasible] if optimum.feasible.any() else optimum.table.loc[[solved.shown]]
    jackpots = table["jackpot"].to_numpy()
    ahead = (table["objective"] - table["expected_value"]).to_numpy()
    best = np.full(situation.market.decision.samples, -np.inf)
    for part in portions(np.arange(len(jackpots), dtype=np.float64), len(best)):
        at = part.astype(np.int64)
        sales = situation.sample_sales(jackpots[at])[:, 0, :]
        value = expected_value(situation.market, situation.price, sales, jackpots[at], situation.pool) + ahead[at]
        best = np.maximum(best, value.max(axis=1))
    return max(float(best.mean() - table["objective"].max()), 0.0)


def _inputs(solved: Solution) -> Iterator[tuple[str, float, float]]:
    """Yield names, the size of a change and where each input is now."""
    yield "elasticity", _FACTOR, 1.0
    yield "level", _FACTOR, 1.0
    yield "prize_share", _POINTS, solved.situation.market.expected_secondary_share(solved.situation.price)


def _possible(solved: Solution, name: str, value: float) -> bool:
    market = solved.situation.market
    if name != "prize_share":
        return value > 0
    tiers = market.expected_secondary_share(solved.situation.price) - market.game.secondary_share_of_sales
    pool = market.game.pool.share_of_sales if market.game.pool else 0.0
    return tiers <= value < 1.0 - market.costs.share_of_sales - pool


def _answer(solved: Solution, name: str, value: float) -> Sensitivity:
    new = solve(changed(solved.situation, Changes.model_validate({name: value})))
    worth, before = (float(one.optimum.table["objective"].loc[one.shown]) for one in (new, solved))
    return Sensitivity(
        name=name,
        value=value,
        jackpot=None if new.trouble is not None else new.jackpot,
        value_ahead=worth - before,
    )


def _smallest(solved: Solution, name: str, at: float, unit: float) -> Sensitivity | None:
    """Return the smallest change to one side that moves the recommendation, None where none within reach does."""
    still, size, moved = 0.0, abs(unit) / 8, None
    side = 1.0 if unit > 0 else -1.0
    while size <= _FURTHEST[name] and _possible(solved, name, at + side * size):
        answer = _answer(solved, name, at + side * size)
        if answer.jackpot != solved.jackpot:
            moved = answer
            break
        still, size = size, 2 * size
    while moved is not None and size > _CLOSE * still and size > abs(unit) / 64:
        middle = (size + still) / 2
        answer = _answer(solved, name, at + side * middle)
        if answer.jackpot != solved.jackpot:
            moved, size = answer, middle
        else:
            still = middle
    return moved

"""How far the answer hangs on its inputs: other circumstances, the smallest that matter, what knowing more is worth.

Each change is planned anew, coarsely (`nearby`). What it does is the difference of two such plans: by how many jackpots
valued it moves the answer, and what that is worth. Cash figures have no part in it: the floor under it is left out.

The mathematics: docs/decision.md, "What it hangs on".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from ..game.moments import expected_value
from ..records import Sensitivities, Sensitivity
from .cash_floor import law_now
from .changes import Changes, changed
from .nearby import nearby
from .payout_ratio import surplus
from .search import RATIO, most_confident, optimise
from .situation import Array, Mask, Situation, portions
from .solution import Solution

Input = Literal["elasticity", "level", "prize_share"]

_UNITS: Final[dict[Input, float]] = {"elasticity": 0.1, "level": 0.1, "prize_share": 0.01}
_FURTHER = 4
_HALVINGS = 2
_SAMPLES = 250
_FINEST = 2.0**-10


@dataclass(frozen=True)
class _Figures:
    """Of each jackpot, arrays of shape (jackpots,): `worth` in money, and what the plan weighs it by."""

    worth: Array
    objective: Array
    attainable: Array
    score: Array
    promised: float

    def plus(self, other: _Figures, share: float = 1.0) -> _Figures:
        """Return these figures and a share of others."""
        return _Figures(
            self.worth + share * other.worth,
            self.objective + share * other.objective,
            self.attainable + share * other.attainable,
            self.score + share * other.score,
            self.promised + share * other.promised,
        )


def sensitivities(solved: Solution) -> Sensitivities | None:
    """Return how the recommendation answers to elasticity and level 10% up and down, and to a point of prize share.

    None where the bounds leave no jackpot. For each input the smallest change that moves it is found by interpolation
    between two plans and planned itself; where those move nothing, four times as much is tried.
    """
    if solved.trouble is not None:
        return None
    asked = _Asked(without_cash(solved))
    inputs, smallest, unmoved = [], [], {}
    for name, unit in _UNITS.items():
        inputs += [asked.answer(name, change) for change in (-unit, unit) if asked.possible(name, change)]
        found, tried = asked.smallest(name)
        if found is None:
            unmoved[str(name)] = tried
        else:
            smallest.append(found)
    return Sensitivities(
        jackpot=asked.solved.jackpot,
        inputs=tuple(inputs),
        smallest=tuple(smallest),
        unmoved=unmoved,
        value_of_information=value_of_information(asked.solved),
    )


def without_cash(solved: Solution) -> Solution:
    """Return the solution without its cash figures: the same wherever the floor did not bind."""
    if solved.situation.cash_now is None:
        return solved
    before, situation = solved.constraints, replace(solved.situation, cash_now=None)
    promises = tuple(promise for promise in before.promises if promise.name != "cash_floor")
    constraints = replace(before, promises=promises, outlook=before.planned)
    table, same = solved.optimum.table, before.outlook is before.planned
    optimum = optimise(situation, solved.grid, constraints, table if same else None, table)
    shown = solved.shown if optimum.best is None else optimum.best
    return replace(solved, situation=situation, constraints=constraints, optimum=optimum, shown=shown)


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
        value = (
            expected_value(
                situation.market, situation.price, sales, jackpots[at], situation.pool, situation.must_be_won
            )
            + ahead[at]
        )
        best = np.maximum(best, value.max(axis=1))
    return max(float(best.mean() - table["objective"].max()), 0.0)


class _Asked:
    """A solution, the changes that it has been asked about, and by how much each jackpot's figures answer to them."""

    def __init__(self, solved: Solution) -> None:
        self.solved = solved
        self.jackpots = solved.optimum.table["jackpot"].to_numpy()
        # The prize reserve's promise keeps the jackpots that it keeps as things stand.
        others = [mask for name, mask in solved.optimum.kept.items() if name not in RATIO]
        self.allowed: Mask = np.logical_and.reduce(others)
        self.before = self._figures(solved.situation)
        self.row = self._best(self.before)
        self.moved = int(np.searchsorted(solved.optimum.table.index.to_numpy(), solved.shown)) - self.row
        self.known: dict[tuple[Input, float], _Figures] = {}

    def at(self, name: Input) -> float:
        """Return where an input is now."""
        situation = self.solved.situation
        return situation.market.expected_secondary_share(situation.price) if name == "prize_share" else 1.0

    def possible(self, name: Input, change: float) -> bool:
        """Return whether an input can be so far from where it is."""
        market, value = self.solved.situation.market, self.at(name) + change
        if name != "prize_share":
            return value > 0
        tiers = self.at(name) - market.game.secondary_share_of_sales
        pool = market.game.pool.share_of_sales if market.game.pool else 0.0
        return tiers <= value < 1.0 - market.costs.share_of_sales - pool

    def answer(self, name: Input, change: float) -> Sensitivity:
        """Return what the plan answers to an input that is `change` from where it is."""
        figures = self._changed(name, change)
        row = self._best(figures)
        rows = np.flatnonzero(self.allowed)
        shown = int(np.clip(row + self.moved, rows[0], rows[-1]))
        return Sensitivity(
            name=name,
            value=self.at(name) + change,
            change=change,
            jackpot=float(self.jackpots[shown]),
            value_ahead=float(figures.worth[row] - self.before.worth[self.row]),
        )

    def smallest(self, name: Input) -> tuple[Sensitivity | None, float]:
        """Return the smallest change found that moves the jackpot, and the largest tried where none does."""
        still, size = 0.0, _UNITS[name]
        moved = self._moved(name, size)
        if moved is None:
            still, size = size, _FURTHER * size
            moved = self._moved(name, size)
        tried = size
        for attempt in range(1 + _HALVINGS):
            if moved is None or abs(moved) <= 1.5 * still:
                break
            side = np.sign(moved)
            middle = self._switch(name, side * still, moved) if attempt == 0 else (side * still + moved) / 2
            if self._best(self._changed(name, middle)) != self.row:
                moved = middle
                if attempt == 0:
                    break
            else:
                still = abs(middle)
        return (None, tried) if moved is None else (self.answer(name, moved), tried)

    def _moved(self, name: Input, size: float) -> float | None:
        """Return the change of that size, of either sign, that moves the jackpot and the figures most."""
        found = [(change, self._changed(name, change)) for change in (-size, size) if self.possible(name, change)]
        moved = [(abs(self._best(figures) - self.row), change) for change, figures in found]
        far, change = max(moved, default=(0, 0.0))
        return change if far else None

    def _switch(self, name: Input, low: float, high: float) -> float:
        """Return the first change from `low` to `high` that moves the jackpot, with figures linear between the two."""
        start, end = (self.before if change == 0.0 else self._changed(name, change) for change in (low, high))
        still, moved = 0.0, 1.0
        while moved - still > _FINEST:
            middle = (still + moved) / 2
            between = start.plus(end.plus(start, -1.0), middle)
            still, moved = (still, middle) if self._best(between) != self.row else (middle, moved)
        return low + moved * (high - low)

    def _changed(self, name: Input, change: float) -> _Figures:
        if (name, change) not in self.known:
            value = Changes.model_validate({name: self.at(name) + change})
            self.known[name, change] = self._figures(changed(self.solved.situation, value))
        return self.known[name, change]

    def _figures(self, situation: Situation) -> _Figures:
        """Return the figures of every jackpot, under a plan of its own where there is a payout ratio."""
        ratio = self.solved.constraints.outlook.ratio
        if ratio is not None:
            few = min(situation.market.decision.samples, _SAMPLES)
            decision = situation.market.decision.model_copy(update={"samples": few})
            situation = replace(situation, market=situation.market.model_copy(update={"decision": decision}))
        law = law_now(situation, self.jackpots)
        value = law.value
        if ratio is None:
            none = np.zeros(len(value))
            return _Figures(value, value, none + 1.0, none, 0.0)
        rule, plan = ratio.rule, nearby(situation, ratio).plan
        increment = surplus(rule, law.counted(rule.contribution), law.sales)
        look = plan.look(law, increment * float(np.any(plan.ahead.stages[plan.ahead.now].increment)))
        return _Figures(value + look.value, value + plan.objective(look), look.attainable, look.score, plan.promised)

    def _best(self, figures: _Figures) -> int:
        feasible = self.allowed & (figures.attainable >= figures.promised - 1e-9)
        if feasible.any():
            return int(np.where(feasible, figures.objective, -np.inf).argmax())
        kept = np.minimum(figures.attainable, figures.promised)
        return most_confident(self.allowed, kept, figures.score, figures.objective)

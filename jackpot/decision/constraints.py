"""All that a jackpot has to keep: bounds, which are certain, and promises, which are kept with a probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..records import ConstraintState
from .cash_floor import chance_of_floor
from .grid import StepGrid
from .payout_ratio import ratio_test
from .promise import Mask, Promise, RatioLimit, Side
from .situation import Array, Situation

_CHEAP_NODES = 1001
_DEAR_NODES = 17
_BOUND_ROUNDING = 1e-12


@dataclass(frozen=True)
class Bound:
    """A limit on the jackpot itself, in currency.

    `measured` is what is held against the limit, and so the limit that would let a jackpot pass; `side` 1 for a
    smallest value of it, -1 for a largest. The bound of the pool cannot be relaxed: its money is the players'.
    """

    name: str
    description: str
    limit: float
    side: Side
    measured: Callable[[Array], Array]
    relaxable: bool = True

    def distance(self, jackpots: Array) -> Array:
        """Return how far each jackpot is on the safe side; negative: beyond it."""
        return np.asarray(self.side * (self.measured(jackpots) - self.limit), dtype=np.float64)

    def keeps(self, jackpots: Array) -> Mask:
        """Return which jackpots keep it."""
        return np.asarray(self.distance(jackpots) >= -_BOUND_ROUNDING * np.maximum(jackpots, 1.0), dtype=bool)


@dataclass(frozen=True)
class Constraints:
    """All constraints of a decision; `unchecked` are those that the inputs leave open, already in their final form."""

    bounds: tuple[Bound, ...]
    promises: tuple[Promise, ...]
    unchecked: tuple[ConstraintState, ...]
    warnings: tuple[str, ...]

    def kept(self, grid: StepGrid, index: npt.ArrayLike) -> dict[str, Mask]:
        """Return by name which grid indices keep each constraint."""
        jackpots = grid.jackpots(index)
        masks = {bound.name: bound.keeps(jackpots) for bound in self.bounds}
        return masks | {promise.name: promise.keeps(index) for promise in self.promises}

    def broken(self, jackpot: float) -> list[str]:
        """Return the names of the constraints that a jackpot breaks, on the step grid or off it."""
        at = np.array([jackpot])
        broken = [bound.name for bound in self.bounds if not bound.keeps(at)[0]]
        return broken + [promise.name for promise in self.promises if not promise.allows(jackpot)]


def money(situation: Situation, amount: float) -> str:
    """Return an amount as text: 12,500,000 GBP."""
    decimals = 0 if float(amount).is_integer() else situation.market.currency_decimals
    return f"{amount:,.{decimals}f} {situation.market.currency}"


def constraints_of(situation: Situation, grid: StepGrid) -> Constraints:
    """Return the constraints that a market's file puts on the draw."""
    payout, cash = _payout(situation, grid), _cash(situation, grid)
    return Constraints(
        _bounds(situation, grid),
        (*payout.promises, *cash.promises),
        (*payout.unchecked, *cash.unchecked),
        (*payout.warnings, *cash.warnings),
    )


def _bounds(situation: Situation, grid: StepGrid) -> tuple[Bound, ...]:
    bounds, last = situation.market.jackpot, situation.last_jackpot
    cap = float(grid.jackpots(grid.last)) if bounds.cap is None else bounds.cap
    words = "at most" if bounds.cap is not None else "no cap in the market file; at most the largest seen or promised,"

    def itself(jackpots: Array) -> Array:
        return jackpots

    def change(jackpots: Array) -> Array:
        return np.abs(jackpots - last)

    result = [
        Bound("start", f"at least {money(situation, bounds.start)}", bounds.start, 1, itself),
        Bound("cap", f"{words} {money(situation, cap)}", cap, -1, itself),
    ]
    if situation.market.game.pool is not None:
        text = f"at least the {money(situation, situation.pool)} that the pool already holds"
        result.append(Bound("pool", text, situation.pool, 1, itself, relaxable=False))
    if bounds.largest_change is not None:
        text = f"at most {money(situation, bounds.largest_change)} from the last jackpot, {money(situation, last)}"
        result.append(Bound("largest_change", text, bounds.largest_change, -1, change))
    return tuple(result)


@dataclass(frozen=True)
class _Found:
    promises: tuple[Promise, ...] = ()
    unchecked: tuple[ConstraintState, ...] = ()
    warnings: tuple[str, ...] = ()


def _payout(situation: Situation, grid: StepGrid) -> _Found:
    rule = situation.market.regulation.payout_ratio
    if rule is None:
        return _Found()
    test = ratio_test(situation, rule)
    when = "over the year, tested at its end" if rule.tested == "year_end" else f"over {rule.window_draws} draws"
    promises, unchecked = [], []
    limits: list[tuple[str, float | None, Side, str]] = [
        ("payout_ratio_floor", rule.floor, 1, "at least"),
        ("payout_ratio_ceiling", rule.ceiling, -1, "at most"),
    ]
    for name, limit, side, words in limits:
        if limit is None:
            continue
        text = f"{rule.basis} prizes are {words} {limit:.1%} of sales {when}, with {rule.confidence:.1%} confidence"
        if test.unknown:
            unchecked.append(_unchecked(name, text, test.unknown, limit))
            continue
        ratio = RatioLimit(limit, side, test)
        nodes = _DEAR_NODES if test.dear else _CHEAP_NODES
        promises.append(Promise(name, text, rule.confidence, ratio.chance, grid, nodes, ratio))
    warnings = [f"{state.name} was not checked: {state.reason}" for state in unchecked]
    if test.missing_draws and not test.unknown:
        warnings.append(
            f"payout ratio: the history holds {test.ledger.draws} of the {rule.window_draws - 1} draws that count "
            "beside this one, and the ratio is taken over those"
        )
    return _Found(tuple(promises), tuple(unchecked), tuple(warnings))


def _cash(situation: Situation, grid: StepGrid) -> _Found:
    rule = situation.market.cash
    if rule is None:
        given = situation.cash_now is not None
        unused = "cash figures were given, but the market file has no cash floor: they are not used"
        return _Found(warnings=(unused,) if given else ())
    text = (
        f"cash stays at or above {money(situation, rule.floor)} after each of the next {rule.horizon_draws} draws "
        f"if the jackpot is kept, with {rule.confidence:.1%} confidence"
    )
    if situation.cash_now is None:
        state = _unchecked("cash_floor", text, "no cash figures were given", None)
        return _Found(unchecked=(state,), warnings=(f"cash_floor was not checked: {state.reason}",))
    chance = chance_of_floor(situation, situation.cash_now, rule)
    return _Found(promises=(Promise("cash_floor", text, rule.confidence, chance, grid, _DEAR_NODES),))


def _unchecked(name: str, text: str, reason: str, limit: float | None) -> ConstraintState:
    unit: Literal["share"] | None = "share" if limit is not None else None
    return ConstraintState(name=name, description=text, status="not_checked", limit=limit, unit=unit, reason=reason)

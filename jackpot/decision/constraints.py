"""All that a jackpot has to keep: bounds, which are certain, and promises, which are kept with a probability.

The mathematics: docs/decision.md, "Bounds".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..market.schema import PayoutRatio
from ..records import ConstraintState
from .cash_floor import (
    Outlook,
    RatioPlan,
    cash_purse,
    chance_of_floor,
    chance_of_reserve,
    floor_promise,
    law_now,
    with_floor,
)
from .grid import StepGrid
from .payout_ratio import Timeline, cash_timeline, ledger_of, surplus, timeline
from .plan import candidates, make_plan, ratio_ahead
from .pool_plan import make_pool_plan
from .promise import ROUNDING, Promise, Side
from .reserve import reserve_purse
from .situation import Array, Mask, Situation

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
    outlook: Outlook
    planned: Outlook
    """The outlook before the cash floor had its say: that of other cash figures starts from it too."""

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


def constraints_of(situation: Situation, grid: StepGrid, known: Outlook | None = None) -> Constraints:
    """Return the constraints that a market's file puts on the draw.

    `known` is the `planned` outlook of the same situation with other cash figures: it is not planned anew.
    """
    promises: list[Promise] = []
    unchecked: list[ConstraintState] = []
    warnings: list[str] = []
    planned = _ratio(situation, grid, known, promises, unchecked, warnings)
    planned = _reserve(situation, grid, planned, known, promises, unchecked)
    outlook = _cash(situation, grid, planned, promises, unchecked, warnings)
    free = outlook.plan is None and outlook.pool is None and situation.market.game.pool is not None
    if free and situation.market.decision.pool == "planned":
        outlook = planned = replace(outlook, pool=make_pool_plan(situation, grid))
    words = [f"{state.name} was not checked: {state.reason}" for state in unchecked]
    return Constraints(
        _bounds(situation, grid), tuple(promises), tuple(unchecked), (*words, *warnings), outlook, planned
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
    if bounds.minimum_progression is not None and situation.rollovers > 0:
        least = min(situation.least_progressed, float(grid.jackpots(grid.last)))
        text = (
            f"at least {money(situation, least)}, since nobody won the last jackpot, {money(situation, last)}, and the "
            f"minimum progression is {money(situation, bounds.minimum_progression)}"
        )
        result.append(Bound("minimum_progression", text, least, 1, itself))
    if bounds.largest_change is not None:
        before = "last jackpot" if len(situation.draws) else "smallest jackpot, before the first draw"
        text = f"at most {money(situation, bounds.largest_change)} from the {before}, {money(situation, last)}"
        result.append(Bound("largest_change", text, bounds.largest_change, -1, change))
    return tuple(result)


def _ratio(
    situation: Situation,
    grid: StepGrid,
    known: Outlook | None,
    promises: list[Promise],
    unchecked: list[ConstraintState],
    warnings: list[str],
) -> Outlook:
    """Add what the payout ratio asks for, and return the plan for it."""
    rule = situation.market.regulation.payout_ratio
    ratio = None if known is None else known.ratio
    if rule is not None:
        time = timeline(situation, rule)
        ledger = ledger_of(situation, rule, _needed(rule, time))
        if not ledger.unknown:
            if ratio is None:
                ahead = ratio_ahead(situation, rule, ledger, time, _nodes(situation, grid))
                ratio = RatioPlan(rule, ledger, make_plan(ahead, rule.confidence, certain=rule.basis == "accrued"))
            size = ratio.plan.ahead.period_end
            if rule.basis == "realised" and rule.tested != "year_end" and size > rule.window_draws:
                warnings.append(
                    f"payout ratio: its window of {rule.window_draws} draws is shorter than its period of {size}, "
                    "and draws that are still to be decided leave it in time: the probabilities are of 512 paths"
                )
            if ledger.missing_draws:
                warnings.append(
                    f"payout ratio: the history holds {rule.window_draws - 1 - ledger.missing_draws} of the "
                    f"{rule.window_draws - 1} draws that count beside this one, and the ratio is taken over those"
                )
        limits: list[tuple[str, float | None, Side, str]] = [
            ("payout_ratio_floor", rule.floor, 1, "at least"),
            ("payout_ratio_ceiling", rule.ceiling, -1, "at most"),
        ]
        for name, limit, side, words in limits:
            if limit is None:
                continue
            text = f"{rule.basis} prizes are {words} {limit:.1%} of sales {_when(rule)}"
            text += f", with {rule.confidence:.1%} confidence"
            if ratio is None:
                unchecked.append(_unchecked(name, text, ledger.unknown, limit))
                continue
            chance = _attainable(situation, ratio)
            asked = ratio.plan.promised if ratio.from_here(situation) >= ratio.plan.promised else rule.confidence
            promises.append(Promise(name, text, asked, chance, grid, _CHEAP_NODES, limit, side))
    return Outlook(ratio, None) if known is None else known


def _reserve(
    situation: Situation,
    grid: StepGrid,
    outlook: Outlook,
    known: Outlook | None,
    promises: list[Promise],
    unchecked: list[ConstraintState],
) -> Outlook:
    """Add what the prize reserve asks for, and return the outlook that keeps it; a `known` one does already."""
    rule = situation.market.regulation.payout_ratio
    reserve = None if rule is None or rule.contribution is None else rule.contribution.reserve
    if rule is None or reserve is None:
        return outlook
    purse = reserve_purse(situation, rule, reserve)
    text = (
        f"the prize reserve stays at or above {money(situation, reserve.floor)} after each draw left in the named "
        f"period under the plan, with {reserve.confidence:.1%} confidence"
    )
    if isinstance(purse, str):
        unchecked.append(_unchecked("reserve_floor", text, purse, None))
        return outlook
    nodes = _nodes(situation, grid)
    promise = floor_promise(situation, outlook, purse, nodes)
    if known is None:
        kept = with_floor(situation, outlook, purse, promise, nodes)
        outlook = kept if kept is outlook else replace(kept, uncapped=outlook)
    chance = chance_of_reserve(situation, outlook, purse)
    # Luck that has spared the reserve is not spent again where it need not be.
    asked = max(promise.asked, min(promise.kept, float(chance(nodes).max())))
    promises.append(Promise("reserve_floor", text, asked, chance, grid, _DEAR_NODES))
    return outlook


def _cash(
    situation: Situation,
    grid: StepGrid,
    outlook: Outlook,
    promises: list[Promise],
    unchecked: list[ConstraintState],
    warnings: list[str],
) -> Outlook:
    """Add what the cash floor asks for, and return the outlook that keeps it."""
    cash = situation.market.cash
    if cash is None:
        if situation.cash_now is not None:
            warnings.append("cash figures were given, but the market file has no cash floor: they are not used")
    else:
        left = cash_timeline(situation, cash).left
        text = (
            f"cash stays at or above {money(situation, cash.floor)} after each of the {left} draws left "
            f"in the named period under the plan, with {cash.confidence:.1%} confidence"
        )
        if situation.cash_now is None:
            unchecked.append(_unchecked("cash_floor", text, "no cash figures were given", None))
        else:
            nodes = _nodes(situation, grid) if outlook.ratio is None else outlook.ratio.plan.ahead.jackpots
            purse = cash_purse(situation, situation.cash_now, cash)
            promise = floor_promise(situation, outlook, purse, nodes)
            outlook = with_floor(situation, outlook, purse, promise, nodes)
            chance = chance_of_floor(situation, outlook, purse)
            asked = cash.confidence if outlook.ratio is None else promise.asked
            promises.append(Promise("cash_floor", text, asked, chance, grid, _DEAR_NODES))
            if not promise.spent:
                warnings.append(
                    "cash_floor: the prizes paid in the named period so far are not all known, "
                    "and the floor is promised from this draw on"
                )
    return outlook


def _nodes(situation: Situation, grid: StepGrid) -> Array:
    """Return the jackpots that later draws choose from."""
    rule = situation.market.regulation.payout_ratio
    nodes = np.union1d(candidates(grid), _steps_away(situation, grid))
    if rule is None or rule.contribution is None:
        return nodes
    return np.union1d(nodes, _steady(situation, rule, grid))


def _steps_away(situation: Situation, grid: StepGrid) -> Array:
    """Return the last jackpot, and those that 1, 2, 4, ... of the largest change lead to; none where there is none."""
    change, last = situation.market.jackpot.largest_change, situation.last_jackpot
    if change is None:
        return np.empty(0)
    first, end = min(grid.pool, grid.last), grid.last
    count = int(np.log2(max((end - first) * grid.step / change, 1.0))) + 1
    away = change * 2.0 ** np.arange(count)
    index = [
        grid.nearest(last),
        *(grid.at_least(last - one) for one in away),
        *(grid.at_most(last + one) for one in away),
    ]
    return grid.jackpots(np.unique(np.clip(index, first, end)))


def _steady(situation: Situation, rule: PayoutRatio, grid: StepGrid) -> Array:
    """Return the jackpots on either side of those that leave the surplus as it is, where contributions are counted.

    Without them among its candidates a plan would have to waver round the jackpot that it could keep.
    """
    index = grid.spread(min(grid.pool, grid.last), grid.last, _CHEAP_NODES)
    while True:
        jackpots = grid.jackpots(index)
        law = law_now(situation, jackpots)
        added = (law.chance * surplus(rule, law.counted(rule.contribution), law.sales)).sum(axis=0)
        crossed = np.flatnonzero(np.diff(added >= -ROUNDING * np.abs(added).max()))
        if not len(crossed) or index[crossed[0] + 1] - index[crossed[0]] <= 1:
            return np.unique(np.concatenate([jackpots[crossed], jackpots[crossed + 1]]))
        index = grid.spread(int(index[crossed[0]]), int(index[crossed[0] + 1]), _CHEAP_NODES)


def _when(rule: PayoutRatio) -> str:
    if rule.tested == "year_end":
        return "over the regulator's year, tested at its end"
    dates = "each draw" if rule.tested == "each_draw" else "each month's last draw"
    period = "the regulator's year" if rule.period_starts is None else f"a period of {rule.period_draws} draws"
    return f"over {rule.window_draws} draws at {dates} of {period}, jointly"


def _needed(rule: PayoutRatio, time: Timeline) -> int:
    """Return how many of the last draws the tests ahead count: the window's, or those of the year so far."""
    return time.past if rule.tested == "year_end" else rule.window_draws - 1


def _attainable(situation: Situation, ratio: RatioPlan) -> Callable[[Array], Array]:
    def chance(jackpots: Array) -> Array:
        return ratio.look(situation, jackpots).attainable

    return chance


def _unchecked(name: str, text: str, reason: str, limit: float | None) -> ConstraintState:
    unit: Literal["share"] | None = "share" if limit is not None else None
    return ConstraintState(name=name, description=text, status="not_checked", limit=limit, unit=unit, reason=reason)

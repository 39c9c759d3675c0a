"""What if: another jackpot, or several in a row, or other circumstances, beside the recommendation.

The mathematics: docs/decision.md, "What if".
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from ..errors import InputError, Problem
from ..game.rollover import least_after
from ..records import IsoDate, PlannedDraw, Record, Status
from .changes import Changes, changed
from .constraints import money
from .explain import planned_path
from .payout_ratio import cash_timeline
from .plan import laws_ahead
from .pool_states import laws_of_path, sales_ahead
from .promise import ROUNDING
from .solution import Solution, solve, with_cash_now
from .value import values

_FIGURES = (
    "expected_value",
    "value_ahead",
    "expected_sales",
    "expected_jackpot_payout",
    "win_probability",
    "attainable",
    "kept_under_plan",
    "cash_kept",
)


class Outcome(Record):
    """A jackpot, or a path of them with the plan after it, and what it leads to. Money in units of currency."""

    status: Status = Field(description="Of the best jackpot under these circumstances.")
    jackpots: tuple[float, ...] = Field(description="Announced for this draw, and for those after it where given.")
    recommended: float | None = Field(description="The best jackpot under these circumstances; null: infeasible.")
    breaks: tuple[str, ...] = Field(description="Names of the constraints that these jackpots break.")
    expected_value: float = Field(description="Of this draw.")
    value_ahead: float = Field(description="Of this draw and all that the plan has ahead.")
    expected_sales: float
    expected_jackpot_payout: float
    win_probability: float
    attainable: float | None = Field(description="Highest probability of keeping the payout ratio's tests from here.")
    kept_under_plan: float | None = Field(description="The same under the plan.")
    cash_kept: float | None = Field(
        description="Probability that cash stays above its floor; null where the question named no cash."
    )
    planned_path: tuple[PlannedDraw, ...]


class WhatIf(Record):
    """The answer to a question beside the recommendation; `difference` is the answer's figures less its own."""

    schema_version: Literal["1"] = "1"
    market: str
    currency: str
    draw_date: IsoDate
    changes: dict[str, Any]
    recommendation: Outcome
    answer: Outcome
    difference: dict[str, float]


def under(solved: Solution, changes: Changes) -> Solution:
    """Return the solution under the changed circumstances: from its plan where that stays, else planned anew."""
    situation = changed(solved.situation, changes)
    if changes.replans:
        return solve(situation)
    return solved if changes.cash is None else with_cash_now(solved, changes.cash)


def what_if(solved: Solution, changes: Changes, after: Solution | None = None) -> WhatIf:
    """Return what changes when other jackpots are announced, or under other circumstances.

    `solved` is the week as `solution.solve` leaves it, and is not changed: ask as often as you like. Other jackpots,
    and other cash for as long as the plan lasts, are answered from its plan; everything else is planned anew. The
    same arguments give the same answer whatever was asked before, and with other circumstances that which `solve`
    gives. Both sides share their random numbers. `after` is what `under` gave, where that is known. Raises InputError
    where the market has nothing of that name, or where more jackpots are given than there are draws ahead.
    """
    situation = solved.situation
    draws = situation.market.decision.horizon_draws
    if len(changes.jackpot) > draws:
        raise InputError(
            Problem(
                "more jackpots than draws ahead",
                "--set",
                "jackpot",
                found=f"{len(changes.jackpot)}",
                allowed=f"at most {draws}, the market's horizon_draws",
            )
        )
    after = after or under(solved, changes)
    path = changes.jackpot or (after.jackpot,)
    told = changes.cash is not None
    draws = max(len(changes.jackpot), 1)
    if draws not in solved.outcomes:
        solved.outcomes[draws] = _outcome(solved, (solved.jackpot,), draws, with_cash=False)
    mine = solved.outcomes[draws]
    theirs = _outcome(after, path, len(path), with_cash=told)
    pairs = {name: (getattr(mine, name), getattr(theirs, name)) for name in _FIGURES}
    difference = {name: new - old for name, (old, new) in pairs.items() if old is not None and new is not None}
    difference["jackpot"] = path[0] - solved.jackpot
    return WhatIf(
        market=situation.market.market,
        currency=situation.market.currency,
        draw_date=situation.date.isoformat(),
        changes=changes.given,
        recommendation=mine,
        answer=theirs,
        difference=difference,
    )


def _outcome(solved: Solution, path: tuple[float, ...], draws: int, *, with_cash: bool) -> Outcome:
    situation, outlook = solved.situation, solved.constraints.outlook
    first, then = path[0], path[1:]
    row = values(situation, np.array([first])).iloc[0]
    look = outlook.look(situation, np.array([first]), then)
    ahead = outlook.roll(situation, path, situation.market.decision.horizon_draws)
    value = float(row["expected_value"])
    rest = _free_value(solved, then, draws) if look is None else float(look.value[0])
    kept = None if look is None or outlook.ratio is None else float(look.kept[0])
    reached = None if look is None or outlook.ratio is None else float(look.attainable[0])
    return Outcome(
        status=solved.status,
        jackpots=path,
        recommended=None if solved.trouble is not None else solved.jackpot,
        breaks=_breaks(solved, path, reached),
        expected_value=value,
        value_ahead=value + rest,
        expected_sales=float(row["expected_sales"]),
        expected_jackpot_payout=float(row["expected_jackpot_payout"]),
        win_probability=float(row["win_probability"]),
        attainable=reached,
        kept_under_plan=kept,
        cash_kept=_cash_kept(solved, path) if with_cash else None,
        planned_path=planned_path(situation, outlook.ratio, ahead) if ahead is not None else (),
    )


def _breaks(solved: Solution, path: tuple[float, ...], reached: float | None) -> tuple[str, ...]:
    """Return the names of the constraints that a path breaks; `reached` is the ratio's attainable after all of it."""
    grid, constraints = solved.grid, solved.constraints
    broken = constraints.broken(path[0])
    known = {"start": 1, "cap": -1}
    for bound in constraints.bounds:
        if bound.name in known and not bound.keeps(np.array(path)).all():
            broken.append(bound.name)
    change = solved.situation.market.jackpot.largest_change
    if change is not None and np.abs(np.diff(path)).max(initial=0.0) > change * (1 + 1e-12):
        broken.append("largest_change")
    if solved.situation.market.jackpot.minimum_progression is not None:
        # As it is where nobody wins on the way.
        least = least_after(solved.situation.market.jackpot, np.array(path[:-1]))
        if (np.array(path[1:]) < np.minimum(least, float(grid.jackpots(grid.last))) * (1 - 1e-12)).any():
            broken.append("minimum_progression")
    if any(abs(grid.jackpots(round((one - grid.start) / grid.step)) - one) > 1e-6 * grid.step for one in path):
        broken.append("step")
    for promise in constraints.promises:
        if promise.limit is not None and reached is not None and reached < promise.confidence - ROUNDING:
            broken.append(promise.name)
        if promise.name == "cash_floor" and len(path) > 1 and _cash_kept(solved, path) < promise.confidence - ROUNDING:
            broken.append(promise.name)
    return tuple(dict.fromkeys(broken))


def _cash_kept(solved: Solution, path: tuple[float, ...]) -> float:
    """Return the chance of cash at or above its floor over its horizon, as it is under the plan's own later draws."""
    situation, outlook = solved.situation, solved.constraints.outlook
    rule, cash = situation.market.cash, situation.cash_now
    if rule is None or cash is None:
        raise ValueError("a cash floor and figures are needed")
    lowest = outlook.lowest(situation, path, cash_timeline(situation, rule).left)
    return float((cash + lowest >= rule.floor).mean())


def _free_value(solved: Solution, then: tuple[float, ...], draws: int) -> float:
    """Return the value of the draws after this one where nothing is promised: of a path, or of the best jackpots."""
    situation = solved.situation
    if draws == 1:
        return 0.0
    dates = situation.dates(draws)
    jackpots = np.unique([*solved.grid.jackpots(solved.grid.spread(0, solved.grid.last, 65)), solved.jackpot, *then])
    sales = situation.sample_sales(jackpots, dates)
    if then:
        laws = laws_of_path(situation, sales_ahead(situation, sales, jackpots, dates), then)
    else:
        laws = list(laws_ahead(situation, sales, jackpots, dates)[1:])
    return float(sum(law.value.max() for law in laws))


def in_words(answer: WhatIf, decimals_of: Solution) -> str:
    """Return the answer in a sentence."""
    situation = decimals_of.situation
    new, gain = answer.answer, answer.difference["value_ahead"]
    more = "more" if gain >= 0 else "less"
    jackpots = ", then ".join(money(situation, one) for one in new.jackpots)
    return f"{jackpots}: worth {money(situation, round(abs(gain)))} {more} than the recommendation, ahead."

"""What a report says of the plan behind a recommendation: what can be promised, what it costs, what comes next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..records import Attainable, ConstraintState, PlannedDraw, Recommendation
from .money import MINUS, NBSP, Money, percent, short_date
from .parts import Cell, Table

NAMES: Final = {
    "payout_ratio_floor": "the payout floor",
    "payout_ratio_ceiling": "the payout ceiling",
    "cash_floor": "the cash floor",
    "largest_change": "the largest change",
    "minimum_progression": "the minimum progression",
}
"""What is in a record's sentences by its key, in words."""
_SOON, _EVERY = 4, 13
_CHANGE = re.compile(
    r"\b(floor|ceiling|start|cap|the largest change|the minimum progression) ([0-9.e+]+) -> ([0-9.e+]+)"
)


@dataclass(frozen=True)
class PlanSummary:
    """Words and tables on the plan; a table without rows is not shown."""

    sentences: tuple[str, ...]
    promise: Table
    cost: Table
    path: Table
    shadow: Table

    @property
    def tables(self) -> tuple[Table, ...]:
        """Those that have rows, in order."""
        return tuple(table for table in (self.promise, self.cost, self.path, self.shadow) if table.rows)


def summarise_plan(record: Recommendation, money: Money) -> PlanSummary:
    """Return what is to be said of a record's plan."""
    return PlanSummary(
        sentences=tuple(_sentences(record, money)),
        promise=_promise(record.attainable),
        cost=_cost(record.attainable, money),
        path=_path(record.planned_path, money),
        shadow=_shadow(record.constraints, money),
    )


def in_words(text: str, money: Money) -> str:
    """Return a record's sentence without its keys: "largest_change 1000000 -> 2000000" in words and money."""
    for name, words in NAMES.items():
        text = re.sub(rf"\b{name}\b", words, text)

    def change(found: re.Match[str]) -> str:
        name, old, new = found.groups()
        ratio = name in ("floor", "ceiling")
        before, after = (percent(float(one)) if ratio else money.exact(float(one)) for one in (old, new))
        return f"{name} from {before} to {after}"

    return _CHANGE.sub(change, text).replace("year_end", "at the year's end").replace("each_draw", "at each draw")


def _sentences(record: Recommendation, money: Money) -> list[str]:
    says = []
    for promise in record.attainable:
        says.append(
            f"The payout ratio is promised with {percent(promise.promised)} confidence for the whole of its named "
            f"period. From here it can be kept with {_chance(promise.from_here)} at best; the plan keeps it with "
            f"{_chance(promise.under_plan)}, and {percent(promise.value_share)} of the value that there would be "
            "without the promise."
        )
        if promise.from_here < promise.promised:
            words = "; ".join(in_words(one, money) for one in promise.remedies)
            says.append(
                f"That is {percent(promise.promised - promise.from_here)} short of the promise. "
                + (f"Within reach it would be, each alone, with: {words}." if words else "No single change mends it.")
            )
    tested = [draw for draw in record.planned_path if draw.breach_probability is not None]
    limits = [one for one in record.constraints if one.name.startswith("payout_ratio") and one.limit is not None]
    if tested and limits:
        worst = max(tested, key=lambda draw: draw.breach_probability or 0.0)
        count = "The one test" if len(tested) == 1 else f"Each of the {len(tested)} tests"
        if worst.breach_probability:
            says.append(
                f"Of {len(tested)} tests ahead, that of {short_date(worst.draw_date)} is the likeliest to fail: with "
                f"{_chance(worst.breach_probability)}."
                if len(tested) > 1
                else f"The test of {short_date(worst.draw_date)} fails with {_chance(worst.breach_probability)}."
            )
        else:
            says.append(
                f"{count} ahead, the last on {short_date(tested[-1].draw_date)}, is kept in 100% of the samples."
            )
        likely = [draw for draw in tested if (draw.breach_probability or 0.0) > 0.5]
        if likely and likely[0].ratio_p50 is not None:
            gap = abs(likely[0].ratio_p50 - (limits[0].limit or 0.0))
            says.append(
                f"A breach is more likely than not from {short_date(likely[0].draw_date)} on, in {len(likely)} of the "
                f"tests, by {percent(gap, 2)} of sales at the median of the first."
            )
    if len(record.planned_path) > 1:
        then = record.planned_path[1]
        says.append(
            f"On {short_date(then.draw_date)} the plan announces {money.exact(then.jackpot_p50)}"
            + (
                f" at the median, and in nine cases of ten between {money.exact(then.jackpot_p05)} and "
                f"{money.exact(then.jackpot_p95)}."
                if then.jackpot_p05 < then.jackpot_p95
                else ", whatever happens before."
            )
        )
    return says


def _promise(promises: tuple[Attainable, ...]) -> Table:
    rows = []
    for one in promises:
        reached = Cell("✓ Within reach", "good") if one.from_here >= one.promised else Cell("✕ Out of reach", "bad")
        rows.append(
            (
                Cell("Payout ratio"),
                Cell(percent(one.promised)),
                Cell(percent(one.from_period_start)),
                Cell(percent(one.from_here)),
                Cell(percent(one.under_plan)),
                reached,
            )
        )
    columns = (
        "Promise",
        "Promised",
        "At best, at the period's start",
        "At best, from here",
        "Under the plan",
        "Status",
    )
    return Table("What can be promised", columns, tuple(rows), frozenset({1, 2, 3, 4}))


def _cost(promises: tuple[Attainable, ...], money: Money) -> Table:
    rows = tuple(
        (Cell(percent(at.confidence)), Cell(money.short(at.value)), Cell(percent(at.share)))
        for one in promises
        for at in one.curve
    )
    columns = ("Confidence", "Value of the horizon", "Of the most")
    return Table("What confidence costs", columns, rows if len(rows) > 1 else (), frozenset({0, 1, 2}))


def _path(path: tuple[PlannedDraw, ...], money: Money) -> Table:
    rows = []
    ratios = any(draw.ratio_p50 is not None for draw in path)
    for i, draw in enumerate(path):
        if i < _SOON or i % _EVERY == 0 or i == len(path) - 1:
            row = [
                Cell(short_date(draw.draw_date)),
                Cell(money.exact(draw.jackpot_p50)),
                Cell(f"{money.short(draw.jackpot_p05)} to {money.short(draw.jackpot_p95)}"),
            ]
            if ratios:
                told = draw.ratio_p05 is not None and draw.ratio_p50 is not None and draw.ratio_p95 is not None
                row.append(Cell(percent(draw.ratio_p50 or 0.0) if told else ""))
                row.append(
                    Cell(f"{percent(draw.ratio_p05 or 0.0)} to {percent(draw.ratio_p95 or 0.0)}" if told else "")
                )
                failed = draw.breach_probability
                row.append(Cell("no test" if failed is None else percent(failed)))
            rows.append(tuple(row))
    columns = ("Draw", "Jackpot, median", "90%", "Payout ratio, median", "90%", "Test fails")
    return Table("The plan", columns[: 6 if ratios else 3], tuple(rows), frozenset(range(1, 6 if ratios else 3)))


def _shadow(states: tuple[ConstraintState, ...], money: Money) -> Table:
    rows = []
    for state in states:
        if state.shadow_price is None:
            continue
        room = "one point of sales" if state.unit == "share" else money.exact(1_000_000)
        worth = state.shadow_price * (1.0 if state.unit == "share" else 1_000_000)
        rows.append((Cell(state.description), Cell(room), Cell(money.short(worth).replace("-", MINUS))))
    columns = ("Binding constraint", "More room", "Worth")
    return Table("What more room would be worth", columns, tuple(rows), frozenset({1, 2}))


def _chance(probability: float) -> str:
    return f"{percent(probability)}{NBSP}probability"

"""What a report says a recommendation hangs on: other inputs, the smallest that matter, what better forecasts gain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..records import Recommendation, Sensitivities
from .money import Money
from .parts import Cell, Table

NAMES: Final = {
    "elasticity": "the elasticity of sales",
    "level": "the level of sales",
    "prize_share": "the share of other prizes",
}
_EMPTY: Final = Table("", (), ())


@dataclass(frozen=True)
class SensitivitySummary:
    """Words and a table on what the recommendation hangs on; empty where nothing is known of it."""

    sentences: tuple[str, ...] = ()
    inputs: Table = _EMPTY


def summarise_sensitivities(record: Recommendation, money: Money) -> SensitivitySummary:
    """Return what is to be said of a record's sensitivities."""
    found = record.sensitivities
    if found is None:
        return SensitivitySummary()
    return SensitivitySummary(tuple(_sentences(record, found, money)), _table(found, money))


def _sentences(record: Recommendation, found: Sensitivities, money: Money) -> list[str]:
    says = []
    if record.jackpot != found.jackpot:
        says.append(
            f"Without the cash floor, and with the model free to decide, it would be {money.exact(found.jackpot)}: "
            "what follows is about that jackpot."
        )
    moved = [one for one in found.inputs if one.jackpot != found.jackpot]
    if moved:
        most = max(moved, key=lambda one: abs(one.jackpot - found.jackpot))
        by = most.jackpot - found.jackpot
        says.append(
            f"The jackpot hangs most on {NAMES[most.name]}: with it {_size(most.name, most.change)}, the plan would "
            f"announce {money.exact(most.jackpot)}, {money.exact(abs(by))} {'more' if by > 0 else 'less'}."
        )
    elif found.inputs:
        says.append(
            f"Neither elasticity nor level 10% lower or higher, nor a point more or less of sales in other prizes, "
            f"moves {money.exact(found.jackpot)}."
        )
    if found.smallest:
        words = "; ".join(
            f"{NAMES[one.name]} {_size(one.name, one.change)} (to {money.exact(one.jackpot)})" for one in found.smallest
        )
        says.append(f"The smallest changes found that move it by a step or more, each alone: {words}.")
    if found.unmoved:
        words = ", nor of ".join(
            f"{NAMES[name]} (up to {_size(name, size).removesuffix(' higher')})" for name, size in found.unmoved.items()
        )
        says.append(f"No change that was tried of {words} moves it.")
    says.append(
        f"Better forecasts have at most {money.short(found.value_of_information)} to gain in this draw: that is what "
        "it would be worth to know its mean sales before announcing."
    )
    return says


def _table(found: Sensitivities, money: Money) -> Table:
    rows = tuple(
        (
            Cell(f"{NAMES[one.name]} {_size(one.name, one.change)}".capitalize()),
            Cell(money.exact(one.jackpot)),
            Cell(_signed(one.jackpot - found.jackpot, money.exact)),
            Cell(_signed(one.value_ahead, money.short)),
        )
        for one in (*found.inputs, *found.smallest)
    )
    columns = ("With", "Jackpot", "Moved by", "Value ahead")
    return Table("What the jackpot hangs on", columns, rows, frozenset({1, 2, 3}))


def _size(name: str, change: float) -> str:
    """Return a change in words: "10% lower", "0.25 points higher"."""
    size, higher = f"{100 * abs(change):.2g}", "higher" if change > 0 else "lower"
    if name != "prize_share":
        return f"{size}% {higher}"
    return f"{size} point{'' if size == '1' else 's'} {higher}"


def _signed(amount: float, write: Callable[[float], str]) -> str:
    return ("+" if amount > 0 else "") + write(amount)

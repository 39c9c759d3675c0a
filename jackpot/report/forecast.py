"""What a report says of one forecast: its parts, what moved it in a week, and what stood out in the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..records import Explanation
from .money import MINUS, Money, short_date
from .parts import Cell, Table

WORDS: Final[dict[str, str]] = {
    "level": "Level: an average draw at the usual jackpot",
    "jackpot": "Jackpot",
    "weekday": "Weekday",
    "days_since_last_draw": "Days since the last draw",
    "season": "Season",
    "holidays_and_month": "Holidays and the course of the month",
    "rollovers_and_habit": "Rollovers, habit, last jackpots",
    "marketing": "Marketing",
    "sister_jackpot": "Sister game's jackpot",
    "last_errors": "Errors of the last draws",
    "special": "Special draw",
}
KINDS: Final[dict[str, str]] = {
    "special": "Looks like an undeclared special: trained at a quarter's weight",
    "price": "New price: the level was widened",
    "level": "Level break: followed from there",
}
SMALLEST: Final = 0.0005
"""A factor this near one is no effect."""
MOST: Final = 12


@dataclass(frozen=True)
class ForecastSummary:
    """Words and tables on a forecast; a table without rows is not shown."""

    sentences: tuple[str, ...]
    parts: Table
    stood_out: Table


def summarise_forecast(found: Explanation | None, money: Money) -> ForecastSummary:
    """Return what is to be said of a forecast's parts; nothing where a record has none."""
    columns = ("Part", "Sales times", "Since last week")
    flagged = ("Draw", "What", "Why")
    if found is None:
        return ForecastSummary((), Table("", columns, ()), Table("", flagged, ()))
    rows = tuple(
        (
            Cell(WORDS.get(part.name, part.name)),
            Cell(money.short(part.factor) if part.name == "level" else f"{part.factor:.3f}"),
            Cell("" if part.change is None else _change(part.change)),
        )
        for part in found.parts
        if part.name == "level" or max(abs(part.factor - 1), abs((part.change or 1.0) - 1)) >= SMALLEST
    )
    shown = found.stood_out[-MOST:]
    noticed = tuple((Cell(short_date(one.draw_date)), Cell(KINDS[one.kind]), Cell(one.what)) for one in shown)
    caption = "What stood out in the history"
    if len(shown) < len(found.stood_out):
        caption += f", the last {MOST} of {len(found.stood_out)}"
    return ForecastSummary(
        tuple(_sentences(found, money)),
        Table("Its parts", columns, rows, frozenset({1, 2})),
        Table(caption, flagged, noticed),
    )


def _sentences(found: Explanation, money: Money) -> list[str]:
    at, median = money.exact(found.jackpot), money.short(found.median)
    says = [f"At {at} the median forecast is {median}, the product of these parts."]
    if found.median_before is not None:
        draws = "one draw" if found.draws_since == 1 else f"{found.draws_since} draws"
        moved = sorted(found.parts, key=lambda part: -abs((part.change or 1.0) - 1))
        most = [part for part in moved[:2] if part.change is not None and abs(part.change - 1) >= SMALLEST]
        why = " and ".join(f"{_lower(WORDS.get(p.name, p.name))} ({_change(p.change or 1.0)})" for p in most)
        says.append(
            f"Last week, {draws} earlier, the same draw was forecast at {money.short(found.median_before)}: "
            f"{_change(found.median / found.median_before)} since" + (f", most of it from {why}." if why else ".")
        )
    return says


def _lower(words: str) -> str:
    first, _, _ = words.partition(":")
    return first[0].lower() + first[1:]


def _change(factor: float) -> str:
    change = round(100 * (factor - 1), 1)
    return f"{change:+.1f}%".replace("-", MINUS) if change else "0.0%"

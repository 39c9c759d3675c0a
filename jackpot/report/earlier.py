"""What became of a market's earlier recommendations, month by month."""

from __future__ import annotations

from collections.abc import Iterable

from ..outcomes import Month
from .money import Money, percent
from .parts import Cell, Table

COLUMNS = (
    "Month",
    "Draws",
    "Adopted",
    "Overridden",
    "Forecast's error (wMAPE)",
    "Value, as recommended",
    "as announced",
    "with the last jackpot",
    "by the seed's rule",
    "realised",
)


def earlier(months: Iterable[Month], money: Money) -> Table:
    """Return a row a month, the latest first; without rows where nothing was recommended before."""

    def share(pct: float | None) -> Cell:
        return Cell("–" if pct is None else percent(pct / 100))

    def amount(value: float | None) -> Cell:
        return Cell("–" if value is None else money.short(value))

    rows = tuple(
        (
            Cell(month.month),
            Cell(str(month.draws)),
            share(month.adoption_pct),
            Cell(str(month.overrides)),
            share(month.wmape_pct),
            amount(month.value_recommended),
            amount(month.value_decided),
            amount(month.value_keep_last),
            amount(month.value_seed_rule),
            amount(month.value_realised),
        )
        for month in reversed(list(months))
    )
    return Table("Earlier recommendations by month", COLUMNS, rows, frozenset(range(1, len(COLUMNS))))

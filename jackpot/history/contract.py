"""The contract of draw data: one row a draw, what each column holds and in which unit.

A history is a pandas DataFrame in this form, in order of date, whatever the operator's file looked like. Everything
after `history` (demand, decision, report) reads this form alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from ..errors import Problem
from ..market.schema import Market

DRAW_COLUMNS: Final[dict[str, str]] = {
    "draw": "int64: number of the draw, rising by date",
    "draw_date": "datetime64[ns], midnight: date of the draw in the market's time zone",
    "jackpot": "float64, currency: the jackpot announced for this draw before its sales opened; > 0",
    "sales": "float64, currency: stakes of this draw; > 0",
    "special": "string: name of the special draw by the market's calendar; empty for an ordinary one",
    "jackpot_winners": "Int64: tickets that won the jackpot; NA where the source does not say",
    "jackpot_paid": "float64, currency: jackpot prizes really paid for this draw; NaN where unknown",
    "secondary_paid": "float64, currency: all other prizes really paid for this draw; NaN where unknown",
    "pool": "float64, currency: what the rollover pool held AFTER this draw; NaN where there is none or unknown",
}
"""Then, where the source has them, DRIVERS; then, for each tier of the market that the source lists,
`winners:<tier>` (Int64) and `paid:<tier>` (float64)."""

DRIVERS: Final[dict[str, str]] = {
    "marketing": "float64, currency: marketing spend for this draw, set before its sales; NaN where unknown",
    "sister_jackpot": "float64, currency: jackpot of a sister game on sale with this draw; 0 none, NaN where unknown",
}
"""What drives sales beside the jackpot and the calendar, and is known before them."""


@dataclass(frozen=True)
class History:
    """A validated history.

    `draws` holds DRAW_COLUMNS in order; `problems` are warnings that travel to the report; `quarantined` are the
    source's rows that could not be used, as text, with `row` (as a spreadsheet counts) and `reason`; `next_jackpot`
    is the jackpot already announced for the draw after the last, where the source says so.
    """

    market: Market
    draws: pd.DataFrame
    problems: tuple[Problem, ...]
    quarantined: pd.DataFrame
    source_uri: str
    source_version: str | None
    next_jackpot: float | None

"""The curve and the history as CSV, to lie beside the report: the same rows give the same bytes.

Numbers stand at 9 significant digits, dates in ISO 8601, truth as `true` and `false`, and an unknown value is empty.
Money is in units of the market's currency; pandas.read_csv reads both back as they were.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

import pandas as pd

from ..canonical import rounded
from ..decision.contract import CURVE_COLUMNS

HISTORY_COLUMNS: Final[dict[str, str]] = {
    "draw_date": "date of the draw in the market's time zone",
    "jackpot": "currency: the jackpot announced for the draw",
    "sales": "currency: stakes of the draw",
    "special": "name of a special draw; empty for an ordinary one",
    "forecast": "currency: mean of sales, forecast from the draws before; empty before the back-test's window",
    "low_90": "currency: 5% quantile of that forecast",
    "high_90": "currency: 95% quantile",
}


def curve_csv(curve: pd.DataFrame) -> bytes:
    """Return a curve as CSV in UTF-8, a row a jackpot, with the columns of CURVE_COLUMNS in their order."""
    return _csv(curve, CURVE_COLUMNS)


def history_csv(history: pd.DataFrame) -> bytes:
    """Return a history as CSV in UTF-8, a row a draw, with the columns of HISTORY_COLUMNS in their order."""
    return _csv(history, HISTORY_COLUMNS)


def read_table(data: bytes) -> pd.DataFrame:
    """Return a curve or a history from its CSV: text stays text, dates are dates, an unknown forecast is NaN."""
    unknown = {"forecast": [""], "low_90": [""], "high_90": [""]}
    frame = pd.read_csv(io.BytesIO(data), keep_default_na=False, na_values=unknown)
    return frame.assign(draw_date=pd.to_datetime(frame["draw_date"])) if "draw_date" in frame else frame


def _csv(frame: pd.DataFrame, columns: Iterable[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(map(_cell, frame[name]) for name in columns), strict=True))
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d")
    if pd.api.types.is_bool(value):
        return "true" if value else "false"
    return str(rounded(float(value)))

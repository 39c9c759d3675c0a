"""The day that a run looks from: it sees the draws before it and recommends for the first draw on or after it."""

from __future__ import annotations

import datetime as dt
import re

from ..errors import InputError, Problem
from ..strict_yaml.section import FIRST_DATE, LAST_DATE


def resolve_as_of(text: str, last_draw: dt.date | None = None, *, field: str = "as_of") -> dt.date | None:
    """Return the date in `text`; where it is empty, the day after `last_draw` (None where that is not known yet).

    Raises InputError where the text is no ISO date.
    """
    stripped = text.strip()
    if not stripped:
        return last_draw + dt.timedelta(days=1) if last_draw else None
    try:
        # fromisoformat alone would take 20260131 and 2026-W05-6 too.
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", stripped):
            raise ValueError
        day = dt.date.fromisoformat(stripped)
        if not FIRST_DATE <= day <= LAST_DATE:
            raise ValueError
        return day
    except ValueError:
        problem = Problem(
            "is no date",
            field=field,
            found=repr(text),
            allowed="YYYY-MM-DD between 1900 and 2200, e.g. 2026-01-31" + (", or nothing" if field == "as_of" else ""),
        )
        raise InputError(problem) from None

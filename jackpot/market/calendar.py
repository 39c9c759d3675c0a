"""When draws take place: the regular rhythm by regime, and the specials that stand outside it."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice, takewhile

from ..errors import InputError, Problem
from .schema import WEEKDAYS, Market

_DAY = dt.timedelta(days=1)


def is_special(market: Market, date: dt.date) -> str:
    """Return the name of the special draw on `date`, the first that the market file lists, or an empty text.

    A yearly special on 02-29 takes place in leap years only.
    """
    month_day = f"{date:%m-%d}"
    for special in market.calendar.specials:
        if special.date == date or special.month_day == month_day:
            return special.name
    return ""


def draw_dates(market: Market, after: dt.date, count: int) -> list[dt.date]:
    """Return the dates of the next `count` draws strictly after a date, ascending, specials among them.

    A draw day follows the regime in force; before the first regime, the first one's. A special on an ordinary draw day
    takes the place of that draw. Raises InputError where so many draws reach beyond the year 9999.
    """
    try:
        return list(islice(_draws_after(market, after), count))
    except OverflowError:
        raise InputError(
            Problem("the calendar ends with the year 9999", field="date", found=f"{count} draws after {after}")
        ) from None


def next_draw_date(market: Market, on_or_after: dt.date) -> dt.date:
    """Return the date of the first draw on or after a date."""
    return draw_dates(market, on_or_after - _DAY, 1)[0]


def expected_draws_between(market: Market, first: dt.date, last: dt.date) -> list[dt.date]:
    """Return the dates of the draws strictly between two dates: what is missing where the two follow each other."""
    return list(takewhile(lambda date: date < last, _draws_after(market, first))) if first < last else []


def _draws_after(market: Market, after: dt.date) -> Iterator[dt.date]:
    regimes = market.calendar.draw_days
    starts = [regime.starts for regime in regimes]
    weekdays = [{WEEKDAYS.index(day) for day in regime.weekdays} for regime in regimes]
    once = {special.date for special in market.calendar.specials}
    yearly = {
        (int(special.month_day[:2]), int(special.month_day[3:]))
        for special in market.calendar.specials
        if special.month_day is not None
    }
    date = after
    while True:
        date += _DAY
        regime = max(bisect_right(starts, date) - 1, 0)
        if date.weekday() in weekdays[regime] or date in once or (date.month, date.day) in yearly:
            yield date

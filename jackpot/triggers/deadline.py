"""The dead man's switch: which draw should have a recommendation by now."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from ..market.calendar import next_draw_date
from ..market.schema import Market


def due(market: Market, now: dt.datetime) -> tuple[dt.date, dt.datetime]:
    """Return the next draw and when its recommendation is due (aware, UTC): hours before midnight at its day's end.

    The time of the draw itself is not in a market file; a draw is held to take place at the end of its day. `now` is
    aware.
    """
    zone = ZoneInfo(market.calendar.time_zone)
    draw = next_draw_date(market, now.astimezone(zone).date())
    held = dt.datetime.combine(draw + dt.timedelta(days=1), dt.time(0), zone).astimezone(dt.UTC)
    return draw, held - dt.timedelta(hours=market.schedule.deadline_hours_before_draw)

"""When a market's pipeline runs, as a cron expression in the one time zone of a Kubeflow server."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from ..market.schema import WEEKDAYS, Market, Weekday


def run_weekdays(market: Market, on: dt.date) -> tuple[Weekday, ...]:
    """Return the weekdays on which the market's pipeline runs: those it names, or those after its draws."""
    if market.schedule.weekdays is not None:
        return market.schedule.weekdays
    regimes = market.calendar.draw_days
    days = next((regime for regime in reversed(regimes) if regime.starts <= on), regimes[0]).weekdays
    return tuple(WEEKDAYS[(WEEKDAYS.index(day) + 1) % 7] for day in days)


def next_run(market: Market, after: dt.datetime) -> dt.datetime:
    """Return the first time after `after` (aware) at which the market's schedule runs, in UTC.

    A local time that a clock change skips runs as many minutes later as were skipped; one that comes twice runs at
    its first coming.
    """
    zone = ZoneInfo(market.calendar.time_zone)
    hour, minute = (int(part) for part in market.schedule.time.split(":"))
    day = after.astimezone(zone).date()
    while True:
        if WEEKDAYS[day.weekday()] in run_weekdays(market, day):
            run = dt.datetime.combine(day, dt.time(hour, minute), zone).astimezone(dt.UTC)
            if run > after:
                return run
        day += dt.timedelta(days=1)


def six_field_cron(market: Market, after: dt.datetime, server_zone: str) -> str:
    """Return the schedule as six fields (from seconds to weekday) in the server's zone.

    Right for the next run after `after`, and for later ones until a clock changes in either zone: whoever keeps the
    schedule asks again at least once between two runs. Fields as robfig/cron reads them, weekdays by name.
    """
    first = next_run(market, after)
    local = first.astimezone(ZoneInfo(market.calendar.time_zone))
    there = first.astimezone(ZoneInfo(server_zone))
    shift = (there.date() - local.date()).days
    days = sorted((WEEKDAYS.index(day) + shift) % 7 for day in run_weekdays(market, local.date()))
    return f"0 {there.minute} {there.hour} ? * {','.join(WEEKDAYS[day].upper() for day in days)}"

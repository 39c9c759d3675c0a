"""Each schedule runs at its local time all year, in whatever zone the server's clock stands."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from jackpot import load_market
from jackpot.market.schema import Market, Schedule
from jackpot.scheduling import next_run, six_field_cron


def market(zone: str, schedule: Schedule, name: str = "england") -> Market:
    loaded = load_market(name).market
    return loaded.model_copy(
        update={"schedule": schedule, "calendar": loaded.calendar.model_copy(update={"time_zone": zone})}
    )


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "days", "time", "server", "now", "cron"),
    [
        ("Europe/London", ("mon",), "06:00", "UTC", "2026-01-01", "0 0 6 ? * MON"),
        ("Europe/London", ("mon",), "06:00", "UTC", "2026-07-01", "0 0 5 ? * MON"),
        ("Asia/Tokyo", ("mon", "thu"), "06:30", "UTC", "2026-01-01", "0 30 21 ? * WED,SUN"),
        ("America/Sao_Paulo", ("sat",), "22:15", "UTC", "2026-01-01", "0 15 1 ? * SUN"),
        ("Europe/London", ("mon",), "06:00", "America/New_York", "2026-01-01", "0 0 1 ? * MON"),
        ("Europe/London", ("sun",), "06:00", "UTC", "2026-03-27", "0 0 5 ? * SUN"),
        ("Europe/London", ("sun",), "06:00", "UTC", "2026-10-24", "0 0 6 ? * SUN"),
    ],
)
def test_the_cron_is_right_for_the_next_run(
    zone: str, days: tuple[str, ...], time: str, server: str, now: str, cron: str
) -> None:
    asked = market(zone, Schedule(weekdays=days, time=time))  # type: ignore[arg-type]
    assert six_field_cron(asked, utc(now), server) == cron


def test_a_market_that_names_no_weekday_runs_the_day_after_each_draw() -> None:
    mega = load_market("megasena").market
    crons = [six_field_cron(mega, utc(day), "UTC") for day in ("2023-01-02", "2026-01-02", "2026-07-20")]
    assert crons == ["0 0 9 ? * THU,SUN", "0 0 9 ? * WED,FRI,SUN", "0 0 9 ? * MON,WED,FRI"]


def test_times_that_a_clock_change_skips_or_repeats_run_once() -> None:
    nightly = market("Europe/London", Schedule(weekdays=("sun",), time="01:30"))
    assert next_run(nightly, utc("2026-03-28")) == utc("2026-03-29T01:30")
    assert next_run(nightly, utc("2026-10-24")) == utc("2026-10-25T00:30")
    assert next_run(nightly, utc("2026-10-25T00:30")) == utc("2026-11-01T01:30")


def test_a_year_has_as_many_runs_as_weeks_each_at_its_local_time() -> None:
    asked = market("Europe/London", Schedule(weekdays=("mon",), time="06:00"))
    at, runs = utc("2026-01-01"), []
    while (at := next_run(asked, at)) < utc("2027-01-01"):
        runs.append(at.astimezone(ZoneInfo("Europe/London")))
    assert len(runs) == 52
    assert {(run.weekday(), run.hour, run.minute) for run in runs} == {(0, 6, 0)}

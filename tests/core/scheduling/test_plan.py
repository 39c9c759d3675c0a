"""One plan brings a server to what is wanted, a second is empty, and no draw runs twice or is missed."""

import datetime as dt
import random
from dataclasses import dataclass, field, replace
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from jackpot import load_market
from jackpot.market.schema import WEEKDAYS, Market, Schedule
from jackpot.scheduling import RecurringRun, Wanted, next_run, plan, wanted_run

ZONES = ("Europe/London", "America/Sao_Paulo", "Asia/Tokyo", "America/New_York", "Australia/Sydney")
PACKAGE = "a" * 64


@cache
def base() -> Market:
    return load_market("england").market


def market(name: str, zone: str, days: tuple[str, ...], time: str, enabled: bool = True) -> Market:
    schedule = Schedule(weekdays=days, time=time, enabled=enabled)  # type: ignore[arg-type]
    calendar = base().calendar.model_copy(update={"time_zone": zone})
    return base().model_copy(update={"market": name, "schedule": schedule, "calendar": calendar})


@dataclass
class Server:
    """Recurring runs by Kubeflow's rules: ids are the server's, names may repeat, nothing can be changed."""

    runs: dict[str, tuple[RecurringRun, str, dt.datetime]] = field(default_factory=dict)
    made: int = 0

    def create(self, wanted: Wanted) -> None:
        self.made += 1
        run = RecurringRun(f"id-{self.made}", wanted.name, wanted.enabled, wanted.description)
        self.runs[run.id] = (run, str(wanted.spec["cron"]), wanted.starts)

    def apply(self, wanted: list[Wanted]) -> int:
        steps = [step for step in plan(wanted, [run for run, _, _ in self.runs.values()]) if step.kind != "keep"]
        for step in steps:
            if step.kind == "create":
                assert step.wanted is not None
                self.create(step.wanted)
            elif step.kind == "remove":
                del self.runs[step.id or ""]
            else:
                run, cron, starts = self.runs[step.id or ""]
                self.runs[run.id] = (replace(run, enabled=step.kind == "enable"), cron, starts)
        return len(steps)

    def fires(self, day: dt.date) -> list[tuple[str, dt.datetime]]:
        found = []
        for run, cron, starts in self.runs.values():
            _, minute, hour, _, _, days = cron.split()
            at = dt.datetime.combine(day, dt.time(int(hour), int(minute)), dt.UTC)
            if run.enabled and at > starts and WEEKDAYS[day.weekday()].upper() in days.split(","):
                found.append((run.name, at))
        return found


def wanted(markets: list[Market], now: dt.datetime) -> list[Wanted]:
    return [wanted_run(asked, "weekly", PACKAGE, {"market": asked.market}, now, "UTC") for asked in markets]


def drawn(dice: random.Random, name: str) -> Market:
    days = tuple(sorted(dice.sample(WEEKDAYS, dice.randint(1, 3)), key=WEEKDAYS.index))
    time = f"{dice.randrange(24):02}:{dice.randrange(60):02}"
    return market(name, dice.choice(ZONES), days, time, dice.random() < 0.8)


def test_any_set_of_changes_converges_in_one_apply() -> None:
    dice = random.Random(11)
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    server = Server()
    by_hand = RecurringRun("hand", "someone's own", True)
    server.runs["hand"] = (by_hand, "0 0 0 ? * MON", now)
    markets: dict[str, Market] = {}
    for _ in range(300):
        name = f"m{dice.randrange(8)}"
        if dice.random() < 0.25:
            markets.pop(name, None)
        else:
            markets[name] = drawn(dice, name)
        if dice.random() < 0.1 and len(server.runs) > 1:
            copy, cron, starts = dice.choice([run for run in server.runs.values() if run[0].id != "hand"])
            server.runs["copy"] = (replace(copy, id="copy"), cron, starts)
        asked = wanted(list(markets.values()), now)
        server.apply(asked)
        assert server.apply(asked) == 0
        there = {run.name: run.enabled for run, _, _ in server.runs.values() if run.id != "hand"}
        assert there == {run.name: run.enabled for run in asked}
        assert len(there) == len(server.runs) - 1
    assert server.runs["hand"][0] is by_hand


@pytest.mark.parametrize("hour", [1, 7, 22])
def test_a_year_with_its_clock_changes_runs_each_draw_once(hour: int) -> None:
    """Applied once a day, at whatever hour."""
    markets = [
        market(f"m{n}-{zone.split('/')[1].lower().replace('_', '-')}", zone, days, time)
        for n, (days, time) in enumerate([(("mon",), "06:00"), (("sun", "wed"), "01:30"), (WEEKDAYS, "12:10")])
        for zone in ZONES
    ]
    server = Server()
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ran: dict[str, list[dt.datetime]] = {asked.market: [] for asked in markets}
    for day in (start + dt.timedelta(days=n) for n in range(366)):
        applied = day.replace(hour=hour, minute=5)
        before = server.fires(day.date())
        server_before = [(name, at) for name, at in before if at <= applied]
        server.apply(wanted(markets, applied))
        after = [(name, at) for name, at in server.fires(day.date()) if at > applied]
        for name, at in (*server_before, *after):
            ran["-".join(name.split("-")[2:-1])].append(at)
    for asked in markets:
        zone = ZoneInfo(asked.calendar.time_zone)
        due, at = [], start.replace(hour=hour, minute=5)
        while (at := next_run(asked, at)) < start + dt.timedelta(days=366):
            due.append(at)
        assert ran[asked.market] == due, (asked.market, set(ran[asked.market]) ^ set(due))
        assert {moment.astimezone(zone).strftime("%H:%M") for moment in due} <= {asked.schedule.time, "02:30", "03:30"}


def test_a_change_says_what_differs() -> None:
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    before = market("england", "Europe/London", ("mon",), "06:00")
    after = market("england", "Europe/London", ("mon",), "07:00")
    (old,) = wanted([before], now)
    steps = plan(wanted([after], now), [RecurringRun("1", old.name, True, old.description)])
    assert [step.kind for step in steps] == ["create", "remove"]
    assert steps[0].changes == ('cron: "0 0 5 ? * MON" -> "0 0 6 ? * MON"',)
    steps = plan(wanted([after], now), [RecurringRun("1", old.name, True, "by hand")])
    assert steps[0].changes == ("what it did is not known",)


def test_pausing_keeps_the_run_and_its_history() -> None:
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    (run,) = wanted([market("england", "Europe/London", ("mon",), "06:00")], now)
    paused = wanted([market("england", "Europe/London", ("mon",), "06:00", enabled=False)], now)
    (step,) = plan(paused, [RecurringRun("1", run.name, True, run.description)])
    assert (step.kind, step.id) == ("disable", "1")

"""What the console shows, read from the same records as everything else: the audit logs and the stores.

Where they are out of reach, what was read last is shown with its age; nothing is written then.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from jackpot.adapters.places import Places
from jackpot.approval import pending
from jackpot.audit import AuditLog, Entry
from jackpot.canonical import sha256
from jackpot.errors import JackpotError
from jackpot.market.calendar import next_draw_date
from jackpot.market.loading import known_markets, load_market
from jackpot.market.schema import Market
from jackpot.outcomes import Outcomes, decision_for, outcomes, waits_for_second
from jackpot.ports import VersionNote
from jackpot.promotion import Version
from jackpot.records import Evaluation, Metadata, Monitor, Recommendation, Record
from jackpot.report import ReportInputs, read_table
from jackpot.store import MissingObjectError

if TYPE_CHECKING:
    from jackpot.steps.beside import YearBeside

FRESH_SECONDS: Final = 1.0
TODAY_SECONDS: Final = 5.0
TODAY_SHARE: Final = 5
"""Rows are read anew for one part in so many of the time, or each minute."""
TODAY_LONGEST: Final = 60.0
TODAY_WAIT: Final = 0.3
"""Longest wait of the first page for what is being read; the rest follows."""
PARALLEL: Final = 4
RECORDS_KEPT: Final = 512
OUTCOMES_KEPT: Final = 16
MONITORED: Final = 52


class OutOfReachError(JackpotError):
    """Records can neither be read now nor were read before."""


K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R", bound=Record)


class Kept(Generic[K, V]):
    """The values used last, for any thread."""

    def __init__(self, most: int) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def get_or(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of a key, made where it is not there: nobody else waits for that."""
        found = self.get(key)
        if found is not None:
            return found
        made = make()
        with self._lock:
            found = self._values.setdefault(key, made)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
            return found

    def forget(self, key: K) -> None:
        """Drop a value."""
        with self._lock:
            self._values.pop(key, None)


@dataclass(frozen=True)
class Known:
    """A market's records as they were read at a time; `trouble` says why they could not be read since."""

    all: tuple[Entry, ...]
    at: dt.datetime
    trouble: str = ""

    def entries(self, *kinds: Any) -> Iterator[Entry]:
        """Yield the records, oldest first, as AuditLog.entries does."""
        return (entry for entry in self.all if not kinds or entry.kind in kinds)

    def find(self, kind: Any, subject: str) -> Entry | None:
        """Return the first record of a kind about a subject."""
        return next((entry for entry in self.entries(kind) if entry.subject == subject), None)

    @property
    def as_log(self) -> AuditLog:
        """The same, for the core's views of a log: they read, and no more."""
        return cast("AuditLog", self)


@dataclass(frozen=True)
class Today:
    """A market's row on the first page."""

    market: str
    title: str
    currency: str
    draw_date: str
    deadline: dt.datetime
    zone: str
    status: str = "reading"
    """recommended, restoring, infeasible, late, running, failed, waiting (not run yet), unknown, or reading."""
    jackpot: float | None = None
    near_low: float | None = None
    near_high: float | None = None
    previous: float | None = None
    decided: float | None = None
    waits: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True)
class Snapshot:
    """The first page's rows, when they were read, and whether they are being read anew."""

    rows: tuple[Today, ...]
    at: dt.datetime | None
    reading: bool


class Desk:
    """Reads for all pages; logs stay open, so that only what was added is read again."""

    def __init__(self, places: Places, clock: Callable[[], dt.datetime]) -> None:
        self.places = places
        self._clock = clock
        names = places.environment.markets or known_markets()
        self._markets = {market.market: market for market in (load_market(name).market for name in names)}
        self._logs = {name: places.audit(name) for name in self._markets}
        self._locks = {name: threading.RLock() for name in self._markets}
        self._known: dict[str, Known] = {}
        self._records: Kept[str, Recommendation] = Kept(RECORDS_KEPT)
        self._outcomes: Kept[tuple[str, int, str], Outcomes] = Kept(OUTCOMES_KEPT)
        self._versions: dict[str, tuple[list[VersionNote], dt.datetime]] = {}
        self._rows = {name: self._blank(market) for name, market in self._markets.items()}
        self._rows_at: dt.datetime | None = None
        self._rows_took = 0.0
        self._reading: Future[None] | None = None
        self._pool = ThreadPoolExecutor(PARALLEL, "today")
        self._reader = ThreadPoolExecutor(1, "today-reader")

    def names(self) -> tuple[str, ...]:
        """Return the markets of this place."""
        return tuple(self._markets)

    def market(self, name: str) -> Market:
        """Return a market; raise KeyError where this place has none of that name."""
        return self._markets[name]

    def now(self) -> dt.datetime:
        """Return the time, UTC."""
        return self._clock()

    def write(self, name: str, record: Callable[[AuditLog], V]) -> V:
        """Return what `record` made of a market's log, which is read strictly for it, and show it from then on."""
        with self._locks[name]:
            try:
                return record(self._logs[name])
            finally:
                old = self._known.get(name)
                if old is not None:
                    self._known[name] = replace(old, at=dt.datetime.min.replace(tzinfo=dt.UTC))
                self._rows[name] = self._row(name)

    def known(self, name: str) -> Known:
        """Return a market's records, read a moment ago or, where that cannot be, as they were known last."""
        now = self.now()
        old = self._known.get(name)
        if old is not None and (now - old.at).total_seconds() < FRESH_SECONDS:
            return old
        with self._locks[name]:
            old = self._known.get(name)
            try:
                found = Known(tuple(self._logs[name].entries()), now)
            except (JackpotError, OSError) as error:
                if old is None:
                    raise OutOfReachError(f"the records of {name} cannot be read: {_first_line(error)}") from error
                found = replace(old, trouble=_first_line(error))
            self._known[name] = found
            return found

    def out_of_reach(self) -> int:
        """Return how many markets are shown as they were known, since they could not be read."""
        return sum(bool(row.trouble) for row in self._rows.values())

    def last_known(self, name: str) -> Known | None:
        """Return a market's records as they were read last, without reading; None where they never were."""
        return self._known.get(name)

    def entries(self, name: str, *kinds: Any) -> list[Entry]:
        """Return a market's records, oldest first."""
        return list(self.known(name).entries(*kinds))

    def recommendations(self, name: str) -> list[Entry]:
        """Return a market's recommendations, one a draw (the latest), oldest draw first."""
        latest = {str(entry.body["draw_date"]): entry for entry in self.entries(name, "recommendation")}
        return [latest[day] for day in sorted(latest)]

    def waiting(self, name: str) -> list[Entry]:
        """Return the requests for approval that wait."""
        return pending(self.known(name).as_log, self.now().isoformat())

    def decided(self, name: str, day: str) -> Entry | None:
        """Return the decision in force for a draw."""
        return decision_for(self.known(name).as_log, day)

    def second_waits(self, name: str, decision: Entry | None) -> bool:
        """Return whether a decision waits for a second person."""
        return decision is not None and waits_for_second(self.known(name).as_log, self._markets[name], decision)

    def recommendation(self, entry: Entry) -> Recommendation:
        """Return the recommendation of an entry."""
        prefix = str(entry.body["prefix"])

        def read() -> Recommendation:
            return _record(Recommendation, self.places.store.read(f"{prefix}/recommendation.json"), prefix)

        return self._records.get_or(prefix, read)

    def report(self, name: str, entry: Entry, with_cash: bool) -> ReportInputs:
        """Return what the report on a recommendation is made from; cash only for those who may see it."""
        from jackpot.steps.optimise import outlook_key, read_outlook

        store, prefix = self.places.store, str(entry.body["prefix"])
        record = self.recommendation(entry)
        cash = None
        if with_cash:
            try:
                key = outlook_key(record.market, entry.subject.rpartition("/")[2])
                cash = read_outlook(self.places.restricted.read(key))
            except MissingObjectError:
                cash = None
        return ReportInputs(
            market=self.market(name),
            recommendation=record,
            evaluation=_record(Evaluation, store.read(f"{prefix}/model/evaluation.json"), prefix),
            metadata=_record(Metadata, json.dumps(entry.body["metadata"]), prefix),
            curve=read_table(store.read(f"{prefix}/curve.csv")),
            history=read_table(store.read(f"{prefix}/history.csv")),
            problems=(),
            cash=cash,
        )

    def outcomes(self, name: str) -> Outcomes:
        """Return what became of a market's recommendations; raise JackpotError where its history cannot be read."""
        from jackpot.steps.preprocess import read_source
        from jackpot.steps.weekly import week_in_memory

        loaded, known = load_market(name), self.known(name)
        source = read_source(loaded, "", self.places.read, self.places.environment.synthetic_allowed)

        def made() -> Outcomes:
            week = week_in_memory(loaded, source, None)
            try:
                return outcomes(known.as_log, self.places.store, loaded.market, week.history.draws)
            except ValidationError as error:
                raise _unreadable(f"recommendations of {name}", error) from None

        return self._outcomes.get_or((name, len(known.all), sha256(source.data)), made)

    def verdicts(self, name: str) -> list[tuple[Entry, Monitor | None]]:
        """Return the monitor's last verdicts, newest first, with their records where the store has them."""
        return [(entry, self._monitor(entry)) for entry in self.entries(name, "monitor_verdict")[: -MONITORED - 1 : -1]]

    def _monitor(self, entry: Entry) -> Monitor | None:
        try:
            return Monitor.model_validate_json(self.places.store.read(str(entry.body["monitor"])))
        except (JackpotError, OSError, ValueError):
            return None

    def year(self, entry: Entry) -> YearBeside | None:
        """Return what the challenger of a request and its champion would have recommended, where that was computed."""
        from jackpot.steps.beside import YearBeside, year_key

        pair = beside_of(entry)
        if pair is None:
            return None
        one, other = pair
        key = year_key(str(entry.body["model_name"]), one.version, one.sha256, other.version, other.sha256)
        try:
            return YearBeside.model_validate_json(self.places.store.read(key))
        except (JackpotError, OSError, ValueError):
            return None

    def versions(self, model_name: str) -> tuple[list[VersionNote], dt.datetime | None, str]:
        """Return the versions that the registry knows, when it said so, and why it does not say so now."""
        try:
            # Opened anew: a registry that did not answer once is given up for as long as it is open.
            notes = Places(self.places.environment, self.places.root).registry.versions(model_name)
        except (JackpotError, OSError) as error:
            return *self.known_versions(model_name), _first_line(error)
        self._versions[model_name] = (notes, self.now())
        return notes, self.now(), ""

    def known_versions(self, model_name: str) -> tuple[list[VersionNote], dt.datetime | None]:
        """Return the versions that the registry told of last, and when."""
        return self._versions.get(model_name, ([], None))

    def last_run(self, name: str) -> dict[str, Any] | None:
        """Return what was told last of a market's runs: kind, run_id, text; None where nothing was told."""
        try:
            told: dict[str, Any] = json.loads(self.places.store.read(f"runs-of/{name}/latest.json"))
        except MissingObjectError:
            return None
        return told

    # The first page

    def today(self) -> Snapshot:
        """Return every market's row: read anew where that is quick, else as known, while it is being read."""
        now = self.now()
        if self._reading is not None and self._reading.done():
            self._reading = None
        kept = min(max(TODAY_SECONDS, TODAY_SHARE * self._rows_took), TODAY_LONGEST)
        if self._reading is None and (self._rows_at is None or (now - self._rows_at).total_seconds() > kept):
            self._reading = self._reader.submit(self._read_rows)
        if self._reading is not None and self._rows_took < TODAY_WAIT:
            try:
                self._reading.result(TODAY_WAIT)
                self._reading = None
            except TimeoutError:
                pass
        return Snapshot(tuple(self._rows.values()), self._rows_at, self._reading is not None)

    def _read_rows(self) -> None:
        def read(name: str) -> None:
            self._rows[name] = self._row(name)

        begun = self.now()
        list(self._pool.map(read, self._markets))
        self._rows_at = self.now()
        self._rows_took = (self._rows_at - begun).total_seconds()

    def _blank(self, market: Market) -> Today:
        zone = ZoneInfo(market.calendar.time_zone)
        day = next_draw_date(market, self.now().astimezone(zone).date())
        return Today(market.market, market.title, market.currency, str(day), _deadline(market, day), str(zone))

    def _row(self, name: str) -> Today:
        row = self._blank(self._markets[name])
        try:
            known = self.known(name)
            row = self._judged(row, name)
            return replace(row, trouble=known.trouble)
        except (JackpotError, OSError, ValueError) as error:
            before = self._rows[name]
            if before.status in {"reading", "unknown"}:
                return replace(row, status="unknown", trouble=_first_line(error))
            return replace(before, trouble=_first_line(error))

    def _judged(self, row: Today, name: str) -> Today:
        market, entries = self._markets[name], self.recommendations(name)
        told = self.last_run(name)
        status = "waiting"
        if entries:
            last = entries[-1]
            record = self.recommendation(last)
            if record.draw_date >= row.draw_date or _synthetic(last):
                before = entries[-2].body["jackpot"] if len(entries) > 1 else record.keep_last.jackpot
                near = record.near_optimal
                status = record.status
                row = replace(
                    row,
                    draw_date=record.draw_date,
                    deadline=_deadline(market, dt.date.fromisoformat(record.draw_date)),
                    jackpot=record.jackpot,
                    near_low=near.low if near else None,
                    near_high=near.high if near else None,
                    previous=float(before) if isinstance(before, int | float) else None,
                )
        decision = self.decided(name, row.draw_date)
        if decision is not None:
            row = replace(row, decided=float(str(decision.body["jackpot"])))
        waits = [f"approve {entry.body['version']}" for entry in self.waiting(name)]
        if decision is None and status != "waiting":
            waits.append("decide")
        if self.second_waits(name, decision):
            waits.append("a second person's decision")
        verdicts = self.entries(name, "monitor_verdict")
        if verdicts and verdicts[-1].body["verdict"] in {"retrain", "stop"}:
            waits.append(f"model: {verdicts[-1].body['verdict']}")
        if told is not None and told["kind"] in {"started", "failed"}:
            status = "running" if told["kind"] == "started" else "failed"
        elif status == "waiting" and self.now() > row.deadline:
            status = "late"
        return replace(row, status=status, waits=tuple(waits))


def _record(kind: type[R], data: bytes | str, prefix: str) -> R:
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise _unreadable(prefix, error) from None


def _unreadable(what: str, error: ValidationError) -> JackpotError:
    return JackpotError(
        f"{what}: what is stored was written by another edition of this product, or damaged ({_first_line(error)}). "
        "`jackpot audit verify --files` says which; the edition that wrote it reads it."
    )


def beside_of(entry: Entry) -> tuple[Version, Version] | None:
    """Return the champion that a request's challenger was compared with, and the challenger; None without one."""
    evidence = entry.body["evidence"]
    beside = evidence.get("comparison") if isinstance(evidence, dict) else None
    return (Version.of(beside), Version.of(entry.body)) if isinstance(beside, dict) else None


def _deadline(market: Market, day: dt.date) -> dt.datetime:
    zone = ZoneInfo(market.calendar.time_zone)
    hours = dt.timedelta(hours=market.schedule.deadline_hours_before_draw)
    return (dt.datetime.combine(day, dt.time(), zone) - hours).astimezone(dt.UTC)


def _synthetic(entry: Entry) -> bool:
    """A synthetic history ends when it ends: its next draw counts as the market's, whatever the calendar says."""
    metadata = entry.body["metadata"]
    return isinstance(metadata, dict) and str(metadata.get("source_uri", "")).startswith("synthetic")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""backfill: what would have been recommended for past draws, each as of its own day."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from ..audit import AuditLog
from ..audit.turns import standings
from ..canonical import json_bytes, sha256
from ..cash import Cash
from ..errors import InputError, JackpotError, Problem
from ..history.contract import History
from ..lineage import CodeVersion
from ..market.calendar import next_draw_date
from ..ports import Registry
from ..promotion.versions import load_version
from ..records import Evaluation, IsoDate, Record, Sha256, Status
from ..store import MissingObjectError, Store
from .model_in_use import ModelInUse, Standing
from .week import Week

MOST_DRAWS: Final = 2000
USUAL_DRAWS: Final = 52


class Backfilled(Record):
    """backfill.json: what would have been recommended for a draw, and on what."""

    schema_version: Literal["1"] = "1"
    market: str
    draw_date: IsoDate
    as_of: IsoDate
    status: Status
    jackpot: float | None
    model_standing: Literal["champion", "candidate"]
    model_version: str | None
    recommendation: Sha256
    code_commit: str | None
    prefix: str


@dataclass(frozen=True)
class Day:
    """A draw to recommend for, and the day from which its week saw the market."""

    draw: dt.date
    as_of: dt.date


def plan(history: History, first: dt.date | None, last: dt.date | None) -> list[Day]:
    """Return the draws of a history from `first` to `last`, each as of the day after the draw before it.

    Without `last`: to the history's end; without `first`: 52 draws.

    Raises InputError where there is none, or more than 2,000.
    """
    dates = [date.date() for date in history.draws["draw_date"]]
    if not dates:
        problem = Problem("there is nothing to backfill", where=history.source_uri, found="no draw was held yet")
        raise InputError(problem)
    last = last or dates[-1]
    first = first or dates[max(0, sum(date <= last for date in dates) - USUAL_DRAWS)]
    days = [Day(draw, before + dt.timedelta(days=1)) for before, draw in pairwise(dates) if first <= draw <= last]
    # A draw that the calendar expects and the history lacks would be recommended in place of the one asked for.
    days = [day for day in days if next_draw_date(history.market, day.as_of) == day.draw]
    if not 1 <= len(days) <= MOST_DRAWS:
        raise InputError(
            Problem(
                "there is nothing to backfill" if not days else "too many draws at once",
                where=history.source_uri,
                found=f"{len(days)} draws from {first} to {last}",
                allowed=f"1 to {MOST_DRAWS} draws of the history, its first apart: {dates[0]} to {dates[-1]}",
            )
        )
    return days


def champion_of_the_day(week: Week, log: AuditLog, store: Store, registry: Registry) -> ModelInUse | None:
    """Return the champion at the end of the week's day by the audit log; None where there was none.

    One that has seen draws of that day or later was not promoted by then, whatever the clock said, and is left out.
    """
    end = dt.datetime.combine(week.as_of, dt.time(23, 59, 59), dt.UTC)
    champion = standings(log, week.model_name, end.isoformat()).champion
    if champion is None:
        return None
    model = load_version(week.model_name, champion, store, registry)
    if model.as_of > week.checks.as_of:
        return None
    evaluation = Evaluation.model_validate_json(model.files["evaluation.json"])
    return ModelInUse.of(model.files, evaluation, Standing(standing="champion", version=champion.version))


def backfill(week: Week, champion: ModelInUse | None, cash: Cash | None, code: CodeVersion, store: Store) -> Backfilled:
    """Recommend with the champion of the day, else with a model trained on the week, and keep that under backfills/.

    What was done is not done again: the same data, market file, model, cash and code give what is kept. Nothing goes
    to where recommendations that were really made lie, nor into the registry or the audit log.
    """
    from ..report.tables import curve_csv
    from .optimise import decide_week
    from .weekly import recommend_in_memory

    draw = next_draw_date(week.market, week.as_of).isoformat()
    inputs = {
        "snapshot": week.checks.snapshot,
        "market_file": week.checks.market_file,
        "model": sha256(json_bytes({name: sha256(data) for name, data in champion.files.items()})) if champion else "",
        "cash": cash.sha256 if cash else "",
        "commit": code.commit or "",
    }
    folder = f"backfills/{week.market.market}/{draw}/{sha256(json_bytes(inputs))[:16]}"
    try:
        kept = Backfilled.model_validate_json(store.read(f"{folder}/backfill.json"))
        if sha256(store.read(f"{folder}/recommendation.json")) == kept.recommendation:
            return kept
    except MissingObjectError:
        pass
    if champion is None:
        decision, test = recommend_in_memory(week, cash)
        store.replace(f"{folder}/evaluation.json", test.evaluation.to_bytes())
    else:
        decision = decide_week(week, champion, cash)
        store.replace(f"{folder}/evaluation.json", champion.evaluation.to_bytes())
    record = decision.recommendation
    if record.draw_date != draw:
        raise JackpotError(f"as of {week.as_of} the next draw is {record.draw_date}, and {draw} was asked for")
    data = record.to_bytes()
    done = Backfilled(
        market=record.market,
        draw_date=draw,
        as_of=record.as_of,
        status=record.status,
        jackpot=record.jackpot,
        model_standing=champion.standing.standing if champion else "candidate",
        model_version=champion.standing.version if champion else None,
        recommendation=sha256(data),
        code_commit=code.commit,
        prefix=folder,
    )
    store.replace(f"{folder}/recommendation.json", data)
    store.replace(f"{folder}/curve.csv", curve_csv(decision.curve))
    store.replace(f"{folder}/checks.json", week.checks.to_bytes())
    # Last: who finds this finds all of the above.
    store.replace(f"{folder}/backfill.json", done.to_bytes())
    return done


def conclude(market: str, prefixes: list[str], run_id: str, store: Store) -> list[Backfilled]:
    """Return what was done, in order of draws, and leave it as the run's result."""
    done = [Backfilled.model_validate_json(store.read(f"{prefix}/backfill.json")) for prefix in prefixes]
    done.sort(key=lambda one: one.draw_date)
    rows = [one.model_dump(mode="json") for one in done]
    store.replace(f"runs/{run_id}/result.json", json_bytes({"market": market, "backfill": rows}))
    return done


def table(done: list[Backfilled]) -> str:
    """Return what was done as Markdown."""
    from ..report.markup import markdown_table
    from ..report.parts import Cell, Table

    rows = tuple(
        (
            Cell(one.draw_date),
            Cell(one.as_of),
            Cell("" if one.jackpot is None else f"{one.jackpot:,.0f}"),
            Cell(one.status),
            Cell(f"{one.model_standing} {one.model_version or ''}".strip()),
        )
        for one in done
    )
    columns = ("Draw", "As of", "Jackpot", "Status", "Model")
    return markdown_table(Table("Recommended for past draws", columns, rows, frozenset({2})), 1) + "\n"


def result_of(run_id: str, store: Store) -> list[Backfilled]:
    """Return what a run did; raise JackpotError where it left nothing."""
    rows = json.loads(store.read(f"runs/{run_id}/result.json"))["backfill"]
    return [Backfilled.model_validate(row) for row in rows]

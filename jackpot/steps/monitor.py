"""monitor: hold the model in use against the draws since it was trained."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pandas as pd

from ..audit import AuditLog
from ..canonical import json_bytes, sha256, write_atomically
from ..cash import Cash
from ..demand.base import DemandModel
from ..demand.common import SMALLEST_HISTORY, ordinary
from ..demand.models import new_model
from ..demand.storage import ARRAYS, SCALARS, load_model, model_hash
from ..errors import InputError, JackpotError, Problem
from ..monitoring.assess import SMALLEST_FOR_STOP, baseline_size, sequential, verdict
from ..monitoring.data import data_drift
from ..monitoring.errors import OneStepErrors, one_step_errors
from ..monitoring.thresholds import DRAWS_TO_FALSE_ALARM
from ..ports import Files, RegisteredModel
from ..records import Detected, Metadata, Monitor, Recommendation
from ..store import MissingObjectError, Store
from .model_in_use import ModelInUse
from .optimise import outlook_key, read_outlook
from .week import Week

FAN_DRAWS: Final = 52
"""How many draws back a recommendation is looked for whose fans reach to today."""


@dataclass(frozen=True)
class Used:
    """The model in use: its files, standing and version, and the day that its training ended on."""

    files: Files
    standing: Literal["champion", "candidate"]
    version: str | None
    as_of: dt.date


def model_to_watch(week: Week, champion: RegisteredModel | None, store: Store) -> Used:
    """Return the champion; where it is none, or has seen draws of this day, the model of the last recommendation.

    Raises InputError where there is neither.
    """
    if champion is not None and champion.as_of <= week.checks.as_of:
        return Used(champion.files, "champion", champion.version, dt.date.fromisoformat(champion.as_of))
    for prefix, record in published(week, store):
        metadata = Metadata.model_validate_json(store.read(f"{prefix}/metadata.json"))
        if metadata.model_standing == "candidate":
            files = {name: store.read(f"{prefix}/model/{name}") for name in (SCALARS, ARRAYS)}
            return Used(files, "candidate", metadata.model_version, dt.date.fromisoformat(record.as_of))
    raise InputError(
        Problem(
            f"there is no model of {week.market.market} to watch",
            found="no champion, and no recommendation within the last draws",
            hint=f"run the week first: jackpot run {week.market.market}",
        )
    )


def published(week: Week, store: Store) -> Iterator[tuple[str, Recommendation]]:
    """Yield the latest recommendation for each of the last draws, newest draw first, with its prefix."""
    for date in reversed(week.history.draws["draw_date"].iloc[-FAN_DRAWS:].to_list()):
        try:
            key = f"recommendations/{week.market.market}/{date.date()}/latest.json"
            prefix = str(json.loads(store.read(key))["prefix"])
            yield prefix, Recommendation.model_validate_json(store.read(f"{prefix}/recommendation.json"))
        except MissingObjectError:
            continue


def monitor(
    week: Week, used: Used, cash: Cash | None, store: Store, restricted: Store, *, record: Path, page: Path, words: Path
) -> Monitor:
    """Look at the draws since the model in use was trained, and leave the record and its page."""
    from ..report import monitor_html, monitor_markdown

    found = look(week, used, (*_ratio_fan(week, used, store), *_cash_fan(week, cash, store, restricted)))
    write_atomically(record, found.to_bytes())
    write_atomically(page, monitor_html(found))
    write_atomically(words, monitor_markdown(found).encode())
    return found


def look(week: Week, used: Used, fans: tuple[Detected, ...]) -> Monitor:
    """Return the verdict on a model in use, with its evidence."""
    draws, market = week.history.draws, week.market
    model = load_model(used.files)
    first = int((draws["draw_date"] < pd.Timestamp(used.as_of)).sum())
    watched = one_step_errors(model, draws, market, first)
    baseline = _baseline(model, week, first)
    detectors = sequential(baseline, watched)
    data = data_drift(draws, market, used.as_of)
    alarms = [one.draws or 0 for one in detectors if one.state == "retrain"]
    last = max(alarms, default=0) or len(watched)
    own = watched.wmape_pct(last) if last else None
    other: float | None = None
    if last and ordinary(draws)[:first].sum() >= SMALLEST_HISTORY:
        naive = new_model("naive").fit(draws.iloc[:first], market)
        other = one_step_errors(naive, draws, market, first).wmape_pct(last)
    worse = bool(alarms) and last >= SMALLEST_FOR_STOP and own is not None and other is not None and own > other
    said, cause, reason = verdict(detectors, data, fans, worse)
    return Monitor(
        market=market.market,
        title=market.title,
        as_of=week.checks.as_of,
        snapshot=week.checks.snapshot,
        market_file=week.checks.market_file,
        source_uri=week.checks.source_uri,
        model=model_hash(used.files),
        model_name=model.name,
        model_version=used.version,
        model_standing=used.standing,
        model_as_of=used.as_of.isoformat(),
        baseline_draws=0 if baseline is None else len(baseline),
        watched_draws=len(watched),
        draws_to_false_watch=DRAWS_TO_FALSE_ALARM["watch"],
        draws_to_false_retrain=DRAWS_TO_FALSE_ALARM["retrain"],
        detectors=detectors,
        data=data,
        fans=fans,
        wmape_pct=own,
        naive_wmape_pct=other,
        verdict=said,
        cause=cause,
        reason=reason,
    )


def _baseline(model: DemandModel, week: Week, first: int) -> OneStepErrors | None:
    """Return the errors that such a model made in the draws before `first`: fitted without them, as on any new draw."""
    usual = ordinary(week.history.draws)[:first]
    size = baseline_size(int(usual.sum()) - SMALLEST_HISTORY, week.market.monitoring.baseline_draws)
    if not size:
        return None
    begin = int(np.flatnonzero(usual)[-size])
    before = week.history.draws.iloc[:first]
    fitted = new_model(model.name, model.settings).fit(before.iloc[:begin], week.market)
    return one_step_errors(fitted, before, week.market, begin)


def _ratio_fan(week: Week, used: Used, store: Store) -> tuple[Detected, ...]:
    """Hold the payout ratio after the last draw against the fan of the oldest recommendation that reaches to it."""
    from ..decision.payout_ratio import ledger_of, timeline
    from ..decision.situation import situate

    rule = week.market.regulation.payout_ratio
    if rule is None:
        return ()
    demand = load_model(used.files).condition(week.history.draws, week.market)
    situation = situate(week.market, week.history, demand, week.as_of, None)
    ledger = ledger_of(situation, rule, rule.window_draws)
    if ledger.unknown:
        return (Detected(name="payout_ratio", state="not_checked", evidence=ledger.unknown),)
    count = rule.window_draws
    if rule.tested == "year_end":
        count = min(count, timeline(situation, rule).past)
    last = week.history.draws["draw_date"].iloc[-1].date().isoformat()
    planned = [
        (record.draw_date, draw) for _, record in published(week, store) for draw in record.planned_path
        if draw.draw_date == last and draw.ratio_p05 is not None
    ]  # fmt: skip
    if not planned or not count:
        return (
            Detected(name="payout_ratio", state="not_checked", evidence="no earlier plan reaches to the last draw"),
        )
    since, fan = planned[-1]
    ratio = float(ledger.prizes[-count:].sum() / ledger.sales[-count:].sum())
    inside = (fan.ratio_p05 or 0.0) <= ratio <= (fan.ratio_p95 or 0.0)
    where = "within" if inside else "outside"
    words = (
        f"the payout ratio is {ratio:.4f}, {where} the {fan.ratio_p05:.4f} to {fan.ratio_p95:.4f} planned on {since}"
    )
    return (Detected(name="payout_ratio", state="quiet" if inside else "watch", evidence=words, since=since),)


def _cash_fan(week: Week, cash: Cash | None, store: Store, restricted: Store) -> tuple[Detected, ...]:
    """Hold cash against the fan of the oldest recommendation that reaches to its day; no figure is told."""
    if week.market.cash is None:
        return ()
    if cash is None:
        return (Detected(name="cash", state="not_checked", evidence="there are no cash figures"),)
    found: tuple[str, float, float] | None = None
    for prefix, record in published(week, store):
        try:
            identity = sha256(store.read(f"{prefix}/recommendation.json"))
            fan = read_outlook(restricted.read(outlook_key(record.market, identity))).fan
        except MissingObjectError:
            continue
        reached = fan[fan["draw_date"] <= pd.Timestamp(cash.figures.as_of)]
        if len(reached):
            found = record.draw_date, float(reached["p05"].iloc[-1]), float(reached["p95"].iloc[-1])
    if found is None:
        return (Detected(name="cash", state="not_checked", evidence="no earlier plan reaches to the cash figures"),)
    since, low, high = found
    held = float(cash.figures.cash)
    where = "within" if low <= held <= high else "below" if held < low else "above"
    words = f"cash is {where} the 90% band planned on {since}"
    return (Detected(name="cash", state="quiet" if where == "within" else "watch", evidence=words, since=since),)


def conclude(found: Monitor, run_id: str, store: Store, log: AuditLog, at: str) -> None:
    """Keep the record, put the verdict into the audit log once for each data and model, and make it the latest."""
    data = found.to_bytes()
    key = f"monitoring/{found.market}/{found.as_of}/{sha256(data)[:16]}.json"
    store.put_new(key, data)
    body = found.model_dump(mode="json", include={"verdict", "cause", "reason", "snapshot", "source_uri", "model"})
    log.append(
        "monitor_verdict",
        f"{found.as_of}/{found.snapshot[:16]}/{found.model[:16]}",
        at=at,
        by=f"run:{run_id}",
        body={**body, "model_version": found.model_version, "monitor": key, "sha256": sha256(data)},
        once=True,
    )
    store.replace(f"monitoring/{found.market}/latest.json", data)
    store.replace(f"runs/{run_id}/result.json", json_bytes({"market": found.market, "monitor": key}))


def stop_reason(week: Week, in_use: ModelInUse, store: Store) -> str | None:
    """Return why the monitor stopped this very model on this day or before; None where it did not, or not any more."""
    found = _latest(week, model_hash(in_use.files), store)
    return found.reason if found is not None and found.verdict == "stop" else None


def retraining_reason(week: Week, champion: RegisteredModel | JackpotError | None, store: Store) -> str | None:
    """Return why the monitor asked for a retraining of this very champion; None where it did not, or not any more."""
    found = _latest(week, champion.sha256, store) if isinstance(champion, RegisteredModel) else None
    return found.reason if found is not None and found.verdict in {"retrain", "stop"} else None


def _latest(week: Week, model_sha256: str, store: Store) -> Monitor | None:
    """Return the market's last verdict where it is about this model, on this day or before."""
    try:
        found = Monitor.model_validate_json(store.read(f"monitoring/{week.market.market}/latest.json"))
    except MissingObjectError:
        return None
    return found if found.model == model_sha256 and found.as_of <= week.checks.as_of else None

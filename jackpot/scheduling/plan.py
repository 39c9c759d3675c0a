"""What to create, remove, enable and disable, so that a server's recurring runs are those the market files ask for.

Kubeflow cannot change a recurring run, and its names need not be unique. So a run's name carries the hash of all that
it does: a change is a new name, created before the old one is removed. Whether it is enabled is no part of the name,
and pausing a schedule keeps its history. Runs without this product's prefix are left alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..canonical import json_bytes, sha256
from ..market.schema import Market
from .cron import next_run, six_field_cron

PREFIX: Final = "jackpot"
Kind = Literal["create", "remove", "enable", "disable", "keep"]


@dataclass(frozen=True)
class Wanted:
    """A recurring run as it should be; `spec` holds all that its name stands for."""

    market: str
    pipeline: str
    spec: Mapping[str, Any]
    enabled: bool
    starts: dt.datetime
    """Not before the next run: a schedule that is replaced just after it ran does not run again that day."""

    @property
    def name(self) -> str:
        """The name: pipeline, market and the hash of the spec."""
        return f"{PREFIX}-{self.pipeline}-{self.market}-{sha256(json_bytes(self.spec))[:10]}"

    @property
    def description(self) -> str:
        """The spec in words that a program can read back."""
        return json.dumps(self.spec, sort_keys=True)


@dataclass(frozen=True)
class RecurringRun:
    """A recurring run as the server has it."""

    id: str
    name: str
    enabled: bool
    description: str = ""


@dataclass(frozen=True)
class Action:
    """One step; `changes` says what differs from the run that is replaced."""

    kind: Kind
    name: str
    id: str | None = None
    wanted: Wanted | None = None
    changes: tuple[str, ...] = ()


def wanted_run(
    market: Market,
    pipeline: str,
    package_sha256: str,
    parameters: Mapping[str, Any],
    now: dt.datetime,
    server_zone: str,
) -> Wanted:
    """Return the recurring run that a market file asks for, as of `now` (aware)."""
    spec = {
        "pipeline": pipeline,
        "package": package_sha256,
        "cron": six_field_cron(market, now, server_zone),
        "parameters": dict(parameters),
    }
    starts = next_run(market, now) - dt.timedelta(minutes=1)
    return Wanted(market.market, pipeline, spec, market.schedule.enabled, max(starts, now))


def plan(wanted: Sequence[Wanted], existing: Iterable[RecurringRun]) -> list[Action]:
    """Return the steps in the order in which they are to be taken: first what is missing, last what is left over."""
    ours = sorted(
        (run for run in existing if run.name.startswith(f"{PREFIX}-")),
        key=lambda run: (run.name, not run.enabled, run.id),
    )
    kept: dict[str, RecurringRun] = {}
    for run in ours:
        kept.setdefault(run.name, run)
    names = {run.name for run in wanted}
    replaced = {_stem(run.name): run for run in ours if run.name not in names}
    steps: list[Action] = []
    for asked in sorted(wanted, key=lambda asked: asked.name):
        there = kept.get(asked.name)
        if there is None:
            before = replaced.get(_stem(asked.name))
            steps.append(Action("create", asked.name, wanted=asked, changes=_changes(before, asked) if before else ()))
        elif there.enabled != asked.enabled:
            steps.append(Action("enable" if asked.enabled else "disable", asked.name, there.id, asked))
        else:
            steps.append(Action("keep", asked.name, there.id, asked))
    left = [run for run in ours if run.name not in names or kept[run.name].id != run.id]
    return steps + [Action("remove", run.name, run.id) for run in left]


def _stem(name: str) -> str:
    return name.rpartition("-")[0]


def _changes(before: RecurringRun, after: Wanted) -> tuple[str, ...]:
    try:
        old = json.loads(before.description)
    except json.JSONDecodeError:
        return ("what it did is not known",)
    if not isinstance(old, dict):
        return ("what it did is not known",)
    flat_old, flat_new = _flat(old), _flat(after.spec)
    keys = sorted(flat_old.keys() | flat_new.keys())
    return tuple(
        f"{key}: {flat_old.get(key, 'none')} -> {flat_new.get(key, 'none')}"
        for key in keys
        if flat_old.get(key) != flat_new.get(key)
    )


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, Mapping) else {f"{prefix}{key}": json.dumps(item)}
    return flat

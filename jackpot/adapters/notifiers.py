"""Where messages about a run go: the step's log, and a file in the store."""

from __future__ import annotations

from dataclasses import asdict

from ..canonical import json_bytes
from ..ports import Notice, Notifier
from ..store import Store
from .step import emit


def console(notice: Notice) -> None:
    """Print a message into the step's log."""
    emit("notice", **asdict(notice))


def to_store(store: Store) -> Notifier:
    """Return a notifier that leaves each message as an object beside the run's other records."""

    def notify(notice: Notice) -> None:
        store.replace(f"runs/{notice.run_id}/notice-{notice.kind}.json", json_bytes(asdict(notice)))

    return notify

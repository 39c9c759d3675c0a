"""The names of what a trigger starts: equal causes have equal names, and so start one run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from ..errors import InputError, Problem

DATA_FILES: Final = (".csv", ".parquet", ".txt", ".tsv")
RETRAIN: Final = "retrain"


def weekly_key(market: str, draw_date: str, snapshot: str) -> str:
    """Return the key of a weekly run: market, draw and the data's SHA-256."""
    return f"weekly/{market}/{draw_date}/{snapshot}"


def retrain_key(market: str, cause: str, snapshot: str) -> str:
    """Return the key of a retraining: market, what was found, and the data's SHA-256."""
    return f"{RETRAIN}/{market}/{cause}/{snapshot}"


def market_of(path: str, markets: Iterable[str]) -> str:
    """Return the market that a file of draws belongs to: the one its name, or the nearest folder's, begins with.

    `england.csv`, `england-2026-01-31.csv` and `england/draws.csv` are England's. Raises InputError where no market's
    name is there.
    """
    known = sorted(markets, key=len, reverse=True)
    parts = PurePosixPath(path).parts
    for part in reversed(parts):
        for name in known:
            if part.startswith(name) and not part[len(name) : len(name) + 1].isalnum() and part[len(name) :][:1] != "_":
                return name
    raise InputError(
        Problem(
            "whose draws are these? no market's name is in the file's or its folder's",
            where=path,
            allowed=", ".join(sorted(known)) or "no market is known here",
            hint="e.g. england.csv or england/draws.csv",
        )
    )

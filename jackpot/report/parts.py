"""What a page is made of, whatever its form: tables, key figures, notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, its tone, and for a hash the whole of it."""

    text: str
    tone: Tone = ""
    is_hash: bool = False


@dataclass(frozen=True)
class Table:
    """A table: the first cell of a row names it; columns in `numeric` are aligned as figures."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Figure:
    """A key figure: the words, the number of the record behind them, and a note."""

    label: str
    text: str
    value: float
    note: str = ""


@dataclass(frozen=True)
class Notice:
    """Something to know before the figures are used."""

    tone: Tone
    title: str
    text: str

"""What the monitor found, as one HTML file and as Markdown for the dashboard."""

from __future__ import annotations

from typing import Final

from ..records import Detected, Monitor
from .markup import markdown_table, plain
from .page import render
from .parts import Cell, Table, Tone

HEADLINES: Final = {
    "nothing": "The model in use holds",
    "watch": "The model in use is worth watching",
    "retrain": "The model in use should be trained anew",
    "stop": "The model in use should not be relied on",
}
NAMES: Final = {
    "level": "Level of sales",
    "variance": "Size of the errors",
    "elasticity": "Effect of the jackpot",
    "calibration": "90% interval",
    "price": "Price",
    "jackpot_range": "Range of jackpots",
    "weekday": "Weekday",
    "gap": "Days between draws",
    "payout_ratio": "Payout ratio",
    "cash": "Cash",
}
STATES: Final[dict[str, tuple[str, Tone]]] = {
    "quiet": ("✓ Quiet", "good"),
    "watch": ("○ Watch", "warn"),
    "retrain": ("✕ Alarm", "bad"),
    "not_checked": ("Not checked", ""),
}


def monitor_html(record: Monitor) -> bytes:
    """Return the record as one self-contained HTML file."""
    return render("monitor.html.jinja", record=record, headline=HEADLINES[record.verdict], tables=_tables(record),
                  sentence=_sentence(record))  # fmt: skip


def monitor_markdown(record: Monitor) -> str:
    """Return the record as GitHub-flavoured Markdown."""
    head = [f"# {plain(HEADLINES[record.verdict])}", plain(f"{record.reason}."), plain(_sentence(record))]
    return "\n\n".join([*head, *(markdown_table(table) for table in _tables(record))]) + "\n"


def _sentence(record: Monitor) -> str:
    version = f" {record.model_version}" if record.model_version else ""
    return (
        f"{record.watched_draws} draws since the {record.model_standing}{version} was trained (draws before "
        f"{record.model_as_of}), beside {record.baseline_draws} before it. While nothing changes, watching is called "
        f"for once in {record.draws_to_false_watch} draws and retraining once in {record.draws_to_false_retrain}."
    )


def _tables(record: Monitor) -> tuple[Table, ...]:
    made = (
        _table("Errors of the forecast", record.detectors),
        _table("Data", record.data),
        _table("Plans", record.fans),
    )
    return tuple(table for table in made if table.rows)


def _table(caption: str, found: tuple[Detected, ...]) -> Table:
    def figure(value: float | None) -> Cell:
        return Cell("" if value is None else f"{value:.2f}")

    sequential = any(one.statistic is not None for one in found)
    rows = tuple(
        (
            Cell(NAMES[one.name]),
            Cell(*STATES[one.state]),
            Cell(one.evidence),
            *((figure(one.statistic), figure(one.watch_above), figure(one.retrain_above)) if sequential else ()),
        )
        for one in found
    )
    columns = ("", "State", "What was found", *(("Statistic", "Watch above", "Alarm above") if sequential else ()))
    return Table(caption, columns, rows, frozenset({3, 4, 5}) if sequential else frozenset())

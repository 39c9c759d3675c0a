"""The report as Markdown, for the Kubeflow dashboard: words and tables, no charts, and never a cash figure."""

from __future__ import annotations

import dataclasses
import html
import re

from .contract import ReportInputs
from .summary import Cell, Table, summarise


def markdown(inputs: ReportInputs) -> str:
    """Return the report as GitHub-flavoured Markdown, far below the dashboard's 400,000 characters.

    Cash is left out even where `inputs` has it: everybody with access to a run reads its artifacts.
    """
    summary = summarise(dataclasses.replace(inputs, cash=None))
    figures = Table(
        "Key figures",
        ("Figure", "Amount", "Note"),
        tuple((Cell(figure.label), Cell(figure.text), Cell(figure.note)) for figure in summary.figures),
        frozenset({1}),
    )
    parts = [
        f"# {_text(summary.headline)}",
        f"**{_text(summary.status_words)}** · {_text(summary.title)}",
        *(f"> **{_text(notice.title)}.** {_text(notice.text)}" for notice in summary.notices),
        *(_text(sentence) for sentence in summary.sentences),
        *([_table(figures)] if summary.figures else []),
        _table(summary.constraints),
        _table(summary.alternatives),
        _table(summary.elasticity),
        _table(summary.forecasters),
        _text(summary.backtest_sentence),
        _table(summary.gates),
    ]
    if summary.warnings:
        left_out = [f"- and {summary.warnings_left_out:,} more"] if summary.warnings_left_out else []
        parts += ["## Warnings", "\n".join([*(f"- {_text(warning)}" for warning in summary.warnings), *left_out])]
    return "\n\n".join([*parts, _table(summary.lineage)]) + "\n"


def _table(table: Table) -> str:
    head = "| " + " | ".join(_text(column) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if index in table.numeric else "---" for index in range(len(table.columns))) + "|"
    rows = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join([f"## {_text(table.caption)}", "", head, rule, *rows])


def _cell(cell: Cell) -> str:
    return f"`{cell.text}`" if cell.is_hash else _text(cell.text) or "–"


def _text(text: str) -> str:
    """Return plain text as Markdown that shows it as it is: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))

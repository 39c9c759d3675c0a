"""Plain words and tables as GitHub-flavoured Markdown that shows them as they are."""

from __future__ import annotations

import html
import re

from .parts import Cell, Table


def plain(text: str) -> str:
    """Return plain text as Markdown that shows it as it is: no markup, no HTML, one line."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def markdown_table(table: Table, level: int = 2) -> str:
    """Return a table under its caption as a heading."""
    head = "| " + " | ".join(plain(column) for column in table.columns) + " |"
    rule = "|" + "|".join("---:" if index in table.numeric else "---" for index in range(len(table.columns))) + "|"
    rows = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join([f"{'#' * level} {plain(table.caption)}", "", head, rule, *rows])


def _cell(cell: Cell) -> str:
    return f"`{cell.text}`" if cell.is_hash else plain(cell.text) or "–"

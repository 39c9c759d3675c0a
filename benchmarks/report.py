"""How every benchmark ends: its tables for people, and one line of JSON for programs."""

from __future__ import annotations

import json
import operator
import sys
from dataclasses import dataclass

OPERATORS = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """A measured figure and its bound, e.g. `<= 20`; `value` is None where it was not run."""

    what: str
    value: float | None
    unit: str
    must: str

    @property
    def ok(self) -> bool:
        """Whether the figure keeps its bound."""
        sign, bound = self.must.split()
        return self.value is not None and bool(OPERATORS[sign](self.value, float(bound)))


def finish(bench: str, figures: list[Figure]) -> None:
    """Print the figures as a table and, last, as one JSON object; a missed bound is no failure of the benchmark."""
    from rich.console import Console

    from jackpot.cli.output import table

    rows = table("figure", "value", "must", "", numbers_from=1, title=bench)
    for figure in figures:
        value = "not run" if figure.value is None else f"{figure.value:.4g} {figure.unit}"
        rows.add_row(figure.what, value, figure.must, "[green]ok" if figure.ok else "[red]missed")
    Console(highlight=False).print(rows)
    record = {
        "bench": bench,
        "figures": [
            {
                "what": figure.what,
                "value": None if figure.value is None else float(f"{figure.value:.6g}"),
                "unit": figure.unit,
                "must": figure.must,
                "ok": figure.ok,
            }
            for figure in figures
        ],
        "missed": [figure.what for figure in figures if not figure.ok],
    }
    sys.stdout.write(json.dumps(record, allow_nan=False) + "\n")

"""The report as Markdown, for the Kubeflow dashboard: words and tables, no charts, and never a cash figure."""

from __future__ import annotations

import dataclasses

from .contract import ReportInputs
from .markup import markdown_table, plain
from .parts import Cell, Table
from .summary import summarise


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
        f"# {plain(summary.headline)}",
        f"**{plain(summary.status_words)}** · {plain(summary.title)}",
        *(f"> **{plain(notice.title)}.** {plain(notice.text)}" for notice in summary.notices),
        *(plain(sentence) for sentence in summary.sentences),
        *([markdown_table(figures)] if summary.figures else []),
        markdown_table(summary.constraints),
        *(plain(sentence) for sentence in summary.plan.sentences),
        *(markdown_table(table) for table in summary.plan.tables),
        *(plain(sentence) for sentence in summary.sensitivity.sentences),
        *([markdown_table(summary.sensitivity.inputs)] if summary.sensitivity.inputs.rows else []),
        markdown_table(summary.alternatives),
        markdown_table(summary.elasticity),
        *(plain(sentence) for sentence in summary.forecast.sentences),
        *(markdown_table(table) for table in (summary.forecast.parts, summary.forecast.stood_out) if table.rows),
        plain(summary.evaluation.sentence),
        *(plain(finding) for finding in summary.evaluation.findings),
        *(markdown_table(table) for table in summary.evaluation.tables),
        *([markdown_table(summary.earlier)] if summary.earlier.rows else []),
    ]
    if summary.warnings:
        left_out = [f"- and {summary.warnings_left_out:,} more"] if summary.warnings_left_out else []
        parts += ["## Warnings", "\n".join([*(f"- {plain(warning)}" for warning in summary.warnings), *left_out])]
    return "\n\n".join([*parts, markdown_table(summary.lineage)]) + "\n"

"""The model card: what a registered model is, what it was made from, how well it does and where not to trust it.

After Mitchell et al. 2019, "Model Cards for Model Reporting", FAT* '19. The same model and data give the same bytes:
no time, no run, and never a cash figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..market.schema import Market
from ..records import Checks, Evaluation
from .evaluation import UNLIKELY, summarise_evaluation
from .markup import markdown_table, plain
from .money import Money
from .parts import Cell, Table


def model_card(
    evaluation: Evaluation, describe: Mapping[str, Any], market: Market, checks: Checks, model_sha256: str
) -> str:
    """Return the card of a fitted model in Markdown.

    `describe` is the model's own, `checks` the record of the history it was trained on, `model_sha256` its name by
    content.
    """
    money = Money(market.currency, market.currency_decimals)
    summary = summarise_evaluation(evaluation, money)
    data = Table(
        "Data",
        ("What", "Which"),
        (
            (Cell("Draws"), Cell(f"{checks.rows:,}, before {checks.as_of}; {checks.quarantined:,} rows left out")),
            (Cell("Source"), Cell("synthetic" if checks.source_uri == "synthetic" else "the operator's draw records")),
            (Cell("Snapshot"), Cell(checks.snapshot, is_hash=True)),
            (Cell("Market file"), Cell(checks.market_file, is_hash=True)),
        ),
    )
    verdict = "passed" if evaluation.passed else "failed" if evaluation.n_test else "untested"
    fit = Table("The fit", ("Figure", "Value"), tuple((Cell(name), _value(value)) for name, value in describe.items()))
    parts = [
        f"# Model card: sales forecast of {plain(market.title)}",
        f"`{evaluation.model.name}`, files `{model_sha256}`. Gates: **{verdict}**.",
        "## Use",
        f"Forecasts the sales of a draw in {market.currency}, as a distribution, from the jackpot announced for it and "
        "its date, to choose that jackpot. Inputs: `jackpot` (currency, above 0), `draw_date` (date, after the last "
        "draw known). Outputs: `mean`, `median`, `low_90`, `high_90` (currency). The mean never falls as the jackpot "
        "rises. Its parameters are these files; its state is filtered from the draws at each use.",
        "## How good it is",
        plain(summary.sentence),
        *(plain(finding) for finding in summary.findings),
        *(markdown_table(table, level=3) for table in summary.tables),
        "## Where not to trust it",
        "\n".join(f"- {plain(warning)}" for warning in _limits(evaluation, checks, money)),
        markdown_table(data),
        *([markdown_table(fit)] if fit.rows else []),
    ]
    return "\n\n".join(parts) + "\n"


def _limits(evaluation: Evaluation, checks: Checks, money: Money) -> list[str]:
    says = [f"Gate {gate.name} failed: {gate.reason}." for gate in evaluation.gates if not gate.passed]
    if checks.source_uri == "synthetic":
        says.append("Every draw behind it was simulated: it says nothing of a real game.")
    if evaluation.by_jackpot:
        largest = evaluation.by_jackpot[-1].largest_jackpot
        says.append(
            f"Its test saw no jackpot above {money.short(largest)}: a forecast beyond those it was trained on "
            "continues the curve."
        )
    says += [
        f"Its 90% interval held {part.coverage_90_pct:.0f}% of the draws from {money.short(part.smallest_jackpot)} to "
        f"{money.short(part.largest_jackpot)}."
        for part in evaluation.by_jackpot
        if part.coverage_p_value < UNLIKELY
    ]
    says += [
        f"Its 90% interval held {at.coverage_90_pct:.0f}% of draws {at.ahead} ahead."
        for at in evaluation.horizons
        if at.coverage_p_value < UNLIKELY
    ]
    if evaluation.specials.n and evaluation.specials.mape_pct is not None:
        says.append(
            f"Special draws: it errs by {evaluation.specials.mape_pct:.1f}% on {evaluation.specials.n} of them."
        )
    says.append(
        "Jackpots were chosen by people, who may have known what these figures do not: the elasticity is an "
        "association, read as a cause."
    )
    return says


def _value(value: Any) -> Cell:
    return Cell(f"{value:.6g}" if isinstance(value, float) else str(value))

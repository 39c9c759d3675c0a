"""A recommendation on a terminal."""

from __future__ import annotations

from rich.markup import escape

from ..records import Recommendation
from ..report.money import Money
from .output import Output, table


def show(output: Output, record: Recommendation, decimals: int) -> None:
    """Print a recommendation: headline, alternatives, constraints, warnings."""
    console, money = output.results, Money(record.currency, decimals)
    if record.infeasibility is not None:
        console.print(f"\n[bold red]No jackpot can be recommended for {record.draw_date}.[/]")
        console.print(f"{record.infeasibility.reason}\nSmallest relaxation: {record.infeasibility.smallest_relaxation}")
        console.print(f"Least harmful: {money.exact(record.infeasibility.least_harmful_jackpot)}")
    else:
        word = "Announce" if record.status == "recommended" else "Restoring: announce"
        console.print(f"\n[bold]{word} {money.exact(record.jackpot or 0.0)} for {record.draw_date}.[/]")
        if record.near_optimal is not None:
            low, high = (money.exact(x) for x in (record.near_optimal.low, record.near_optimal.high))
            console.print(f"Within {record.near_optimal.share:.0%} of the best: {low} to {high}.")
    rows = table("", "jackpot", "expected value", "gain ahead")
    for name, jackpot, value, gain in (
        ("recommended", record.jackpot, record.expected_value, None),
        ("keep the last", record.keep_last.jackpot, record.keep_last.expected_value, record.keep_last.gain),
        ("seed's rule", record.seed_rule.jackpot, record.seed_rule.expected_value, record.seed_rule.gain),
    ):
        estimates = ("-" if figure is None else money.short(figure) for figure in (value, gain))
        rows.add_row(name, "-" if jackpot is None else money.exact(jackpot), *estimates)
    console.print(rows)
    rows = table("constraint", "", "", numbers_from=3)
    colours = {"kept": "green", "binding": "yellow", "violated": "red", "not_checked": "dim"}
    for constraint in record.constraints:
        status = f"[{colours[constraint.status]}]{constraint.status.replace('_', ' ')}"
        rows.add_row(constraint.name, status, escape(constraint.description))
    console.print(rows)
    if record.model.gates == "untested":
        console.print("[bold yellow]warning:[/] the forecast's model is untested: there are too few draws to test on")
    elif record.model.gates == "failed":
        console.print(
            "[bold yellow]warning:[/] the forecast's model failed its gates; see evaluation.json or the report"
        )
    for warning in record.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")

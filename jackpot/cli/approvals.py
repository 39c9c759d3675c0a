"""jackpot approvals: what waits for an answer, or for its promotion."""

from __future__ import annotations

import re
from typing import Any

import click

from . import options
from .output import Output, table


@click.command("approvals")
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@options.environment
@options.as_json
def command(markets: tuple[str, ...], environment: str, as_json: bool) -> int:
    """Show the requests that wait for an answer, with their evidence; without MARKET, of every market.

    An approved model whose promotion was never started, or was killed, is named too.
    """
    from ..adapters.clock import now
    from ..adapters.places import open_places
    from ..approval import pending, unpromoted
    from ..market.loading import known_markets, load_market

    output, at = Output(as_json), now()
    places = open_places(environment)
    names = [load_market(name).market.market for name in markets] or known_markets()
    waiting = [entry for name in names for entry in pending(places.audit(name), at)]
    if as_json:
        output.json([{"market": e.market, "request": e.subject, "at": e.at, **e.body} for e in waiting])
        return 0
    for entry in waiting:
        output.results.print(f"\n[bold]{entry.market}[/]  {entry.subject}", highlight=False)
        rows = table("", "", numbers_from=2)
        rows.add_row("asked", f"{entry.at}, by {entry.by}")
        rows.add_row("expires", str(entry.body["expires_at"]))
        for key, value in sorted(flat(entry.body["evidence"]), key=lambda row: row[0] != "summary"):
            # Hashes are for programs; --json has them.
            if value != "None" and not re.fullmatch("[0-9a-f]{64}", value):
                rows.add_row(key, value)
        output.results.print(rows)
    left = [entry for name in names for entry in unpromoted(places.audit(name), at)]
    for entry in left:
        output.say(f"{entry.subject}: approved by {entry.by} at {entry.at}, but not promoted")
    if left:
        output.next_step(f"jackpot promote {left[0].market} {left[0].body['model_name']}/{left[0].body['version']}")
    if not waiting:
        if not left:
            output.say("nothing waits for an answer")
        return 0
    first = waiting[0]
    output.next_step(f'jackpot approve {first.market} {first.subject} --reason "..." (or: jackpot reject)')
    return 0


def flat(evidence: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return evidence as rows for people: nested keys joined by dots, a gate as its verdict and reason."""
    from rich.markup import escape

    if isinstance(evidence, dict):
        return [row for key, value in evidence.items() for row in flat(value, f"{prefix}.{key}" if prefix else key)]
    if isinstance(evidence, list):
        return [
            (escape(str(item["name"])), escape(f"{'passed' if item['passed'] else 'FAILED'}: {item.get('reason', '')}"))
            if isinstance(item, dict) and {"name", "passed"} <= set(item)
            else (escape(prefix), escape(str(item)))
            for item in evidence
        ]
    return [(escape(prefix), escape(f"{evidence:,.6g}" if isinstance(evidence, float) else str(evidence)))]

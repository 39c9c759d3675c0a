"""jackpot approvals: what waits for an answer, or for its promotion."""

from __future__ import annotations

import re
import shlex
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
    from ..approval import pending, stale, unanswered, unpromoted
    from ..market.loading import known_markets, load_market

    output, at = Output(as_json), now()
    places = open_places(environment)
    # By name, as which word the market was given: the next command takes the same.
    names = {load_market(word).market.market: word for word in markets} or {name: name for name in known_markets()}
    logs = {name: places.audit(name) for name in names}
    waiting = [entry for log in logs.values() for entry in pending(log, at)]
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
    for log in logs.values():
        for entry in unanswered(log, at):
            if overtaken := stale(log, entry):
                output.say(f"{entry.subject} waits no more: {overtaken}; the next weekly run compares anew")
    left = [entry for log in logs.values() for entry in unpromoted(log, at)]
    for entry in left:
        output.say(f"{entry.subject}: approved by {entry.by} at {entry.at}, but not promoted")
    if left:
        about = f"{left[0].body['model_name']}/{left[0].body['version']}"
        output.next_step(f"jackpot promote {shlex.quote(names[left[0].market])} {about}{options.there(environment)}")
    if not waiting:
        if not left:
            output.say("nothing waits for an answer")
        return 0
    first = waiting[0]
    words = f"{shlex.quote(names[first.market])} {first.subject}{options.there(environment)}"
    output.next_step(f'jackpot approve {words} --reason "..." (or: jackpot reject)')
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

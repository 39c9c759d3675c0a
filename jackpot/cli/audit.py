"""jackpot audit: read, verify and export a market's audit log."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, get_args

import click

from ..audit.log import UNKNOWN_KEY, Kind
from . import options
from .output import Output, table

first = click.option("--from", "first", default="", metavar="DATE", help="Records from this day on (UTC).")
last = click.option("--to", "last", default="", metavar="DATE", help="Records to this day, and of it.")


@click.group("audit")
def command() -> None:
    """Read, verify and export a market's append-only log. Every command takes --json."""


@command.command("show")
@options.market
@click.option("--kind", type=click.Choice(get_args(Kind)), help="Of this kind alone.")
@click.option("--number", type=click.IntRange(1), help="One record, whole.")
@first
@last
@options.environment
@options.as_json
def show(
    market: str, kind: Kind | None, number: int | None, first: str, last: str, environment: str, as_json: bool
) -> int:
    """Show MARKET's records, oldest first."""
    from ..adapters.places import open_places
    from ..errors import InputError, Problem
    from ..market.loading import load_market

    output = Output(as_json)
    begin, end = options.period(first, last)
    name = load_market(market).market.market
    entries = [
        entry
        for entry in open_places(environment).audit(name).entries(*([kind] if kind else []))
        if (begin or dt.date.min).isoformat() <= entry.at[:10] <= (end or dt.date.max).isoformat()
    ]
    if number is not None:
        numbers = [entry.number for entry in entries]
        entries = [entry for entry in entries if entry.number == number]
        if not entries:
            asked = f"of {name}" + (" of this kind and period" if kind or begin or end else "")
            raise InputError(
                Problem(
                    f"there is no such record {asked}",
                    field="--number",
                    found=str(number),
                    allowed=f"{numbers[0]} to {numbers[-1]}" if numbers else "there is none",
                )
            )
    if as_json:
        output.json([entry.model_dump(mode="json") for entry in entries])
        return 0
    if number is not None:
        output.say(json.dumps(entries[0].model_dump(mode="json"), indent=2, ensure_ascii=False))
        return 0
    from rich.markup import escape

    rows = table("number", "at", "kind", "subject", "by", numbers_from=6)
    for entry in entries:
        subject = entry.subject if len(entry.subject) <= 48 else f"{entry.subject[:47]}…"
        rows.add_row(str(entry.number), entry.at[:16], entry.kind, escape(subject), escape(entry.by))
    output.results.print(rows)
    output.next_step(f"jackpot audit show {market} --number N for one record; jackpot audit verify {market}")
    return 0


@command.command("verify")
@click.argument("markets", nargs=-1, metavar="[MARKET]...")
@click.option("--files", is_flag=True, help="Check the store too: all that records name, and all that lacks a record.")
@click.option(
    "--expect", "expected", multiple=True, metavar="COUNT:HASH", help="A record noted down earlier that must be there."
)
@options.environment
@options.as_json
def verify(markets: tuple[str, ...], files: bool, expected: tuple[str, ...], environment: str, as_json: bool) -> int:
    """Find every changed, removed or reordered record of MARKET; without MARKET, of every market.

    Note the printed COUNT:HASH down, away from the stores: with --expect it shows a log whose end was cut off in both.
    """
    from ..adapters.places import open_places
    from ..audit import Fault, Mark
    from ..audit.files import file_faults, unnamed_versions
    from ..errors import InputError, JackpotError, Problem
    from ..market.loading import known_markets, load_market

    output = Output(as_json)
    if expected and len(markets) != 1:
        raise InputError(Problem("--expect is about one market: name it", field="--expect"))
    marks = [Mark.parse(each) for each in expected]
    places = open_places(environment)
    found: list[dict[str, Any]] = []
    strange_key = False
    for name in [load_market(each).market.market for each in markets] or known_markets():
        log = places.audit(name)
        examined = log.examine(marks)
        faults, unnamed = examined.faults, []
        damaged = bool(faults)
        strange_key |= bool(faults) and faults[0].what.endswith(UNKNOWN_KEY)
        if files and not damaged:
            try:
                faults, unnamed = file_faults(log, places.store), unnamed_versions(log, places.store)
            except JackpotError as error:
                faults = [Fault(0, str(error))]
        records, last = (examined.last.count, str(examined.last)) if examined.last else (0, None)
        told = {"market": name, "records": records, "last": last, "faults": [vars(fault) for fault in faults]}
        found.append({**told, "log_damaged": damaged, **({"unnamed": unnamed} if files else {})})
        if not as_json:
            state = "[red]whole, its files are not[/]" if faults else "[green]whole[/]"
            if damaged:
                state = f"[red]damaged at record {faults[0].number}[/]"
            output.results.print(f"{state}  [bold]{name}[/]  {records} records{f', last {last}' if last else ''}")
            for fault in faults:
                output.say(f"  record {fault.number}: {fault.what}")
            for folder in unnamed:
                output.say(f"  no record names {folder}: registered without being asked for, or its records cut off")
    if as_json:
        output.json(found)
    bad = [each for each in found if each["faults"]]
    if strange_key:
        path = places.root / places.environment.audit.key
        output.next_step(f"put the key that signed the log back into {path}, former keys a line each below the current")
    elif any(each["log_damaged"] for each in bad):
        output.next_step("restore the log from its bucket's versions or a back-up; nothing is added to it until then")
    elif bad:
        output.next_step(
            "restore these files from their bucket's versions or a back-up; what has no record: see docs/audit.md"
        )
    else:
        output.next_step("note the last records down away from the stores, for --expect COUNT:HASH")
    return 1 if bad else 0


@command.command("export")
@options.market
@first
@last
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The zip [MARKET-audit-FROM-TO.zip].")
@options.environment
@options.as_json
def export(market: str, first: str, last: str, out: Path | None, environment: str, as_json: bool) -> int:
    """Write one zip for a regulator: MARKET's log, what was recommended with its inputs, approvals, a verifier."""
    from ..adapters.places import open_places
    from ..audit.export import export as export_log
    from ..canonical import sha256, write_once
    from ..errors import InputError, Problem
    from ..market.loading import load_market

    output = Output(as_json)
    begin, end = options.period(first, last)
    name = load_market(market).market.market
    places = open_places(environment)
    log = places.audit(name)
    days = [entry.at[:10] for entry in log.entries()]
    if not days:
        raise InputError(Problem(f"the audit log of {name} is empty", hint=f"jackpot run {market} begins it"))
    earliest, latest = dt.date.fromisoformat(min(days)), dt.date.fromisoformat(max(days))
    begin, end = max(begin or earliest, earliest), min(end or latest, latest)
    if end < begin:
        raise InputError(
            Problem(f"the audit log of {name} has no record of this period", allowed=f"{earliest} to {latest}")
        )
    data = export_log(log, places.store, begin, end)
    path = out or Path(f"{name}-audit-{begin}-{end}.zip")
    try:
        written = write_once(path, data, 0o600) or path.read_bytes() == data
    except OSError as error:
        raise InputError(Problem(f"nothing can be written there: {error.strerror}", where=str(path))) from None
    if not written:
        raise InputError(Problem("there is another file already", where=str(path), hint="choose another with --out"))
    if as_json:
        output.json({"path": str(path), "sha256": sha256(data), "bytes": len(data), "from": str(begin), "to": str(end)})
    output.say(f"wrote {path} ({len(data):,} bytes, SHA-256 {sha256(data)})")
    output.next_step(f"unzip {path} and run: python verify.py --key FILE")
    return 0

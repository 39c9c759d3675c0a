"""jackpot replay: compute a stored recommendation anew."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click

from ..errors import JackpotError
from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..adapters.places import Places
    from ..cash import Cash
    from ..replay import Replay, Stored

SHOWN = 20


@click.command("replay")
@click.argument("reference", metavar="PATH|ID")
@options.cash
@options.environment
@options.as_json
def command(reference: str, cash: str, environment: str, as_json: bool) -> int:
    """Compute a stored recommendation anew, and say whether it is identical or which input differs and by how much.

    PATH is a recommendation.json or its folder; ID its key in the store (recommendations/…) or its hash. Cash figures
    come from the restricted store, or from --cash. Exit codes: 0 identical, 1 differs (or the
    replay cannot be recorded), 2 bad input.
    """
    from ..adapters.clock import now
    from ..adapters.identity import caller
    from ..adapters.places import open_places
    from ..adapters.run_record import code_version
    from ..market.loading import known_markets
    from ..replay import find, replay

    output = Output(as_json)
    places = open_places(environment)
    with output.working("replay"):
        stored = find(reference, places.audit, known_markets(), places.store, places.restricted)
        found = replay(stored, _cash(stored, cash, places), code_version())
    unrecorded = None
    if stored.entry is not None:
        try:
            places.audit(stored.entry.market).append(
                "replay",
                stored.entry.subject,
                at=now(),
                by=caller(places.environment.approval).person,
                body={
                    "result": found.verdict,
                    "reason": found.reason,
                    "inputs": [difference.name for difference in found.inputs],
                    "code": [difference.name for difference in found.code],
                    "fields": len(found.fields),
                },
            )
        except (OSError, JackpotError) as error:
            unrecorded = error
    if as_json:
        output.json(found.model_dump(mode="json"))
    else:
        _show(output, found)
    if unrecorded is not None:
        # The verdict stands, and is shown all the same; that it was asked for is nowhere kept.
        output.messages.print(f"failed: this replay is not in the audit log: {unrecorded}", markup=False)
        return 1
    if found.code and found.verdict == "differs":
        output.next_step(_in_its_image(stored, environment))
    else:
        output.next_step(f"jackpot audit show {stored.prefix.split('/')[1]} --kind replay")
    return 0 if found.verdict == "identical" else 1


def _cash(stored: Stored, uri: str, places: Places) -> Cash | None:
    """Return the cash figures that are found: those that were asked for, else those that were kept."""
    from ..cash import read_cash
    from ..records import Recommendation

    currency = Recommendation.model_validate_json(stored.recommendation).currency
    if uri:
        return read_cash(places.read(uri).data, uri, currency)
    return read_cash(stored.cash, "kept cash figures", currency) if stored.cash is not None else None


def _in_its_image(stored: Stored, environment: str) -> str:
    """Return the command that replays with the code and packages that were recorded."""
    meta, words = stored.metadata, f"jackpot replay {stored.prefix} --environment {shlex.quote(environment)}"
    if meta.image:
        return f"docker run --rm --env AWS_PROFILE --volume ~/.aws:/home/jackpot/.aws:ro {meta.image} {words}"
    if meta.code_commit:
        changes = " (it ran with uncommitted changes, which are not kept)" if meta.code_dirty else ""
        return (
            f"git worktree add ../replay {meta.code_commit} && cd ../replay && make run && .venv/bin/{words}{changes}"
        )
    return "neither image nor commit was recorded: it can be replayed with this code alone"


def _show(output: Output, found: Replay) -> None:
    from rich.markup import escape

    console = output.results
    colour = "green" if found.verdict == "identical" else "red"
    console.print(
        f"[bold {colour}]{found.verdict}[/]: the recommendation for {found.draw_date}, {found.recommendation}"
    )
    console.print(escape(found.reason))
    for title, rows in (("inputs", found.inputs), ("code", found.code)):
        if rows:
            shown = table(title, "recorded", "found", numbers_from=3)
            for row in rows:
                shown.add_row(row.name, _short(row.recorded), _short(row.found))
            console.print(shown)
    for title, fields in (*((f"in the {row.name}", row.fields) for row in found.inputs), ("result", found.fields)):
        if fields:
            shown = table(title, "recorded", "found", "relative")
            for field in sorted(fields, key=lambda field: len(re.findall(r"[.\[]", field.field)))[:SHOWN]:
                size = "" if field.relative is None else f"{field.relative:+.2e}"
                shown.add_row(escape(field.field), escape(field.recorded), escape(field.found), size)
            console.print(shown)
            if len(fields) > SHOWN:
                output.say(f"and {len(fields) - SHOWN} more; --json lists them")


def _short(text: str | None) -> str:
    return "-" if text is None else text[:16]

"""jackpot schema: write the JSON Schemas of files and records."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..canonical import write_atomically
from . import options
from .output import Output


@click.command("schema")
@click.argument("name", required=False)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write them all into this folder.")
@options.as_json
def command(name: str | None, out: Path | None, as_json: bool) -> int:
    """Print the JSON Schema NAME (market, environment, recommendation, ...), or write them all with --out."""
    from ..schemas import schemas

    output = Output(as_json)
    known = schemas()
    if name is not None:
        if name not in known:
            raise click.UsageError(f"no schema {name!r}; there are {', '.join(known)}")
        output.json(known[name])
        return 0
    if out is None:
        raise click.UsageError(f"say which schema ({', '.join(known)}), or --out FOLDER for all of them")
    written = [
        write_atomically(out / f"{key}.schema.json", (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode())
        for key, schema in known.items()
    ]
    if as_json:
        output.json([str(path) for path in written])
    output.say(f"wrote {len(written)} schemas into {out}")
    return 0

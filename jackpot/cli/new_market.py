"""jackpot new-market: write a commented market file."""

from __future__ import annotations

from pathlib import Path

import click

from ..canonical import write_once
from ..errors import InputError, Problem
from . import options
from .output import Output


@click.command("new-market")
@click.argument("name")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("configs/markets"), show_default=True
)
@options.as_json
def command(name: str, out: Path, as_json: bool) -> int:
    """Write a commented market file NAME.yaml that runs as it is, on a synthetic history. Never overwrites."""
    from ..market.template import commented_template

    output = Output(as_json)
    text = commented_template(name)
    path = out / f"{name}.yaml"
    if not write_once(path, text.encode()):
        raise InputError(Problem("there is a market of this name already", where=str(path), hint="choose another name"))
    if as_json:
        output.json({"market": name, "path": str(path)})
    output.say(f"wrote {path}")
    output.next_step(f"edit {path}, then: jackpot validate {path}")
    return 0

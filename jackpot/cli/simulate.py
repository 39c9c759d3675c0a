"""jackpot simulate: write a market's synthetic history."""

from __future__ import annotations

from pathlib import Path

import click

from ..canonical import write_once
from ..errors import InputError, Problem
from . import options
from .output import Output


@click.command("simulate")
@options.market
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write [MARKET.csv].")
@click.option("--draws", type=click.IntRange(1, 10_000), help="How many draws [what the market file says].")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Another seed, another market of the same truth.")
@options.as_json
def command(market: str, out: Path | None, draws: int | None, seed: int | None, as_json: bool) -> int:
    """Write a synthetic history of MARKET, in the format of its own file. The same seed gives the same bytes."""
    from ..canonical import sha256
    from ..market.loading import load_market
    from ..simulation.history import synthetic_csv

    output = Output(as_json)
    loaded = load_market(market)
    if loaded.market.simulation is None:
        raise InputError(Problem("the market file has no `simulation` section", where=str(loaded.path)))
    path = out or Path(f"{loaded.market.market}.{loaded.market.history.format}")
    data = synthetic_csv(loaded.market, draws=draws, seed=seed)
    if not write_once(path, data):
        raise InputError(Problem("the file is there already", where=str(path), hint="choose another with --out"))
    if as_json:
        output.json({"market": loaded.market.market, "path": str(path), "sha256": sha256(data)})
    output.say(f"wrote {path}")
    output.next_step(f"jackpot run {market} --history {path}")
    return 0

"""jackpot score: forecast the sales of every row of a file of any size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ..errors import InputError, Problem
from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..scoring.contract import Format, Manifest
    from ..steps.batch import GivenModel


@click.command("score")
@options.market
@click.argument("input_uri", metavar="INPUT")
@click.argument("output_uri", metavar="OUTPUT")
@click.option("--model", type=click.Path(path_type=Path), help="Folder of model files instead of the champion.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), help="Format of the result [the input's].")
@click.option("--quantiles", default="0.05,0.95", show_default=True, help="Quantiles beside the median.")
@click.option("--processes", type=click.IntRange(1, 256), default=os.cpu_count() or 1, help="Processes [one a core].")
@click.option("--shard-rows", type=click.IntRange(1_000), default=262_144, show_default=True, help="Rows of a shard.")
@options.environment
@options.as_json
def command(
    market: str,
    input_uri: str,
    output_uri: str,
    model: Path | None,
    form: str | None,
    quantiles: str,
    processes: int,
    shard_rows: int,
    environment: str,
    as_json: bool,
) -> int:
    """Forecast sales for each row of INPUT (CSV or Parquet with `jackpot` and `draw_date`) into the folder OUTPUT.

    INPUT and OUTPUT are paths or s3:// URIs. Rows that cannot be forecast go to files of their own, with the reason.
    Killed and run again, the command scores only what is missing.
    """
    # One thread a process: the processes fill the cores.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from ..adapters.files import open_file, open_store
    from ..adapters.processes import scoring_processes

    output = Output(as_json)
    levels = _levels(quantiles)
    file, store = open_file(input_uri), open_store(output_uri)
    with scoring_processes(processes) as scorers:
        with output.working(f"reading {input_uri}"):
            # After the first process was started: it imports the same beside this one.
            from ..scoring.job import collect, missing_shards, plan_job
            from ..scoring.model import load_scoring_model

            given = _model(model, market, environment)
            learned = scorers.learn(given.files, given.as_of, levels)
            loaded = load_scoring_model(given.files, given.as_of)
            plan = plan_job(loaded, given.version, file, store, cast("Format | None", form), levels, shard_rows)
        missing = missing_shards(plan, store)
        rows = [span.rows for span in plan.shards]
        said = f"scoring {input_uri}, {len(missing)} of {len(rows)} shards to do"
        with output.progress(said, sum(rows[number] for number in missing)) as advance:
            if missing:
                scorers.give(plan, learned.result(), output_uri)
            scorers.run(missing, lambda done: advance(sum(rows[number] for number in done)))
    manifest = collect(plan, store)
    place = store.uri(plan.job)
    if as_json:
        output.json({**manifest.model_dump(mode="json"), "place": place})
    else:
        _show(output, manifest)
    rejected = f"{place}/rejects/ says why {manifest.rejected:,} rows were rejected; " if manifest.rejected else ""
    read = f"read {place}/forecasts/ ({place}/manifest.json lists its files)"
    output.next_step(f"{rejected}{read}" if manifest.scored else f"{rejected}mend {input_uri}: nothing could be scored")
    return 0


def _levels(text: str) -> tuple[float, ...]:
    wrong = InputError(Problem("not a list of numbers", field="--quantiles", found=text, allowed="such as 0.05,0.95"))
    if "_" in text:  # which Python reads over
        raise wrong
    try:
        return tuple(float(level) for level in text.split(","))
    except ValueError:
        raise wrong from None


def _model(model: Path | None, market: str, environment: str) -> GivenModel:
    from ..market.loading import load_market
    from ..steps.batch import champion, given_model

    of = load_market(market).market.market
    if model is not None:
        return given_model(model, of)
    from ..adapters.places import open_places

    places = open_places(environment)
    return champion(places.registry, places.store, of, places.environment.synthetic_allowed)


def _show(output: Output, manifest: Manifest) -> None:
    rows = table("rows", "", title=f"{manifest.market}, model {manifest.model_version} ({manifest.model[:12]})")
    rows.add_row("read", f"{manifest.rows:,}")
    rows.add_row("scored", f"{manifest.scored:,}")
    rows.add_row("  beyond the largest jackpot seen", f"{manifest.extrapolated:,}")
    rows.add_row("rejected", f"{manifest.rejected:,}")
    for reason, count in manifest.reasons.items():
        rows.add_row(f"  {reason}", f"{count:,}")
    output.results.print(rows)

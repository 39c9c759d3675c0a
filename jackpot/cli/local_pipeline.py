"""A pipeline run on this machine by a command: its progress, and what its steps said where it failed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from . import run as weekly
from .output import Output

if TYPE_CHECKING:
    from ..adapters.kfp_local import LocalRun
    from ..adapters.places import Places
    from ..market.schema import Market


def run_here(output: Output, places: Places, pipeline: str, market: Market, arguments: Mapping[str, str]) -> LocalRun:
    """Run a compiled pipeline to its end; raise InputError or JackpotError with what a failed step said."""
    from pipelines.compiling import COMPILED

    from ..adapters.kfp_local import run_pipeline

    log = places.root / "var" / "logs" / f"{pipeline}-{market.market}-{os.getpid()}.log"
    whole: dict[str, Any] = {name: weekly.whole(value) for name, value in arguments.items()}
    with weekly.progress(output, f"{market.title}: {pipeline}") as on_change:
        run = run_pipeline(
            COMPILED / f"{pipeline}.yaml",
            whole,
            log,
            on_change,
            on_line=(lambda line: click.echo(line, err=True, nl=False)) if output.verbose else None,
        )
    if not run.succeeded:
        weekly.explain(run)
    return run

"""Arguments and options that several commands share."""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ..errors import InputError, Problem

F = TypeVar("F", bound=Callable[..., Any])

market = click.argument("market")
history = click.option("--history", default="", metavar="URI", help="A file or s3:// URI instead of the market's own.")
as_of = click.option("--as-of", default="", metavar="DATE", help="See draws before this day only (YYYY-MM-DD).")
cash = click.option("--cash", default="", metavar="URI", help="Cash figures: a JSON file or s3:// URI.")
environment = click.option(
    "--environment", default="local", show_default=True, help="Name under configs/environments/, or a path."
)
verbose = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, help="Show what libraries print, and where a defect is."
)


def there(environment: str) -> str:
    """Return what a next command says of the environment, where it is not the one that it takes unsaid."""
    return "" if environment == "local" else f" --environment {shlex.quote(environment)}"


class Address(click.ParamType[str]):
    """The address of a server."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return an address without a slash at its end; fail for a text that is none."""
        from urllib.parse import urlsplit

        text = str(value)
        try:
            parts = urlsplit(text)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or any(letter.isspace() for letter in text):
            self.fail(f"{text!r} is no address; allowed: such as http://localhost:8080", param, ctx)
        return text.rstrip("/")


def tuning(command: F) -> F:
    """Add what a run that tunes takes: --tuning-trials and --tuning-seconds."""
    seconds = click.option(
        "--tuning-seconds", type=click.IntRange(1), default=600, show_default=True, help="Start no trial after these."
    )
    trials = click.option(
        "--tuning-trials", type=click.IntRange(0, 10_000), default=0, show_default=True, help="Settings to try."
    )
    return trials(seconds(command))


def as_json(command: F) -> F:
    """Add what every command has: --json and -v."""
    json = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else on standard output.")
    return json(verbose(command))


def period(first: str, last: str) -> tuple[dt.date | None, dt.date | None]:
    """Return the days in --from and --to, None for an empty one; raise InputError for no day and a reversed period."""
    from ..history.as_of import resolve_as_of

    begin, end = resolve_as_of(first, field="--from"), resolve_as_of(last, field="--to")
    if begin is not None and end is not None and end < begin:
        raise InputError(Problem("the period ends before it begins", field="--to", found=f"{begin} to {end}"))
    return begin, end


def readable(*uris: str) -> None:
    """Raise InputError where one is a path and no file can be read there: before anything runs."""
    from ..history.source import read_local

    for uri in uris:
        if uri and "://" not in uri:
            read_local(uri)


def existing_package(path: Path) -> Path:
    """Return the path of a compiled pipeline; raise InputError where none lies there."""
    if not path.is_file():
        raise InputError(Problem("no compiled pipeline there", where=str(path), hint="run: jackpot compile"))
    return path

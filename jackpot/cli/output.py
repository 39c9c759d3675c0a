"""What commands print: tables for people on a terminal, JSON and nothing else for programs with --json."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..canonical import rounded
from ..errors import Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Output:
    """Standard output carries results, standard error everything else."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.verbose = not {"-v", "--verbose"}.isdisjoint(sys.argv)

    @property
    def results(self) -> Console:
        """Where people read results."""
        from rich.console import Console

        return Console(highlight=False, soft_wrap=not sys.stdout.isatty())

    @property
    def messages(self) -> Console:
        """Where progress and problems go."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())

    def json(self, value: Any) -> None:
        """Print a value as JSON, floats at 9 significant digits."""
        sys.stdout.write(json.dumps(rounded(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def say(self, text: str) -> None:
        """Print a line for people; with --json it goes to standard error."""
        (self.messages if self.as_json else self.results).print(text, markup=False)

    def next_step(self, text: str) -> None:
        """Print what to do next."""
        if not self.as_json:
            self.results.print(f"\n[bold]Next:[/bold] {_plain(text)}")

    def problems(self, problems: Sequence[Problem]) -> None:
        """Print what is wrong with an input, each with its place and remedy."""
        errors = [problem for problem in problems if problem.severity == "error"]
        for problem in problems:
            colour = "red" if problem.severity == "error" else "yellow"
            self.messages.print(f"[bold {colour}]{problem.severity}:[/] {_plain(str(problem))}")
        if self.as_json and errors:
            self.json({"error": "bad input", "problems": [vars(problem) for problem in problems]})

    def failure(self, text: str) -> None:
        """Print why a command failed."""
        self.messages.print(f"[bold red]failed:[/] {_plain(text)}")
        if self.as_json:
            self.json({"error": "failed", "message": text})

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Show a line with elapsed time while something runs."""
        started = time.monotonic()
        console = self.messages
        if not console.is_terminal:
            yield
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(text)
            yield
        if time.monotonic() - started > 2:
            console.print(f"{_plain(text)}: {time.monotonic() - started:.1f} s", style="dim")

    @contextmanager
    def progress(
        self, text: str, rows: int, clock: Callable[[], float] = time.monotonic
    ) -> Iterator[Callable[[int], None]]:
        """Show a bar while something goes through rows; who runs it says how many more are done.

        Where nobody watches, a line after two seconds and then one every ten at most.
        """
        console, started = self.messages, clock()
        if console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
            from rich.progress import TimeElapsedColumn as Elapsed

            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
            with Progress(*columns, console=console, transient=True) as shown:
                task = shown.add_task(_plain(text), total=rows)
                yield lambda more: shown.advance(task, more)
            return
        done, due = 0, started + 2

        def advance(more: int) -> None:
            nonlocal done, due
            done, now = done + more, clock()
            if now >= due:
                console.print(f"{text}: {done:,} of {rows:,} rows, {now - started:.0f} s", markup=False)
                due = now + 10

        yield advance


def table(*columns: str, title: str | None = None, numbers_from: int = 1) -> Table:
    """Return an empty table; columns from `numbers_from` on are set to the right."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for position, column in enumerate(columns):
        made.add_column(column, justify="right" if position >= numbers_from else "left")
    return made


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)

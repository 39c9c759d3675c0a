"""jackpot watch: new data starts the weekly run, and a verdict of the monitor a retraining."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError, JackpotError
from . import options
from .output import Output

if TYPE_CHECKING:
    from ..adapters.queue import Message, Queue
    from ..adapters.trigger import Answer, Trigger
    from ..adapters.watcher import Folder

AGAIN_SECONDS = 60.0
"""How long to wait before asking again for what another is at, or what failed."""
LOOK_SECONDS = 1.0
"""How often a folder is looked at where nothing is reported."""


@click.command("watch")
@click.argument("folder", required=False, type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option(
    "--queue",
    "queue_url",
    type=options.Address(),
    metavar="URL",
    help="An SQS queue with S3's events, in place of a folder.",
)
@click.option("--market", "names", multiple=True, help="A market's name or file; again for more [all known].")
@options.environment
@click.option(
    "--packages", type=click.Path(file_okay=False, path_type=Path), help="Compiled pipelines [pipelines/compiled]."
)
@click.option(
    "--settle",
    type=click.FloatRange(0, 3600),
    default=2.0,
    show_default=True,
    help="Seconds that a file must not have grown for.",
)
@click.option(
    "--lease",
    type=click.IntRange(1),
    default=1800,
    show_default=True,
    help="Seconds after which a run that never ended is dead.",
)
@click.option(
    "--visibility",
    type=click.IntRange(1, 43_200),
    default=120,
    show_default=True,
    help="Seconds for which a message is held at a time.",
)
@click.option(
    "--heartbeat",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file to touch before each wait, for a probe: it grows old where this hangs.",
)
@click.option("--once", is_flag=True, help="Handle what is there and stop.")
@options.as_json
def command(
    folder: Path | None,
    queue_url: str | None,
    names: tuple[str, ...],
    environment: str,
    packages: Path | None,
    settle: float,
    lease: int,
    visibility: int,
    heartbeat: Path | None,
    once: bool,
    as_json: bool,
) -> int:
    """Watch FOLDER, or a queue, for files of draws, and run the week for each.

    A file belongs to the market that its name, or its folder's, begins with: england.csv, england/2026-01-31.csv. The
    same draws start one run, however often and to however many watchers they are told. A run that fails is tried three
    times. Retrainings that the monitor asks for start here too.
    """
    from pipelines.compiling import COMPILED

    from ..adapters.places import open_places
    from ..adapters.queue import LONGEST_POLL, Queue
    from ..adapters.starter import starter
    from ..adapters.trigger import Trigger
    from ..adapters.watcher import Folder
    from ..market.loading import known_markets, load_market

    output = Output(as_json)
    if (folder is None) == (queue_url is None):
        raise click.UsageError("name a folder, or --queue URL")
    places = open_places(environment)
    markets = {
        loaded.market.market: loaded
        for loaded in map(load_market, names or places.environment.markets or known_markets())
    }
    local = places.environment.runner == "local"
    trigger = Trigger(
        places,
        str(Path(environment).resolve()) if local and Path(environment).exists() else environment,
        markets,
        starter(places, packages or COMPILED, lease),
        dt.timedelta(seconds=lease),
    )
    output.say(f"watching {folder or queue_url} for {', '.join(markets)}")
    if queue_url is not None:
        _watch_queue(Queue(queue_url, visibility, 1 if once else LONGEST_POLL), Desk(trigger, output, heartbeat), once)
    elif folder is not None:
        _watch_folder(Folder(folder, settle), Desk(trigger, output, heartbeat), once)
    return 0


class Desk:
    """Asks the trigger, and tells people what came of it: once, however often it is asked."""

    def __init__(self, trigger: Trigger, output: Output, heartbeat: Path | None = None) -> None:
        self.trigger, self._output, self._heartbeat = trigger, output, heartbeat
        self._told: set[str] = set()

    def data(self, uri: str) -> bool:
        """Ask for the week of a file; return whether asking again would change nothing."""
        self.alive()
        try:
            return self._tell(self.trigger.data(uri))
        except JackpotError as error:
            if self._is_new(str(error)):
                if isinstance(error, InputError):
                    self._output.problems(error.problems)
                else:
                    self._output.failure(str(error))
            return False

    def alive(self) -> None:
        """Show whoever looks at the heartbeat that this goes round."""
        if self._heartbeat is not None:
            self._heartbeat.touch()

    def retrainings(self) -> None:
        """Ask for the retrainings that are wanted."""
        for name in self.trigger.markets:
            self.alive()
            try:
                answer = self.trigger.retraining(name)
            except JackpotError as error:
                self.say(f"{name}: {error}")
            else:
                if answer is not None:
                    self._tell(answer)

    def say(self, line: str) -> None:
        """Tell a thing once."""
        if self._is_new(line):
            self._output.say(line)

    def _is_new(self, text: str) -> bool:
        new = text not in self._told
        self._told.add(text)
        return new

    def _tell(self, answer: Answer) -> bool:
        self.say(f"{answer.what}: {answer.key}: {answer.said}")
        return answer.final


def _watch_folder(folder: Folder, desk: Desk, once: bool) -> None:
    for _ in folder.changes(LOOK_SECONDS):
        desk.alive()
        for path in folder.settled():
            if desk.data(str(path)) or once:
                folder.handled(path)
            else:
                folder.later(path, AGAIN_SECONDS)
        desk.retrainings()
        if once and not folder.waiting():
            return


def _watch_queue(queue: Queue, desk: Desk, once: bool) -> None:
    while True:
        desk.alive()
        try:
            message = queue.receive()
        except JackpotError as error:
            if once:
                raise
            desk.say(str(error))
            time.sleep(AGAIN_SECONDS)
            continue
        if message is not None:
            _handle(queue, message, desk)
        desk.retrainings()
        if once and message is None:
            return


def _handle(queue: Queue, message: Message, desk: Desk) -> None:
    """Work on a message; one that is not done stays in the queue and comes again, in the end to the dead letters."""
    from ..adapters.queue import objects_of

    try:
        uris = objects_of(message.body)
    except InputError as error:
        desk.say(f"message {message.id}, delivery {message.deliveries}: {error}")
        return
    with queue.held(message):
        done = [desk.data(uri) for uri in uris]
    if all(done):
        queue.delete(message)

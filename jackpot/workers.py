"""Processes that work for this one, and end with it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import Any

from .collecting import collect_seldom


@contextmanager
def worker_pool(count: int, begin: Callable[..., None] | None = None, *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of fresh processes, each of which calls `begin(*arguments)` first.

    They end with this process however it ends: one that is killed tells nobody to stop. An error in the `with` block
    ends them at once, whatever they do.
    """
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (begin, arguments)) as pool:
        try:
            yield pool
        except BaseException:
            # As Python 3.14's `kill_workers`. Waited for, a pool that a signal interrupted while it was handed a task
            # may wait for that one for ever.
            for process in (pool._processes or {}).values():
                process.kill()
            raise


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    collect_seldom()
    # A terminal sends Ctrl-C to all; this one's parent says when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

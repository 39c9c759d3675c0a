"""Processes that work for this one, and end with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from types import TracebackType
from typing import Any

from .collecting import collect_seldom


def worker_pool(count: int, begin: Callable[..., None] | None = None, *arguments: Any) -> ProcessPoolExecutor:
    """Return a pool of fresh processes, each of which calls `begin(*arguments)` first.

    They end with this process however it ends: one that is killed tells nobody to stop. An error in the pool's `with`
    block ends them at once, whatever they do.
    """
    return _Pool(count, get_context("spawn"), _begin, (begin, arguments))


class _Pool(ProcessPoolExecutor):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # As Python 3.14's `kill_workers`. Waited for, a pool that a signal interrupted while it was handed a task
            # may wait for that one for ever.
            for process in (self._processes or {}).values():
                process.kill()
        super().__exit__(kind, error, trace)


def _begin(begin: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    collect_seldom()
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""Processes that die by SIGKILL at a write of a folder store, and processes that all begin at the same moment."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

from jackpot.errors import JackpotError
from jackpot.store import FolderStore


def killed(work: Callable[[], object], number: int, after: bool) -> bool:
    """Run `work` in a process that kills itself before or after its write of this number; False if it made fewer."""
    child = os.fork()
    if child == 0:
        left = [number]

        def at_a_write(write: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any) -> Any:
                left[0] -= 1
                if left[0] == 0 and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                done = write(*arguments)
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return done

            return counted

        for name in ("put_new", "replace"):
            setattr(FolderStore, name, at_a_write(getattr(FolderStore, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)` to `work(count - 1)` each in a process of its own; return what each gave, or its JackpotError."""
    context = multiprocessing.get_context("fork")
    start, told = context.Barrier(count), context.SimpleQueue()

    def run(number: int) -> None:
        start.wait(60)
        try:
            told.put((number, work(number)))
        except JackpotError as error:
            told.put((number, JackpotError(str(error))))

    processes = [context.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    found = dict(told.get() for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return [found[number] for number in range(count)]

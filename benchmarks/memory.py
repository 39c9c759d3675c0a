"""What processes hold, as the kernel counts it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def memory(pid: int, kind: str = "Pss") -> int:
    """Return the bytes that a process and its descendants hold, shared pages counted once.

    `kind` names another line of smaps_rollup. Of one process over time ask "Rss": its proportional share ("Pss") grows
    whenever another process lets go of a library that both had mapped.
    """
    total = 0
    for one in family(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{kind}:"))
    return total


def peak_memory(pid: int, seconds: float) -> Callable[[], int]:
    """Look every so often at a process and its descendants; what is returned stops and returns the most they held.

    Looking costs them time.
    """
    most, over = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(seconds):
            most = max(most, memory(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()

    def ended() -> int:
        over.set()
        thread.join()
        return most

    return ended

"""Replay: 100 stored recommendations, and 100 seeded differences, each of which must be traced to the right input.

All of it decides anew some 300 times, so it is spread over the machine's cores.
"""

from __future__ import annotations

import datetime as dt
import multiprocessing
import os
import random
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Final
from unittest import mock

from jackpot import report
from jackpot.evaluation.backtest import Backtest, backtest
from tests.core.replay.test_replay import CHANGES, again, look, names
from tests.desk import AS_OF, Desk, a_week

from .report import Figure

RECOMMENDATIONS: Final = 100
DIFFERENCES: Final = 100
SEED: Final = 20_260_101


@cache
def evaluated() -> Backtest:
    """Return the back-test that goes with every recommendation here; made once a process."""
    week = a_week(AS_OF)
    return backtest(week.history.draws, week.market)


def recommend(folder: Path, number: int) -> str:
    """Publish a recommendation on a desk of its own; return its key. Drawing the report is no part of it."""
    with (
        mock.patch.object(report, "html", return_value=b""),
        mock.patch.object(report, "markdown", return_value=""),
    ):
        as_of = AS_OF - dt.timedelta(weeks=number)
        return Desk(folder / str(number)).recommend(as_of, f"run-{number}", evaluated())


def identical(folder: Path, number: int) -> bool:
    """Replay a recommendation; return whether it gave the same bytes."""
    desk = Desk(folder / str(number))
    (prefix,) = desk.prefixes()
    return again(look(desk, prefix)).verdict == "identical"


def traced(folder: Path, number: int) -> str:
    """Change one input of a recommendation and replay it; return what was said where the input was not named."""
    dice = random.Random(SEED + number)  # noqa: S311
    case = sorted(CHANGES)[number % len(CHANGES)]
    change, expected = CHANGES[case]
    desk = Desk(folder / str(dice.randrange(RECOMMENDATIONS)))
    (prefix,) = desk.prefixes()
    given = folder / f"given-{number}"
    shutil.copytree(desk.root / "store" / prefix, given)
    shutil.copy(desk.root / "store" / look(desk, prefix).metadata.snapshot_uri, given / "snapshot.parquet")
    change(given, dice)
    found = again(look(desk, str(given)))
    # A bit of the market file may be its seed's.
    right = found.verdict == "differs" and expected <= names(found) <= expected | {"seed"}
    return "" if right else f"{case}: {sorted(names(found))}"


def rows() -> list[Figure]:
    """Return how many of the recommendations replay identically, and how many changes are named."""
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool,
    ):
        folder = Path(scratch)
        list(pool.map(partial(recommend, folder), range(RECOMMENDATIONS)))
        began = time.perf_counter()
        same = sum(pool.map(partial(identical, folder), range(RECOMMENDATIONS)))
        seconds = time.perf_counter() - began
        missed = [said for said in pool.map(partial(traced, folder), range(DIFFERENCES)) if said]
    for said in missed:
        print(f"replay: not traced: {said}")
    return [
        Figure(f"replay: identical, of {RECOMMENDATIONS} ({seconds:.0f} s)", same, "", f">= {RECOMMENDATIONS}"),
        Figure("replay: seeded differences traced", DIFFERENCES - len(missed), "", f">= {DIFFERENCES}"),
    ]

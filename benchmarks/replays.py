"""Replay: 100 stored recommendations, and 100 seeded differences, each of which must be traced to the right input."""

from __future__ import annotations

import datetime as dt
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from unittest import mock

from jackpot import report
from jackpot.evaluation.backtest import backtest
from tests.core.replay.test_replay import CHANGES, again, look, names
from tests.desk import AS_OF, Desk, a_week

RECOMMENDATIONS: Final = 100
DIFFERENCES: Final = 100
SEED: Final = 20_260_101


def part() -> dict[str, Any]:
    """Return how many of the recommendations replay identically, and how many changes are named."""
    dice = random.Random(SEED)  # noqa: S311
    folder = Path(tempfile.mkdtemp())
    week = a_week(AS_OF)
    evaluated = backtest(week.history.draws, week.market)
    desk = Desk(folder / "desk")
    # Drawing the report is no part of what is measured.
    with (
        mock.patch.object(report, "html", return_value=b""),
        mock.patch.object(report, "markdown", return_value=""),
    ):
        for number in range(RECOMMENDATIONS):
            desk.recommend(AS_OF - dt.timedelta(weeks=number), f"run-{number}", evaluated)
    prefixes = desk.prefixes()
    started = time.perf_counter()
    identical = sum(again(look(desk, prefix)).verdict == "identical" for prefix in prefixes)
    seconds = time.perf_counter() - started
    traced, missed = 0, []
    for number in range(DIFFERENCES):
        case = sorted(CHANGES)[number % len(CHANGES)]
        change, expected = CHANGES[case]
        prefix, given = dice.choice(prefixes), folder / "given"
        shutil.copytree(folder / "desk" / "store" / prefix, given)
        shutil.copy(folder / "desk" / "store" / look(desk, prefix).metadata.snapshot_uri, given / "snapshot.parquet")
        change(given, dice)
        found = again(look(desk, str(given)))
        # A bit of the market file may be its seed's.
        if found.verdict == "differs" and expected <= names(found) <= expected | {"seed"}:
            traced += 1
        else:
            missed.append(f"{case}: {sorted(names(found))}")
        shutil.rmtree(given)
    shutil.rmtree(folder)
    return {
        "replayed": len(prefixes),
        "identical": identical,
        "seconds_each": round(seconds / len(prefixes), 3),
        "differences": DIFFERENCES,
        "traced": traced,
        "missed": missed,
        "met": identical == len(prefixes) == RECOMMENDATIONS and traced == DIFFERENCES,
    }

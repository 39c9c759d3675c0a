"""A file that is old or cut short starts nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.places import open_places
from jackpot.adapters.starter import Ended
from jackpot.adapters.trigger import Trigger
from jackpot.errors import InputError
from jackpot.market.loading import load_market
from jackpot.simulation.history import synthetic_csv
from tests.conftest import Place
from tests.desk import AS_OF, leave_recommendation


def test_a_file_that_lost_draws_starts_no_run_and_a_correction_does(place: Place, tmp_path: Path) -> None:
    places = open_places(str(place.environment))
    leave_recommendation(places.store, AS_OF, "england.csv")
    england = load_market("england")
    started: list[str] = []

    def start(pipeline: str, arguments: Mapping[str, Any]) -> Ended:
        started.append(pipeline)
        return Ended(True, "run", "")

    trigger = Trigger(places, str(place.environment), {"england": england}, start, dt.timedelta(seconds=60))
    lines, file = synthetic_csv(england.market).splitlines(keepends=True), tmp_path / "england.csv"
    file.write_bytes(b"".join(lines[:301]))
    with pytest.raises(InputError, match="ends before draws"):
        trigger.data(str(file))
    assert not started
    assert not list(places.audit("england").entries("claim"))
    file.write_bytes(b"".join(lines[:200] + lines[201:]))
    assert trigger.data(str(file)).what == "ran"
    assert started == ["weekly"]

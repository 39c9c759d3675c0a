"""A market from its first day on, really run under kfp.local: no draw, one, a dozen; untested, and published."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Place
from tests.pipelines.test_weekly import JACKPOT, registered, run


def history(place: Place, market: Path, draws: int) -> str:
    whole = place.root / "whole.csv"
    if not whole.exists():
        words = [JACKPOT, "simulate", str(market), "--out", str(whole)]
        subprocess.run(words, check=True, capture_output=True, cwd=place.root)
    path = place.root / f"{draws}.csv"
    path.write_text("".join(whole.read_text().splitlines(keepends=True)[: draws + 1]))
    return str(path)


@pytest.mark.integration
def test_a_young_market_is_recommended_for_week_after_week_and_nothing_is_registered(place: Place) -> None:
    text = "decision: {samples: 100, horizon_draws: 8}\nhistory:\n  starts_empty: true\n"
    market = place.market(changes={"history:\n": text}, rename="young")
    # Without promises the plan is a matter of a second.
    market.write_text(re.sub(r"(?ms)^(regulation|cash):.*?(?=^\S)", "", market.read_text()))
    for draws, basis in ((0, "no draw was held yet"), (1, "rests on 1 draw of"), (12, "rests on 12 draws of")):
        done = run(place, market, "--history", history(place, market, draws), out=str(draws))
        assert done.code == 0, done.err
        assert "untested" in done.out
        assert basis in " ".join(done.out.split())
        record, evaluation = done.read("recommendation.json"), done.read("evaluation.json")
        assert (record["model"]["gates"], record["model"]["draws_seen"]) == ("untested", draws)
        assert (record["model"]["wmape_pct"], evaluation["model"]["wmape_pct"]) == (None, None)
        assert done.read("metadata.json")["model_standing"] == "candidate"
        assert done.read("gates.json")["outcome"] == "floor"
        assert len(done.file("history.csv").splitlines()) == draws + 1
        assert b"Untested model" in done.file("report.html")
        assert registered(place) == {}
    assert done.read("recommendation.json")["schema_version"] == "2"

    words = ["backtest", str(market), "--history", history(place, market, 3), "--environment", str(place.environment)]
    tested = subprocess.run([JACKPOT, *words], capture_output=True, text=True, cwd=place.root)
    assert tested.returncode == 0, tested.stderr
    assert "has not been tested" in tested.stdout
    assert "3 ordinary draws, 2 of them before the test window" in " ".join(tested.stdout.split())


def test_a_file_without_rows_is_refused_with_what_to_say_where_no_draw_was_held(place: Place) -> None:
    market = place.market()
    words = ["recommend", str(market), "--history", history(place, market, 0), "--environment", str(place.environment)]
    done = subprocess.run([JACKPOT, *words, "--json"], capture_output=True, text=True, cwd=place.root)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert "history.starts_empty: true" in problem["hint"]

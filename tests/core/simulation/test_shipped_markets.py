"""Every shipped market, simulated: a file its own reader accepts, and a game that lives."""

from pathlib import Path

import numpy as np
import pytest

from jackpot.history.reading import read_history
from jackpot.history.source import Source
from jackpot.market.loading import parse_market
from jackpot.simulation.history import synthetic_csv
from jackpot.simulation.play import play

FILES = sorted((Path(__file__).resolve().parents[3] / "configs" / "markets").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_market_simulates_sensibly(path: Path) -> None:
    market = parse_market(path.read_bytes(), path.name)
    assert market.simulation is not None
    draws = play(market, 250)
    wins = (draws["jackpot_winners"] > 0).mean()
    assert 0.005 < wins < 0.95
    assert np.log(draws["jackpot"]).std() > 0.25
    ordinary = draws.loc[draws["special"] == "", "sales"]
    assert market.simulation.mean_sales / 8 < ordinary.median() < market.simulation.mean_sales * 8
    assert ordinary.max() < 60 * ordinary.median()
    if market.game.pool:
        assert draws["pool"].max() < 60 * market.simulation.reference_jackpot
    history = read_history(Source("synthetic", synthetic_csv(market, draws=250)), market)
    assert history.problems == ()
    assert len(history.draws) == 250

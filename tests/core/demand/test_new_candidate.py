"""The candidate that docs/demand.md adds takes one file and one line, and is back-tested like any other."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from jackpot.demand.models import ALL, new_model
from jackpot.demand.storage import load_model, model_files
from jackpot.evaluation.backtest import backtest
from jackpot.market.loading import load_market
from jackpot.simulation.play import play

DOCS = Path(__file__).resolve().parents[3] / "docs" / "demand.md"
FILE, LINE = re.findall(r"```python\n(.*?)```", DOCS.read_text().split("## A new candidate")[1], re.DOTALL)
MARKET = load_market("england").market
DRAWS = play(MARKET).iloc[:200]


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put the docs' file where jackpot.demand finds it, add the docs' line, and return the candidate's name."""
    ((name, where),) = re.findall(r'^    "(\w+)": "(\w+:\w+)",$', LINE, re.MULTILINE)
    path = tmp_path / f"{name}.py"
    path.write_text(FILE)
    specification = importlib.util.spec_from_file_location(f"jackpot.demand.{name}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, specification.name, module)
    specification.loader.exec_module(module)
    monkeypatch.setitem(ALL, name, where)
    return name


def test_the_docs_example_is_back_tested_beside_the_naive_forecasts(added: str) -> None:
    record = backtest(DRAWS, MARKET, added, horizon=2).evaluation
    assert record.model.name == added
    assert 0 < record.model.wmape_pct < record.baselines["naive"].wmape_pct
    assert record.model.coverage_90_pct is not None
    assert 60 < record.model.coverage_90_pct <= 100


def test_it_keeps_what_every_candidate_promises(added: str) -> None:
    model = new_model(added).fit(DRAWS[:150], MARKET)
    assert load_model(model_files(model)).parameters() == model.parameters()
    jackpots = np.geomspace(1e6, 1e9, 9)
    dates = DRAWS["draw_date"].iloc[150:153]
    demand = model.condition(DRAWS[:150], MARKET)
    assert (np.diff(demand.mean(jackpots, dates), axis=1) > 0).all()
    assert (np.diff(demand.quantiles(jackpots, dates, np.array([0.05, 0.5, 0.95])), axis=0) > 0).all()
    assert (np.diff(demand.sample(jackpots, dates, 20, 1), axis=2) > 0).all()
    later = DRAWS.assign(sales=np.where(DRAWS.index >= 180, 9e9, DRAWS["sales"]))
    one, same = (model.one_step_ahead(draws, MARKET, 150).mean[:30] for draws in (DRAWS, later))
    assert (one == same).all()

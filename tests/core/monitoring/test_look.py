"""The verdict, with a real model: on a market that goes on, one that breaks, and one that is not what it was."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jackpot.audit import AuditLog, Keyring
from jackpot.canonical import sha256
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files
from jackpot.history.source import Source
from jackpot.market.loading import LoadedMarket, load_market
from jackpot.monitoring.assess import baseline_size, verdict
from jackpot.monitoring.data import data_drift
from jackpot.records import Detected
from jackpot.report import monitor_html, monitor_markdown
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.monitor import Used, conclude, look
from jackpot.steps.week import Week
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore

AS_OF = dt.date(2025, 1, 1)


@cache
def england() -> tuple[LoadedMarket, bytes]:
    text = Path("configs/markets/england.yaml").read_text().replace("history:\n", "demand: {model: spline}\nhistory:\n")
    loaded = load_market("england")
    from jackpot.market.loading import parse_market

    market = parse_market(text.encode(), "england.yaml")
    return LoadedMarket(market, loaded.path, text.encode(), sha256(text.encode())), synthetic_csv(market)


def week(factor: float = 1.0, noise: float = 0.0) -> Week:
    """England's week at the end of its history, sales since the model was trained changed."""
    market, data = england()
    rows = pd.read_csv(pd.io.common.BytesIO(data))
    new = pd.to_datetime(rows["draw_date"]) >= pd.Timestamp(AS_OF)
    extra = np.exp(noise * np.random.default_rng(3).standard_normal(len(rows)))
    rows.loc[new, "sales"] = (rows["sales"] * factor * extra)[new].round(2)
    return week_in_memory(market, Source("england.csv", rows.to_csv(index=False).encode()), None)


@cache
def used() -> Used:
    history = week().history
    before = history.draws[history.draws["draw_date"] < pd.Timestamp(AS_OF)]
    model = new_model("spline").fit(before, history.market)
    return Used(model_files(model), "champion", "v1", AS_OF)


def test_a_market_that_goes_on_calls_for_nothing_or_to_be_watched() -> None:
    found = look(week(), used(), ())
    assert found.verdict in {"nothing", "watch"}
    assert found.baseline_draws == 104
    assert found.watched_draws == 50
    assert {one.name: one.state for one in found.data} == dict.fromkeys(
        ("price", "jackpot_range", "weekday", "gap"), "quiet"
    ) | {"jackpot_range": next(one.state for one in found.data if one.name == "jackpot_range")}


def test_errors_that_grow_call_for_a_retraining() -> None:
    found = look(week(noise=0.3), used(), ())
    assert found.verdict in {"retrain", "stop"}
    assert found.cause in {"variance", "calibration"}
    assert next(one for one in found.detectors if one.name == "variance").state == "retrain"


def test_the_page_says_what_the_record_says_and_asks_for_nothing_outside() -> None:
    found = look(week(noise=0.3), used(), (Detected(name="cash", state="quiet", evidence="cash <is> within"),))
    page, words = monitor_html(found).decode(), monitor_markdown(found)
    assert found.reason.split(";")[0] in page
    assert "cash &lt;is&gt; within" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "| Size of the errors |" in words
    assert len(words) < 20_000


def test_a_verdict_is_in_the_audit_log_once(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    log = AuditLog("england", FolderStore(tmp_path / "r"), FolderStore(tmp_path / "h"), Keyring(b"k" * 32))
    found = look(week(), used(), ())
    for run in ("one", "two"):
        conclude(found, run, store, log, "2026-01-01T00:00:00+00:00")
    (entry,) = log.entries("monitor_verdict")
    assert entry.body["verdict"] == found.verdict
    assert sha256(store.read(str(entry.body["monitor"]))) == entry.body["sha256"]


def test_the_baseline_is_the_largest_that_there_are_thresholds_for() -> None:
    assert [baseline_size(available, 104) for available in (51, 52, 103, 104, 500)] == [0, 52, 52, 104, 104]
    assert baseline_size(500, 208) == 208


def found_as(state: str, name: str = "level", statistic: float = 4.0) -> Detected:
    return Detected.model_validate(
        {"name": name, "state": state, "evidence": name, "statistic": statistic, "retrain_above": 3.0}
    )


@pytest.mark.parametrize(
    ("detectors", "data", "fans", "worse", "expected"),
    [
        (("quiet",), ("quiet",), ("quiet",), True, "nothing"),
        (("not_checked",), (), ("not_checked",), False, "nothing"),
        (("watch",), (), (), True, "watch"),
        (("quiet",), (), ("watch",), False, "watch"),
        (("retrain",), (), ("watch",), False, "retrain"),
        (("quiet",), ("retrain",), (), False, "retrain"),
        (("retrain",), (), (), True, "stop"),
    ],
)
def test_the_loudest_decides(
    detectors: tuple[str, ...], data: tuple[str, ...], fans: tuple[str, ...], worse: bool, expected: str
) -> None:
    found = [[found_as(state) for state in states] for states in (detectors, data, fans)]
    assert verdict(*found, worse)[0] == expected


def test_the_cause_is_the_detector_that_is_furthest_over_its_threshold() -> None:
    found = [found_as("retrain", "level", 3.5), found_as("retrain", "variance", 5.0)]
    assert verdict(found, (), (), False)[1] == "variance"


def test_draws_unlike_those_of_training_are_told() -> None:
    market, _ = england()
    dates = pd.date_range("2024-01-06", periods=60, freq="7D").to_list()
    dates[-1] += pd.Timedelta(days=10)  # a Tuesday, and a break of 17 days
    jackpots = np.r_[np.full(59, 1e7), 9e7]
    draws = pd.DataFrame({"draw_date": dates, "jackpot": jackpots, "sales": 1e7, "special": ""})
    found = {one.name: one for one in data_drift(draws, market.market, dates[-5].date())}
    assert {name: one.state for name, one in found.items()} == {
        "price": "quiet",
        "jackpot_range": "watch",
        "weekday": "watch",
        "gap": "watch",
    }
    assert "Tuesday" in found["weekday"].evidence
    assert "17 days" in found["gap"].evidence

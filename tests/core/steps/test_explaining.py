"""What a record says of its forecast: parts that multiply to it, what moved them, and what stood out."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import pytest

from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.records import Explanation, ForecastPart, Recommendation, StoodOut
from jackpot.report.forecast import summarise_forecast
from jackpot.report.money import Money
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.preprocess import SYNTHETIC
from jackpot.steps.weekly import recommend_in_memory, week_in_memory

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_a_recommendation_explains_its_forecast_and_what_moved_it_in_a_week() -> None:
    market = load_market("england", search=[ROOT / "configs" / "markets"])
    source = Source(SYNTHETIC, synthetic_csv(market.market, draws=180), None)
    record = recommend_in_memory(week_in_memory(market, source, None), None)[0].recommendation
    found = record.explanation
    assert found is not None
    assert found.jackpot == record.jackpot
    assert math.prod(part.factor for part in found.parts) == pytest.approx(found.median, rel=1e-6)
    assert record.expected_sales is not None
    assert found.median == pytest.approx(record.expected_sales.median, rel=0.02)
    assert found.draws_since == 1
    assert found.median_before is not None
    change = math.prod(part.change or math.nan for part in found.parts)
    assert change == pytest.approx(found.median / found.median_before, rel=1e-6)
    stored = record.model_dump(mode="json")
    assert Recommendation.model_validate_json(record.to_bytes()).explanation is not None
    del stored["explanation"]
    assert Recommendation.model_validate(stored, strict=False).explanation is None


def test_the_report_names_what_moved_most_and_what_stood_out() -> None:
    parts = (
        ForecastPart(name="level", factor=1e7, change=1.05),
        ForecastPart(name="jackpot", factor=1.2, change=1.0),
        ForecastPart(name="season", factor=1.0, change=1.0),
        ForecastPart(name="marketing", factor=0.9, change=0.98),
    )
    flags = tuple(
        StoodOut(draw_date=(dt.date(2020, 1, 1) + dt.timedelta(days=i)).isoformat(), kind="level", what="so")
        for i in range(15)
    )
    found = Explanation(jackpot=5e6, median=1.08e7, median_before=1.0495e7, draws_since=2, parts=parts, stood_out=flags)
    told = summarise_forecast(found, Money("GBP", 2))
    assert "level (+5.0%) and marketing (\u22122.0%)" in told.sentences[1]
    assert "2 draws earlier" in told.sentences[1]
    assert [row[0].text for row in told.parts.rows] == [
        "Level: an average draw at the usual jackpot", "Jackpot", "Marketing"
    ]  # fmt: skip
    assert len(told.stood_out.rows) == 12
    assert told.stood_out.caption.endswith("the last 12 of 15")
    nothing = summarise_forecast(None, Money("GBP", 2))
    assert nothing.sentences == ()
    assert nothing.parts.rows == nothing.stood_out.rows == ()

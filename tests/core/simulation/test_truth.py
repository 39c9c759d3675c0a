"""The known truth: the response to the jackpot and the calendar, as stated."""

import datetime as dt
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.errors import InputError
from jackpot.market.schema import Market
from jackpot.simulation.truth import Truth

MarketOf = Callable[..., Market]
A_SATURDAY = dt.date(2016, 1, 2)


def test_elasticity_is_as_stated_at_both_ends(market_of: MarketOf) -> None:
    truth = Truth(market_of())
    assert truth.elasticity([1e6, 5e6]) == pytest.approx(0.1)
    assert truth.elasticity([15e7, 1e9]) == pytest.approx(0.5)


@settings(max_examples=40, deadline=None)
@given(low=st.floats(0, 1), rise=st.floats(0, 1), start=st.floats(1e3, 1e9), ratio=st.floats(0.2, 50))
def test_response_is_the_convex_integral_of_the_elasticity(
    market_of: MarketOf, low: float, rise: float, start: float, ratio: float
) -> None:
    market = market_of(
        {"elasticity_low": low, "elasticity_high": low + rise, "reference_jackpot": start * ratio},
        jackpot={"start": start, "step": 1e3},
    )
    truth = Truth(market)
    jackpots = np.geomspace(start / 10, start * ratio * 100, 2001)
    slopes = truth.elasticity(jackpots)
    assert (np.diff(slopes) >= -1e-12).all()
    assert truth.response(start * ratio) == pytest.approx(0, abs=1e-9)
    rise_by_slope = (slopes[1:] + slopes[:-1]) / 2 * np.diff(np.log(jackpots))
    assert np.abs(np.diff(truth.response(jackpots)) - rise_by_slope).max() < 1e-6


def test_start_above_ten_times_the_reference_leaves_a_kink_there(market_of: MarketOf) -> None:
    truth = Truth(market_of({"reference_jackpot": 4e5}))
    assert truth.elasticity([3.9e6, 4.1e6]) == pytest.approx([0.1, 0.5])
    assert truth.response([4e6, 8e6]) == pytest.approx([0.1 * np.log(10), 0.1 * np.log(10) + 0.5 * np.log(2)])


def test_calendar_effects_are_as_stated(market_of: MarketOf) -> None:
    market = market_of(
        {
            "season_amplitude": 0.2,
            "weekday_effects": {"wed": -0.3},
            "breaks": [{"date": "2017-01-01", "log_change": -0.1}],
            "special_multiple": 12.0,
        },
        prices=[{"starts": "2016-01-01", "price": 2.0}, {"starts": "2018-01-01", "price": 2.5}],
        calendar={
            "time_zone": "Europe/London",
            "draw_days": [{"starts": "2016-01-01", "weekdays": ["wed", "sat"]}],
            "specials": [{"name": "new_year", "month_day": "01-02"}],
        },
    )
    truth = Truth(market)

    def log_sales(date: dt.date) -> float:
        return float(truth.log_mean_sales(15e6, date)) - math.log(11.75e6)

    def season(date: dt.date) -> float:
        return 0.2 * math.cos(2 * math.pi * (date.timetuple().tm_yday - 1) / 365.25)

    summer, wednesday, later, dearer = (
        dt.date(2016, 7, 2),
        dt.date(2016, 7, 6),
        dt.date(2017, 7, 1),
        dt.date(2018, 7, 7),
    )
    assert log_sales(summer) == pytest.approx(season(summer))
    assert season(summer) == pytest.approx(-0.2, rel=1e-3)
    assert log_sales(wednesday) == pytest.approx(season(wednesday) - 0.3)
    assert log_sales(later) == pytest.approx(season(later) - 0.1)
    assert log_sales(dearer) == pytest.approx(season(dearer) - 0.1 + 0.4 * math.log(1.25))
    assert log_sales(A_SATURDAY) == pytest.approx(season(A_SATURDAY) + math.log(12))


def test_a_market_without_a_simulation_says_so(market_of: MarketOf) -> None:
    market = market_of().model_copy(update={"simulation": None})
    with pytest.raises(InputError, match="no `simulation` section"):
        Truth(market)

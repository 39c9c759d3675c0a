"""When draws take place."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.errors import InputError
from jackpot.market.calendar import draw_dates, expected_draws_between, is_special, next_draw_date
from jackpot.market.loading import load_market
from jackpot.market.schema import Calendar

MEGASENA = load_market("megasena").market
DAY = dt.timedelta(days=1)


def with_calendar(**changes):
    days = [{"starts": dt.date(2020, 1, 1), "weekdays": ["wed", "sat"]}]
    calendar = Calendar.model_validate({"time_zone": "Europe/London", "draw_days": days, **changes})
    return MEGASENA.model_copy(update={"calendar": calendar})


def test_draws_follow_the_rhythm_in_force():
    change = with_calendar(
        draw_days=[
            {"starts": dt.date(2020, 1, 1), "weekdays": ["sat"]},
            {"starts": dt.date(2026, 1, 12), "weekdays": ["tue", "thu"]},
        ]
    )
    assert draw_dates(change, dt.date(2026, 1, 3), 3) == [
        dt.date(2026, 1, 10),
        dt.date(2026, 1, 13),
        dt.date(2026, 1, 15),
    ]


def test_before_the_first_regime_its_rhythm_holds():
    assert draw_dates(with_calendar(), dt.date(2019, 6, 1), 2) == [dt.date(2019, 6, 5), dt.date(2019, 6, 8)]


def test_a_special_is_a_draw_of_its_own_or_replaces_the_ordinary_one():
    on_thursday, on_saturday = dt.date(2026, 12, 31), dt.date(2022, 12, 31)
    assert on_thursday in draw_dates(MEGASENA, on_thursday - DAY, 1)
    assert draw_dates(MEGASENA, on_saturday - DAY, 3).count(on_saturday) == 1
    assert is_special(MEGASENA, on_saturday) == "mega_da_virada"
    assert is_special(MEGASENA, on_saturday - DAY) == ""


def test_a_special_of_one_date_is_special_once():
    market = with_calendar(specials=[{"name": "jubilee", "date": dt.date(2026, 5, 24)}])
    assert is_special(market, dt.date(2026, 5, 24)) == "jubilee"
    assert is_special(market, dt.date(2027, 5, 24)) == ""


def test_a_leap_days_special_takes_place_in_leap_years_only():
    market = with_calendar(specials=[{"name": "leap", "month_day": "02-29"}])
    dates = draw_dates(market, dt.date(2026, 1, 1), 500)
    assert [date for date in dates if is_special(market, date)] == [dt.date(2028, 2, 29)]


def test_the_next_draw_may_be_today():
    assert next_draw_date(with_calendar(), dt.date(2026, 1, 10)) == dt.date(2026, 1, 10)
    assert next_draw_date(with_calendar(), dt.date(2026, 1, 11)) == dt.date(2026, 1, 14)


def test_draws_between_two_dates_leave_both_out():
    assert expected_draws_between(with_calendar(), dt.date(2026, 1, 7), dt.date(2026, 1, 17)) == [
        dt.date(2026, 1, 10),
        dt.date(2026, 1, 14),
    ]
    assert expected_draws_between(with_calendar(), dt.date(2026, 1, 10), dt.date(2026, 1, 10)) == []


def test_the_end_of_time_is_an_error_in_words():
    with pytest.raises(InputError, match="year 9999"):
        draw_dates(MEGASENA, dt.date(9999, 12, 30), 5)


@settings(max_examples=30, deadline=None)
@given(after=st.dates(dt.date(2010, 1, 1), dt.date(2100, 1, 1)), count=st.integers(0, 60))
def test_dates_ascend_and_asking_in_two_parts_is_asking_at_once(after, count):
    dates = draw_dates(MEGASENA, after, count)
    assert len(dates) == count
    assert all(earlier < later for earlier, later in zip([after, *dates], dates, strict=False))
    if count > 1:
        half = dates[: count // 2]
        assert half + draw_dates(MEGASENA, half[-1], count - len(half)) == dates
        assert expected_draws_between(MEGASENA, after, dates[-1]) == dates[:-1]

"""What a market without many draws is told, what a forecast is made of, and what is flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.demand import calibration, combination, explain, priors
from jackpot.demand.flags import breaks_and_flags, trust, undeclared
from jackpot.demand.memory import Memory, remember, wins
from jackpot.demand.models import new_model
from jackpot.demand.specials import SpecialLevels, held
from jackpot.demand.trees import Trees
from tests.strategies.demand import NEW_YEAR, toy_draws, toy_market

pytestmark = pytest.mark.slow

MARKET = toy_market(("2021-06-01", 2.5), specials=(NEW_YEAR,))
JACKPOTS = np.geomspace(5e5, 5e7, 12)
Q = np.array([0.05, 0.5, 0.95])


def history(n: int, seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    logs = generator.uniform(np.log(1e6), np.log(2e7), n)
    sales = np.exp(16.1 + 0.4 * (logs - np.log(5e6)) + generator.normal(0, 0.06, n))
    return toy_draws(np.exp(logs), sales)


DRAWS = history(200)
NEXT = pd.DatetimeIndex([DRAWS["draw_date"].iloc[-1] + pd.Timedelta(days=4)])


def test_a_market_without_draws_is_answered_from_priors_and_says_so() -> None:
    demand = new_model("combination").fit(DRAWS[:0], MARKET).condition(DRAWS[:0], MARKET)
    assert demand.draws_seen == 0
    low, middle, high = demand.quantiles(JACKPOTS, NEXT, Q)[:, 0]
    assert (high / low > 20).all()
    assert (np.diff(demand.mean(JACKPOTS, NEXT)[0]) > 0).all()
    expected = 1e7 * priors.TICKETS_PER_ODDS * 2.5
    assert expected / 3 < middle[3] < 3 * expected


def test_doubt_shrinks_as_draws_arrive() -> None:
    widths = []
    for n in (0, 1, 2, 5, 20, 100):
        known = DRAWS[:n]
        demand = new_model("combination").fit(known, MARKET).condition(known, MARKET)
        assert demand.draws_seen == n
        band = demand.elasticity(np.array([4e6]))[0]
        low, _, high = demand.quantiles(np.array([5e6]), NEXT, Q)[:, 0, 0]
        widths.append((band.high - band.low, high / low))
    assert widths[0][1] > widths[1][1] > widths[4][1] > widths[5][1]
    assert widths[0][0] > widths[4][0] > widths[5][0]


@given(n=st.integers(0, 12), seed=st.integers(0, 50), scale=st.sampled_from([1e-3, 1.0, 1e6]))
@settings(max_examples=8, deadline=None)
def test_a_handful_of_draws_gives_finite_ordered_nested_forecasts(n: int, seed: int, scale: float) -> None:
    draws = history(n, seed).assign(sales=lambda d: d["sales"] * scale)
    demand = new_model("combination").fit(draws, MARKET).condition(draws, MARKET)
    mean = demand.mean(JACKPOTS, NEXT)
    assert np.isfinite(mean).all()
    assert (mean > 0).all()
    assert (np.diff(mean) >= -1e-9 * mean[:, :-1]).all()
    assert (np.diff(demand.quantiles(JACKPOTS, NEXT, Q), axis=0) > 0).all()


def test_parts_add_up_to_the_forecast() -> None:
    demand = new_model("state_space").fit(DRAWS, MARKET).condition(DRAWS, MARKET)
    parts = demand.log_parts(8e6, NEXT[:1])
    median = demand.log_moments(np.array([8e6]), NEXT)[0][0, 0]
    assert sum(parts.values()) == pytest.approx(median)
    more = demand.log_parts(1.6e7, NEXT[:1])
    assert more["jackpot"] - parts["jackpot"] == pytest.approx(0.4 * np.log(2), abs=0.1)
    assert more["level"] == parts["level"]
    assert parts["special"] == pytest.approx(0, abs=1e-9)


def test_what_moved_names_the_level_when_sales_rose() -> None:
    more = DRAWS.assign(sales=np.where(DRAWS.index >= 190, 1.5, 1.0) * DRAWS["sales"])
    model = new_model("combination").fit(DRAWS[:190], MARKET)
    before, now = model.condition(DRAWS[:190], MARKET), model.condition(more, MARKET)
    assert isinstance(before, combination.CombinedDemand)
    assert isinstance(now, combination.CombinedDemand)
    seen = pd.DatetimeIndex(DRAWS["draw_date"][190:])
    changes = explain.moved(before, now, 5e6, seen, NEXT[:1])
    at, q = np.array([5e6]), np.array([0.5])
    rise = np.log(now.quantiles(at, NEXT, q)[0, 0, 0] / before.quantiles(at, seen.append(NEXT), q)[0, -1, 0])
    assert sum(change.log_effect for change in changes) == pytest.approx(float(rise))
    assert {changes[0].name, changes[1].name} & {"level", "last_errors"}
    assert np.prod([part.factor for part in explain.parts(now, 5e6, NEXT[:1])]) > 1e6


def test_an_undeclared_special_is_flagged_before_its_sales_are_known_and_trains_little() -> None:
    draws = DRAWS.copy()
    odd = 150
    draws.loc[odd, "draw_date"] += pd.Timedelta(days=1)
    draws.loc[odd, "jackpot"] = 4e8
    louder = draws.assign(sales=np.where(draws.index == odd, 1e9, draws["sales"]))
    why = undeclared(draws, MARKET)
    assert [t for t, reason in enumerate(why) if reason] == [odd]
    assert "jackpot" in why[odd]
    assert why == undeclared(louder, MARKET)
    assert trust(draws, MARKET, held(draws, MARKET))[odd] < 0.5
    listed = breaks_and_flags(draws, MARKET, np.zeros(len(draws)))
    assert listed["kind"].tolist() == ["price", "special"]
    assert listed["draw_date"].is_monotonic_increasing


def test_a_weekday_never_drawn_on_or_a_jump_of_the_jackpot_is_enough_and_a_gap_is_not() -> None:
    odd = 150
    for changed in (
        DRAWS.assign(draw_date=DRAWS["draw_date"].where(DRAWS.index != odd, DRAWS["draw_date"] + pd.Timedelta(days=1))),
        DRAWS.assign(jackpot=DRAWS["jackpot"].where(DRAWS.index != odd, 4e8)),
    ):
        assert [t for t, why in enumerate(undeclared(changed, MARKET)) if why] == [odd]
    missing = DRAWS.drop(index=[odd, odd + 1, odd + 2]).reset_index(drop=True)
    assert not any(undeclared(missing, MARKET))


def test_a_declared_special_is_not_listed_as_undeclared() -> None:
    draws = DRAWS.copy()
    day = draws["draw_date"][150] + pd.Timedelta(days=1)
    draws.loc[150, ["draw_date", "special"]] = [day, "gala"]
    assert undeclared(draws, MARKET)[150]
    assert "special" not in breaks_and_flags(draws, MARKET, np.zeros(len(draws)))["kind"].tolist()


def test_a_lasting_change_of_level_is_listed_once_and_followed() -> None:
    draws = DRAWS.assign(sales=np.where(DRAWS.index >= 120, 0.6, 1.0) * DRAWS["sales"])
    model = new_model("state_space").fit(draws, MARKET)
    run = model.run(draws, MARKET)
    found = breaks_and_flags(draws, MARKET, np.where(np.arange(200) < 120, 0.0, run.standard))
    assert found["kind"].tolist() == ["level", "price"]
    assert found["draw_date"][0] == draws["draw_date"][120]
    error = np.abs(run.log_sales - run.moments[0])
    assert error[120] > 0.4
    assert np.median(error[126:140]) < 0.12


def test_a_special_held_a_day_late_is_that_special() -> None:
    draws = history(4).assign(
        draw_date=pd.DatetimeIndex(["2020-12-23", "2020-12-26", "2021-01-01", "2021-01-06"]), special=""
    )
    assert held(draws, MARKET) == ["", "", "new_year", ""]


def test_a_special_goes_on_from_its_own_last_sales_with_its_growth() -> None:
    logs, jackpots = np.log(np.array([1.0, 8, 1, 10, 1, 12.5])), np.zeros(6)
    level = SpecialLevels.learn(["", "a", "", "a", "", "a"], logs, jackpots).by_name["a"]
    assert np.exp(level.log_sales) == pytest.approx(12.5 * 1.25 ** (2 / 3))
    once = SpecialLevels.learn(["", "a"], logs[:2], jackpots[:2]).by_name["a"]
    assert np.exp(once.log_sales) == pytest.approx(8)
    assert once.sd > level.sd


def test_memory_counts_rollovers_and_habit_builds_faster_than_it_decays() -> None:
    memories = remember(np.array([0.0, 1.0, 1.0, -1.0]), [False, False, True, False])
    assert [one.rollovers for one in memories] == [0, 1, 2, 0, 1]
    built = Memory().after(1.0, False).habit
    assert built > 1 - Memory(habit=1.0).after(0.0, False).habit
    assert memories[3].row()[1:] == (memories[3].habit, 1.0, 1.0)


def test_a_win_nobody_reports_shows_in_the_jackpots_fall_one_draw_late() -> None:
    draws = history(4).assign(jackpot=[1e6, 2e6, 1e6, 2e6])
    assert wins(draws) == [False, False, True, False]
    assert wins(draws.assign(jackpot_winners=pd.array([0, 1, pd.NA, 0], dtype="Int64"))) == [False, True, True, False]


def test_intervals_widen_where_errors_were_larger_than_said() -> None:
    generator = np.random.default_rng(3)
    logs = generator.uniform(0, 1, 400)
    errors = generator.standard_normal(400) * np.where(logs > 0.85, 2.5, 1.0)
    found = calibration.scale(errors, logs)
    assert found.usual == pytest.approx(1.2, abs=0.25)
    assert found.large > 1.6 * found.usual
    steps = found.at(np.linspace(0, 2, 30))
    assert (np.diff(steps) >= 0).all()
    assert calibration.scale(errors[:0], logs[:0]).at(logs[:3]).tolist() == [1, 1, 1]


def test_weights_go_to_who_forecasts_better_and_ignore_what_does_not_count() -> None:
    errors = np.full((200, 2), [0.05, 0.1])
    errors[150] = np.nan
    found = combination.weights(errors)
    assert found.shape == (201, 2)
    assert found.sum(axis=1) == pytest.approx(np.ones(201))
    assert found[0].tolist() == [0.5, 0.5]
    assert found[200, 0] > 0.95
    assert (found[150] == found[151]).all()


def test_trees_are_scikit_learns_and_come_back_from_arrays() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    generator = np.random.default_rng(0)
    features = generator.standard_normal((300, 3))
    target = features[:, 0] ** 2 + features[:, 1]
    settings = {"max_iter": 20, "min_samples_leaf": 5}
    grown = Trees.grow(features, target, seed=1, **settings)
    exact = HistGradientBoostingRegressor(early_stopping=False, random_state=1, **settings).fit(features, target)
    assert grown.predict(features) == pytest.approx(exact.predict(features))
    same = Trees.from_arrays(grown.arrays("a"), "a")
    assert (same.predict(features) == grown.predict(features)).all()
    rising = Trees.grow(features, target, 1, np.array([1, 0, 0], dtype=np.intp), **settings)
    line = np.column_stack([np.linspace(-3, 3, 50), np.zeros(50), np.zeros(50)])
    assert (np.diff(rising.predict(line)) >= 0).all()

"""A played market shows its truth: what was put in can be measured again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jackpot.errors import InputError
from jackpot.game.moments import draw_moments
from jackpot.market.schema import JackpotRange, Market
from jackpot.simulation.announcing import on_grid
from jackpot.simulation.play import play
from jackpot.simulation.truth import Truth

MarketOf = Callable[..., Market]
LONG = 3_000
ROLLOVER = {
    "payout": "rollover",
    "jackpot_odds_one_in": 5e7,
    "conscious_selection": 0.857,
    "pool": {"share_of_sales": 0.25},
    "tiers": [{"name": "5", "odds_one_in": 1.5e5, "share_of_sales": 0.1}],
}


def test_a_rollover_operator_keeps_the_minimum_progression(market_of: MarketOf) -> None:
    jackpot = {"start": 5e6, "cap": 5e7, "step": 5e5, "minimum_progression": 3e6}
    draws = play(market_of(game=ROLLOVER, jackpot=jackpot), 300)
    announced, pool = draws["jackpot"].to_numpy(), draws["pool"].to_numpy()
    rolled = pool[1:-1] > pool[:-2]
    least = np.minimum(announced[1:-1] + 3e6, 5e7)
    assert 0.5 < rolled.mean() < 1
    assert (announced[2:][rolled] >= least[rolled]).all()


@pytest.fixture(scope="module")
def long_history(market_of: MarketOf) -> tuple[Market, pd.DataFrame]:
    truth = {"elasticity_low": 0.3, "elasticity_high": 0.3, "noise_log_sd": 0.08, "noise_ar1": 0.5, "level_log_sd": 0.0}
    market = market_of({**truth, "weekday_effects": {"wed": -0.2}})
    return market, play(market, LONG)


def test_elasticity_season_and_weekday_are_recovered(long_history: tuple[Market, pd.DataFrame]) -> None:
    """Generalised least squares with the known AR(1): each coefficient within 4 standard errors of the truth."""
    _, draws = long_history
    date = draws["draw_date"].dt
    columns = {
        "one": np.ones(len(draws)),
        "elasticity": np.log(draws["jackpot"] / 15e6).to_numpy(),
        "season": np.cos(2 * np.pi * (date.dayofyear - 1) / 365.25).to_numpy(),
        "wednesday": (date.dayofweek == 2).to_numpy(dtype=float),
    }
    X = np.column_stack(list(columns.values()))
    y = np.log(draws["sales"]).to_numpy()
    X, y = X[1:] - 0.5 * X[:-1], y[1:] - 0.5 * y[:-1]
    estimate, *_ = np.linalg.lstsq(X, y, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X))) * 0.08 * np.sqrt(1 - 0.5**2)
    truth = np.array([np.log(11.75e6) - 0.08**2 / 2, 0.3, 0.05, -0.2])
    assert (errors[1:] < 0.01).all()
    assert (np.abs(estimate - truth) < 4 * errors).all()


def test_errors_are_as_stated_and_have_mean_one(long_history: tuple[Market, pd.DataFrame]) -> None:
    _, draws = long_history
    ratio = (draws["sales"] / draws["mean_sales"]).to_numpy()
    log_ratio = np.log(ratio)
    assert log_ratio == pytest.approx(draws["log_error"].to_numpy(), abs=1e-5)
    effective = LONG * (1 - 0.5) / (1 + 0.5)
    assert abs(ratio.mean() - 1) < 4 * 0.08 / np.sqrt(effective)
    assert log_ratio.std() == pytest.approx(0.08, rel=0.08)
    assert abs(np.corrcoef(log_ratio[1:], log_ratio[:-1])[0, 1] - 0.5) < 4 * np.sqrt((1 - 0.25) / LONG)


def test_wide_errors_keep_the_mean_too(market_of: MarketOf) -> None:
    draws = play(market_of({"noise_log_sd": 0.5, "noise_ar1": 0.0}), 2_000)
    ratio = draws["sales"] / draws["mean_sales"]
    assert abs(ratio.mean() - 1) < 4 * np.sqrt(np.expm1(0.25) / 2_000)


def test_curved_truth_stands_in_mean_sales(market_of: MarketOf) -> None:
    market = market_of({"elasticity_high": 1.2, "breaks": [{"date": "2016-06-01", "log_change": 0.2}]})
    truth = Truth(market)
    draws = play(market)
    for draw in draws.itertuples():
        expected = np.exp(truth.log_mean_sales(draw.jackpot, draw.draw_date.date()) + draw.log_level)
        assert draw.mean_sales == pytest.approx(float(expected), rel=1e-8)
    steps = np.diff(draws["log_level"])
    assert 0 < np.abs(steps).max() < 5 * 0.004


@pytest.mark.parametrize(
    "game",
    [
        {"payout": "per_winner", "jackpot_odds_one_in": 2e7},
        {"payout": "shared", "jackpot_odds_one_in": 2e7, "conscious_selection": 0.7},
        ROLLOVER,
        {
            "payout": "postcode",
            "jackpot_odds_one_in": 2e6,
            "postcode": {"tickets_per_postcode": 20.0, "log_sd": 0.5},
        },
    ],
    ids=lambda game: game["payout"],
)
def test_wins_come_as_often_as_the_game_says(market_of: MarketOf, game: dict[str, Any]) -> None:
    market = market_of(game=game)
    draws = play(market, 1_000)
    chances = draw_moments(market, 2.5, draws["sales"], draws["jackpot"]).win_probability
    wins = (draws["jackpot_winners"] > 0).to_numpy(dtype=float)
    assert 20 < wins.sum() < 980
    assert abs((wins - chances).sum()) < 4.5 * np.sqrt((chances * (1 - chances)).sum())


def test_rollover_announces_the_pool_and_resets_after_a_win(market_of: MarketOf) -> None:
    market = market_of(
        {"mean_sales": 4e7, "elasticity_high": 0.7},
        game=ROLLOVER | {"pool": {"share_of_sales": 0.25, "opening": 8e6}},
        jackpot={"start": 3e6, "step": 5e5},
    )
    draws = play(market, 600)
    before = np.concatenate([[8e6], draws["pool"].to_numpy()[:-1]])
    collected = before + 0.25 * draws["sales"].to_numpy()
    won = (draws["jackpot_winners"] > 0).to_numpy()
    assert draws["pool"].to_numpy() == pytest.approx(np.where(won, 0.0, collected))
    pot = np.maximum(draws["jackpot"], collected)
    assert draws["jackpot_paid"].to_numpy() == pytest.approx(np.where(won, pot, 0.0))
    assert (draws["next_jackpot"].to_numpy()[:-1] == draws["jackpot"].to_numpy()[1:]).all()
    assert ((draws["jackpot"] - 3e6) % 5e5 == 0).all()
    assert np.median(np.log(pot / draws["jackpot"])) < 0.12
    after_win = draws["jackpot"].to_numpy()[1:][won[:-1]]
    assert after_win.max() < 2e7 < draws["jackpot"].max()


def test_policy_stays_on_the_grid_varies_and_falls_after_a_win(market_of: MarketOf) -> None:
    draws = play(market_of(game={"payout": "shared", "jackpot_odds_one_in": 2e7}), 500)
    jackpots = draws["jackpot"].to_numpy()
    assert jackpots.min() >= 5e6
    assert jackpots.max() <= 5e7
    assert ((jackpots - 5e6) % 5e5 == 0).all()
    assert np.log(jackpots).std() > 0.3
    after_win = jackpots[1:][(draws["jackpot_winners"] > 0).to_numpy()[:-1]]
    assert after_win.max() <= 8e6


@pytest.mark.parametrize(
    ("wanted", "announced"), [(1.0, 5.0), (5.69, 5.6), (5.7, 5.7), (6.4, 6.4), (6.45, 6.4), (9e9, 6.4)]
)
def test_grid_has_the_largest_jackpot_that_is_not_more(wanted: float, announced: float) -> None:
    """Steps of a tenth have no exact binary form; a cap between two steps is not announced."""
    limits = JackpotRange(start=5.0, cap=6.45, step=0.1)
    assert on_grid(limits, wanted) == pytest.approx(announced)


def test_policy_keeps_the_largest_change(market_of: MarketOf) -> None:
    limits = {"start": 5e6, "cap": 5e7, "step": 5e5, "largest_change": 2e6}
    jackpots = play(market_of(jackpot=limits), 300)["jackpot"]
    assert jackpots.diff().abs().max() == 2e6


def test_specials_are_named_and_large(market_of: MarketOf) -> None:
    calendar = {
        "time_zone": "Europe/London",
        "draw_days": [{"starts": "2016-01-01", "weekdays": ["wed", "sat"]}],
        "specials": [{"name": "year_end", "month_day": "12-31"}],
    }
    draws = play(market_of({"special_multiple": 15.0}, calendar=calendar))
    special = draws["special"] == "year_end"
    assert draws.loc[special, "draw_date"].dt.strftime("%Y-%m-%d").tolist() == ["2016-12-31"]
    assert draws.loc[special, "sales"].item() > 8 * draws.loc[~special, "sales"].median()


def test_longer_history_continues_the_shorter(market_of: MarketOf) -> None:
    market = market_of()
    pd.testing.assert_frame_equal(play(market, 40), play(market, 100).head(40))


@pytest.mark.parametrize("draws", [0, -3])
def test_history_without_draws_is_refused(market_of: MarketOf, draws: int) -> None:
    with pytest.raises(InputError, match="needs draws"):
        play(market_of(), draws)

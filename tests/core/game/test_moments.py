"""Expectations of a draw: closed forms, properties, extremes."""

from collections.abc import Callable
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.errors import InputError
from jackpot.game.moments import draw_moments, expected_value
from jackpot.market.schema import Market

MarketOf = Callable[..., Market]
P = 2.2e-8
POSTCODE = {"tickets_per_postcode": 20.0, "log_sd": 0.6}


@pytest.mark.parametrize(("b", "millions"), [(0.1, 7.75), (0.3, 19.67), (0.5, 28.41), (1.0, 42.61)])
def test_best_jackpot_at_constant_elasticity(market_of: MarketOf, b: float, millions: float) -> None:
    """value = S (1 - s) - S p J / x with S ~ J^b is largest at J = b / (1 + b) (1 - s) x / p."""
    market = market_of(secondary_share_of_sales=0.25)
    jackpots = np.arange(1_000_000, 60_000_000, 1_000, dtype=np.float64)
    best = jackpots[np.argmax(expected_value(market, 2.5, 11.75e6 * (jackpots / 15e6) ** b, jackpots))]
    assert best == pytest.approx(b / (1 + b) * 0.75 * 2.5 / P, abs=1_000)
    assert round(best / 1e6, 2) == millions


def test_value_takes_every_cost_once(market_of: MarketOf) -> None:
    market = market_of(
        costs={"good_cause_share_of_sales": 0.28, "tax_share_of_sales": 0.12, "fixed_per_draw": 1e5},
        payout="rollover",
        pool={"share_of_sales": 0.2},
        tiers=[
            {"name": "5", "odds_one_in": 1e5, "prize": 1000.0},
            {"name": "4", "odds_one_in": 1e3, "share_of_sales": 0.05},
        ],
    )
    moments = draw_moments(market, 2.5, 1e7, 1.5e7, 2e6)
    win = 1 - np.exp(-4e6 * P)
    assert moments.win_probability == pytest.approx(win)
    assert moments.pool_contribution == pytest.approx(2e6)
    assert moments.jackpot_cost == pytest.approx(win * (1.5e7 - 4e6))
    assert moments.jackpot_prizes == pytest.approx(win * 1.5e7)
    assert moments.secondary_prizes == pytest.approx(40 * 1000 + 5e5)
    assert expected_value(market, 2.5, 1e7, 1.5e7, 2e6) == pytest.approx(
        1e7 * 0.6 - 1e5 - win * 1.1e7 - 2e6 - 5.4e5, rel=1e-12
    )


def test_pool_over_the_announced_jackpot_is_paid_whole_and_costs_nothing_more(market_of: MarketOf) -> None:
    market = market_of(payout="rollover", pool={"share_of_sales": 0.2})
    moments = draw_moments(market, 2.5, 1e7, 1.5e7, 4e7)
    assert moments.jackpot_cost == 0
    assert moments.jackpot_prizes == pytest.approx(moments.win_probability * 4.2e7)


def test_conscious_selection_changes_the_chance_of_a_win_not_the_number_of_winners(market_of: MarketOf) -> None:
    alike, independent = (draw_moments(market_of(conscious_selection=c), 2.5, 5e7, 1e7) for c in (0.857, 1.0))
    assert alike.jackpot_prizes == independent.jackpot_prizes == pytest.approx(2e7 * P * 1e7)
    assert alike.win_probability == pytest.approx(1 - np.exp(-0.857 * 2e7 * P))
    assert alike.jackpot_prizes_variance > independent.jackpot_prizes_variance


@pytest.mark.parametrize("payout", ["per_winner", "shared"])
@pytest.mark.parametrize("odds", [1.0, 1e6, 1e12])
@pytest.mark.parametrize("sales", [0.01, 1e3, 1e9])
def test_no_digits_are_lost_at_extremes(market_of: MarketOf, payout: str, odds: float, sales: float) -> None:
    market = market_of(payout=payout, jackpot_odds_one_in=odds, conscious_selection=0.9)
    for jackpot in (1.0, 1e9):
        moments = draw_moments(market, 2.5, sales, jackpot)
        with localcontext() as context:
            context.prec = 60
            winners = Decimal(sales) / Decimal("2.5") / Decimal(odds)
            none = (-Decimal("0.9") * winners).exp()
            paid = Decimal(jackpot) * (winners if payout == "per_winner" else 1 - none)
            expected = {"win_probability": 1 - none, "jackpot_prizes": paid, "jackpot_cost": paid}
            if payout == "shared":
                expected["jackpot_prizes_variance"] = (1 - none) * none * Decimal(jackpot) ** 2
        for name, value in expected.items():
            assert float(getattr(moments, name)) == pytest.approx(float(value), rel=1e-12, abs=1e-300), name


def test_arguments_broadcast(market_of: MarketOf) -> None:
    market = market_of(payout="rollover", pool={"share_of_sales": 0.2}, secondary_share_of_sales=0.2)
    sales, jackpots, pools = np.full((3, 1, 1), 1e7), np.linspace(5e6, 5e7, 4), np.array([[0.0], [1e7]])
    moments = draw_moments(market, 2.5, sales, jackpots, pools)
    assert {value.shape for value in vars(moments).values()} == {(3, 2, 4)}
    assert expected_value(market, 2.5, sales, jackpots, pools).shape == (3, 2, 4)
    one = draw_moments(market, 2.5, 1e7, jackpots[2], 1e7)
    assert moments.jackpot_cost[1, 1, 2] == one.jackpot_cost


@settings(max_examples=60, deadline=None)
@given(
    payout=st.sampled_from(["shared", "per_winner", "rollover", "postcode"]),
    sales=st.floats(0, 1e11),
    jackpot=st.floats(1, 1e10),
    pool=st.floats(0, 1e10),
    more=st.floats(1, 3),
)
def test_ordering_of_every_convention(
    market_of: MarketOf, payout: str, sales: float, jackpot: float, pool: float, more: float
) -> None:
    extra = {"rollover": {"pool": {"share_of_sales": 0.3}}, "postcode": {"postcode": POSTCODE}}.get(payout, {})
    market = market_of(payout=payout, **extra)
    low = draw_moments(market, 2.5, sales, jackpot, pool)
    assert 0 <= low.win_probability <= 1
    assert 0 <= low.jackpot_cost <= low.jackpot_prizes
    assert low.jackpot_prizes_variance >= 0
    assert draw_moments(market, 2.5, sales, jackpot * more, pool).jackpot_cost >= low.jackpot_cost
    assert draw_moments(market, 2.5, sales * more, jackpot, pool).win_probability >= low.win_probability
    if payout != "rollover":
        assert low.jackpot_cost == low.jackpot_prizes


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((0.0, 1e6, 1e6, 0.0), "price"),
        ((np.inf, 1e6, 1e6, 0.0), "price"),
        ((2.5, [1e6, -1.0], 1e6, 0.0), "sales"),
        ((2.5, 1e6, np.nan, 0.0), "jackpot"),
        ((2.5, 1e6, 1e6, np.inf), "pool"),
    ],
)
def test_impossible_arguments_are_refused(market_of: MarketOf, arguments: tuple[float, ...], field: str) -> None:
    with pytest.raises(InputError) as caught:
        expected_value(market_of(), *arguments)
    assert caught.value.problems[0].field == field

"""What a draw pays out, expected: in closed form, for any number of sales and jackpots at once.

The mathematics: docs/decision.md, "Value".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from ..market.schema import Market
from .insurance import premium, retained, retained_per_winner
from .rollover import pool_draw
from .winners import group_rate, tier_variance_over_mean, variance_over_mean

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DrawMoments:
    """Expectations and variances of a draw's payments given its sales, each in the common shape of the arguments.

    In units of currency (variances in its square). `jackpot_prizes` is what players receive; `jackpot_cost` what it
    costs the operator beside the pool's share of sales: the same, except for `rollover`, where the pool is the
    players' and the operator pays only the top-up to the announced jackpot; less what insurance pays of it.
    `rolled_down` is what the tiers below receive of the pool, where nobody wins a draw that must be won or the pool is
    at its cap: it is no part of `secondary_prizes`.
    """

    win_probability: Array
    jackpot_prizes: Array
    jackpot_cost: Array
    pool_contribution: Array
    secondary_prizes: Array
    jackpot_prizes_variance: Array
    secondary_prizes_variance: Array
    rolled_down: Array
    insurance_premium: Array


def draw_moments(
    market: Market,
    price: float,
    sales: npt.ArrayLike,
    jackpot: npt.ArrayLike,
    pool: npt.ArrayLike = 0.0,
    must_be_won: npt.ArrayLike = False,
) -> DrawMoments:
    """Return the moments of a draw with `sales` at a ticket `price` and an announced `jackpot`.

    `sales`, `jackpot` and `pool` (what the rollover pool held before the draw) broadcast; all in units of currency.
    With N = sales / price tickets, m = N / odds expected winners and c of `winners.group_rate`, W = 1 - exp(-c m):

    - per_winner pays m J (conscious selection changes how winners bunch, not how many there are on average);
    - shared and postcode pay W J; rollover pays W max(J, pool + its share of sales), and where the draw
      `must_be_won` (or with the probability that it must) the same to the tiers below if nobody wins.

    Secondary prizes are N / odds * prize of a fixed class, a share of sales of a pari-mutuel one. One log-normal
    factor a draw, of mean one, over-disperses the winners of all classes together, hence the cost of the fixed ones.
    Raises InputError where an argument is negative or not finite, or the price is not positive.
    """
    sales, jackpot, pool = valid_arguments(price, sales, jackpot, pool)
    game = market.game
    winners = sales / price / game.jackpot_odds_one_in
    groups = group_rate(game) * winners
    win = -np.expm1(-groups)
    contribution = np.zeros_like(sales)
    rolled_down = np.zeros_like(sales)
    if game.payout == "per_winner":
        prizes = winners * jackpot
        cost = gross = prizes
        if market.insurance is not None:
            cost = retained_per_winner(market.insurance, game, winners, jackpot, win)
        variance = winners * variance_over_mean(game) * jackpot**2
    else:
        paid_if_won = cost_if_paid = jackpot
        paid_out = win
        if game.pool is not None:
            drawn = pool_draw(game.pool, sales, jackpot, pool)
            contribution, paid_if_won, cost_if_paid = drawn.contribution, drawn.jackpot, drawn.top_up
            if game.rolls_down:
                in_any_case = np.exp(-groups) * np.asarray(must_be_won, dtype=np.float64)
                rolled_down, paid_out = in_any_case * drawn.jackpot + drawn.spilled, win + in_any_case
        gross = paid_out * cost_if_paid
        cost = paid_out * retained(market.insurance, cost_if_paid)
        prizes = win * paid_if_won
        variance = win * np.exp(-groups) * paid_if_won**2
    secondary, secondary_variance = _secondary(market, price, sales)
    cover = premium(market.insurance, sales, gross - cost)
    return DrawMoments(win, prizes, cost, contribution, secondary, variance, secondary_variance, rolled_down, cover)


def expected_value(
    market: Market,
    price: float,
    sales: npt.ArrayLike,
    jackpot: npt.ArrayLike,
    pool: npt.ArrayLike = 0.0,
    must_be_won: npt.ArrayLike = False,
) -> Array:
    """Return what a draw is expected to leave the operator, in currency, in the common shape of the arguments.

    Sales less the jackpot's cost, the pool's contribution, secondary prizes (but for what expires into the operator's
    hands), insurance, costs by share of sales and fixed costs.
    Arguments and errors are those of `draw_moments`. It is linear in sales for `per_winner` alone: the expected value
    under a distribution of sales is the mean of this, not this at the mean.
    """
    moments = draw_moments(market, price, sales, jackpot, pool, must_be_won)
    kept = np.asarray(sales, dtype=np.float64) * (1.0 - market.costs.share_of_sales)
    paid = moments.jackpot_cost + moments.pool_contribution + moments.secondary_prizes * market.secondary_cost_share
    paid = paid + moments.insurance_premium
    return np.asarray(kept - paid - market.costs.fixed_per_draw, dtype=np.float64)


def valid_arguments(
    price: float, sales: npt.ArrayLike, jackpot: npt.ArrayLike, pool: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Return sales, jackpot and pool in their common shape; raise InputError where one of them makes no sense."""
    if not (price > 0 and math.isfinite(price)):
        raise InputError(Problem("a ticket's price must be positive", field="price", found=f"{price}"))
    arrays = {"sales": sales, "jackpot": jackpot, "pool": pool}
    values = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    for name, value in values.items():
        wrong = value[~(np.isfinite(value) & (value >= 0))]
        if wrong.size:
            raise InputError(
                Problem("not an amount of money", field=name, found=f"{wrong.flat[0]}", allowed="a finite number >= 0")
            )
    first, second, third = np.broadcast_arrays(*values.values())
    return first, second, third


def _secondary(market: Market, price: float, sales: Array) -> tuple[Array, Array]:
    """Return mean and variance of secondary prizes."""
    game = market.game
    fixed = [(tier.prize, tier.odds_one_in) for tier in game.tiers if tier.prize is not None]
    pari_mutuel = math.fsum(tier.share_of_sales or 0.0 for tier in game.tiers)
    dispersed = (math.fsum(prize / odds for prize, odds in fixed) / price + game.secondary_share_of_sales) * sales
    square = math.fsum(prize**2 / odds for prize, odds in fixed) / price * tier_variance_over_mean(game)
    variance = square * sales + math.expm1(game.secondary_log_sd**2) * dispersed**2
    return dispersed + pari_mutuel * sales, variance

"""What a draw pays out, realised: the random counterpart of `moments`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..market.schema import Market
from .insurance import retained
from .moments import valid_arguments
from .rollover import pool_draw
from .winners import draw_tier_winners, draw_winners, settled

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DrawOutcomes:
    """What draws really paid, each array in the common shape of the arguments; money in units of currency.

    `jackpot_cost` is the operator's part of the jackpot (for `rollover` the top-up alone), less what insurance pays;
    `secondary_paid` is the sum of `tier_paid` where the market lists its tiers, with what has `rolled_down` to them
    from the pool; `pool_after` is zero where there is no pool.
    """

    jackpot_winners: Counts
    jackpot_paid: Array
    jackpot_cost: Array
    secondary_paid: Array
    tier_winners: Mapping[str, Counts]
    tier_paid: Mapping[str, Array]
    pool_after: Array
    rolled_down: Array


def simulate_draws(
    market: Market,
    price: float,
    sales: npt.ArrayLike,
    jackpot: npt.ArrayLike,
    pool: npt.ArrayLike,
    rng: np.random.Generator,
    must_be_won: npt.ArrayLike = False,
) -> DrawOutcomes:
    """Draw outcomes whose means and variances are those of `moments.draw_moments`, one for each element.

    Arguments broadcast and raise as there. The money of a pari-mutuel class that nobody won goes to the next easier
    one; the easiest is always won, as in the rules of real games, which pay its money out in some way. What rolls down
    from the pool goes to the hardest class that somebody won.
    """
    sales, jackpot, pool = valid_arguments(price, sales, jackpot, pool)
    game = market.game
    tickets = sales / price
    winners = draw_winners(game, settled(tickets / game.jackpot_odds_one_in), rng)
    won = winners > 0
    pool_after, rolled_down = np.zeros_like(sales), np.zeros_like(sales)
    if game.payout == "per_winner":
        paid = winners * jackpot
        cost = paid
    elif game.pool is not None:
        drawn = pool_draw(game.pool, sales, jackpot, pool)
        out = won | np.asarray(must_be_won, dtype=bool)
        paid = np.where(won, drawn.jackpot, 0.0)
        cost = np.where(out, drawn.top_up, 0.0)
        pool_after = np.where(out, 0.0, drawn.carried)
        rolled_down = np.where(out & ~won, drawn.jackpot, 0.0) + drawn.spilled
    else:
        paid = np.where(won, jackpot, 0.0)
        cost = paid

    log_sd = game.secondary_log_sd
    factor = settled(rng.lognormal(-(log_sd**2) / 2, log_sd, sales.shape)) if log_sd > 0 else np.ones_like(sales)
    tier_winners = {
        tier.name: draw_tier_winners(game, settled(tickets / tier.odds_one_in * factor), rng) for tier in game.tiers
    }
    tier_paid = _pari_mutuel(market, sales, tier_winners)
    for tier in game.tiers:
        if tier.prize is not None:
            tier_paid[tier.name] = tier_winners[tier.name] * np.float64(tier.prize)
    start = game.secondary_share_of_sales * sales * factor
    if not game.tiers:
        start = start + rolled_down
    elif rolled_down.any():
        _roll_down(market, rolled_down, tier_winners, tier_paid)
    secondary = sum(tier_paid.values(), start=start)
    cost = retained(market.insurance, cost)
    return DrawOutcomes(winners, paid, cost, secondary, tier_winners, tier_paid, pool_after, rolled_down)


def _roll_down(market: Market, money: Array, winners: dict[str, Counts], paid: dict[str, Array]) -> None:
    """Add money of the pool to the hardest class that was won; puts a winner into the easiest where none was."""
    classes = sorted(market.game.tiers, key=lambda tier: -tier.odds_one_in)
    left = money
    for tier in classes:
        if tier is classes[-1]:
            winners[tier.name] = np.where(left > 0, np.maximum(winners[tier.name], 1), winners[tier.name])
        taken = np.where(winners[tier.name] > 0, left, 0.0)
        paid[tier.name] = paid[tier.name] + taken
        left = left - taken


def _pari_mutuel(market: Market, sales: Array, winners: dict[str, Counts]) -> dict[str, Array]:
    """Return what pari-mutuel classes pay; puts a winner into the easiest where it has none."""
    classes = [tier for tier in market.game.tiers if tier.share_of_sales is not None]
    classes.sort(key=lambda tier: -tier.odds_one_in)
    paid: dict[str, Array] = {}
    carried = np.zeros_like(sales)
    for tier in classes:
        money = carried + (tier.share_of_sales or 0.0) * sales
        if tier is classes[-1]:
            winners[tier.name] = np.where(money > 0, np.maximum(winners[tier.name], 1), winners[tier.name])
        paid[tier.name] = np.where(winners[tier.name] > 0, money, 0.0)
        carried = money - paid[tier.name]
    return paid

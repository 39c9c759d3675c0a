"""The law of one draw ahead: a few weighted outcomes of sales, winners and prizes for each candidate jackpot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..game.insurance import retained
from ..game.moments import draw_moments, expected_value
from ..game.rollover import pool_draw
from ..game.winners import winner_chances
from ..market.schema import Contribution, Market
from .claims import paid_at_once
from .situation import Array

SALES_BINS = 7
_HERMITE = ((-(3.0**0.5), 1 / 6), (0.0, 2 / 3), (3.0**0.5, 1 / 6))
_LEAST_CHANCE = 1e-10


@dataclass(frozen=True)
class DrawLaw:
    """Outcomes of a draw, each array of shape (outcomes, jackpots); the chances of a jackpot add up to 1.

    `prizes` is what the realised payout ratio counts of what players receive, `expected_jackpot` the expected jackpot
    prizes given the sales, `margin` what the draw leaves in the cash before what falls due of earlier draws, all in
    units of currency; `value` (jackpots,) is what it is expected to leave in the end, with no outcome cut off.
    """

    chance: Array
    sales: Array
    prizes: Array
    expected_jackpot: Array
    margin: Array
    value: Array

    def counted(self, rule: Contribution | None) -> Array:
        """Return the prizes that a payout ratio counts: those paid, or those accrued by its rule."""
        return self.prizes if rule is None else accrues(rule, self.sales, self.expected_jackpot)


def draw_law(market: Market, price: float, sales: Array, jackpots: Array, pool: float, must: float = 0.0) -> DrawLaw:
    """Return the law of a draw from samples of its sales, shape (samples, jackpots), at a ticket `price`.

    Sales are the means of `SALES_BINS` equal groups of ordered samples, winners are enumerated, and secondary prizes
    are log-normal by their two moments, on the three nodes of the Gauss-Hermite rule. With the probability `must` the
    draw pays its rollover pool out in any case.
    """
    value = expected_value(market, price, sales, jackpots, pool, must).mean(axis=0)
    nodes = ordered_means(sales, SALES_BINS)
    moments = draw_moments(market, price, nodes, jackpots, pool, must)
    game = market.game
    if game.payout == "per_winner":
        each = winner_chances(game, nodes / price / game.jackpot_odds_one_in)
        chances = [one for one in each if one.max() > _LEAST_CHANCE]
        paid = [np.broadcast_to(n * jackpots, nodes.shape) for n in range(len(chances))]
        cost = [retained(market.insurance, one) for one in paid]
    else:
        win = moments.win_probability
        chances, none = [1.0 - win, win], np.zeros_like(win)
        paid = [none, np.divide(moments.jackpot_prizes, win, out=none.copy(), where=win > 0)]
        cost = [none, np.divide(moments.jackpot_cost, win, out=none.copy(), where=win > 0)]
        if game.pool is not None and game.rolls_down:
            drawn = pool_draw(game.pool, nodes, *np.broadcast_arrays(jackpots, np.float64(pool)))
            borne = retained(market.insurance, drawn.top_up)
            chances = [(1.0 - win) * (1.0 - must), win, (1.0 - win) * must]
            paid = [one + drawn.spilled for one in (none, drawn.jackpot, drawn.jackpot)]
            cost = [none, borne, borne]
    chance, prizes, costs = np.stack(chances), np.stack(paid), np.stack(cost)
    luck = _HERMITE if float(moments.secondary_prizes_variance.max()) > 0 else ((0.0, 1.0),)
    secondary = [
        log_normal(moments.secondary_prizes, moments.secondary_prizes_variance, np.float64(normal))
        for normal, _ in luck
    ]
    kept = nodes * (1.0 - market.costs.share_of_sales) - moments.pool_contribution - market.costs.fixed_per_draw
    kept = kept - moments.insurance_premium
    counted, at_once = market.secondary_counted_share, paid_at_once(market.unclaimed)
    width = len(jackpots)

    def flat(arrays: list[Array]) -> Array:
        return np.concatenate([np.broadcast_to(one, chance.shape).reshape(-1, width) for one in arrays])

    total = flat([chance * weight for _, weight in luck])
    return DrawLaw(
        total / total.sum(axis=0),
        flat([nodes] * len(luck)),
        flat([prizes + one * counted for one in secondary]),
        flat([moments.jackpot_prizes + moments.rolled_down] * len(luck)),
        flat([kept - costs - one * at_once for one in secondary]),
        value,
    )


def accrues(rule: Contribution, sales: Array, expected_jackpot: Array) -> Array:
    """Return what draws add to the accrued prizes: a share of sales and, where it counts, the expected jackpot."""
    return np.asarray(
        rule.share_of_sales * sales + (expected_jackpot if rule.expected_jackpot else 0.0), dtype=np.float64
    )


def log_normal(mean: Array, variance: Array, normal: Array | np.float64) -> Array:
    """Return log-normal amounts with a mean and a variance, from standard normals; zeros where the mean is zero."""
    mean, variance = np.broadcast_arrays(mean, variance)
    square = np.log1p(np.divide(variance, mean**2, out=np.zeros(mean.shape), where=mean > 0))
    return np.asarray(mean * np.exp(np.sqrt(square) * normal - square / 2), dtype=np.float64)


def ordered_means(sales: Array, bins: int) -> Array:
    """Return the means of equal groups of the ordered samples of each jackpot, shape (bins, jackpots)."""
    if len(sales) <= bins:
        return sales
    ordered = np.sort(sales, axis=0)
    edges = np.linspace(0, len(sales), bins + 1).round().astype(np.int64)
    return np.add.reduceat(ordered, edges[:-1], axis=0) / np.diff(edges)[:, None]

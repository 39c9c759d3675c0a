"""The law of one draw ahead: a few weighted outcomes of sales, winners and prizes for each candidate jackpot.

The mathematics: docs/decision.md, "The law of a draw".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from ..game.insurance import retained
from ..game.moments import DrawMoments, draw_moments, expected_value
from ..game.rollover import pool_draw
from ..game.winners import winner_chances
from ..market.schema import Contribution, Market
from .claims import paid_at_once
from .situation import Array

_SALES = 12
_OUTCOMES = 600
_LUCK = (7, 25)
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


@lru_cache
def parts(count: int) -> Array:
    """Return where a distribution is cut into `count` parts, (count + 1,): smaller at the ends, for the tails."""
    return np.asarray((1.0 - np.cos(np.pi * np.arange(count + 1) / count)) / 2.0, dtype=np.float64)


@lru_cache
def luck_nodes(count: int) -> tuple[tuple[float, float], ...]:
    """Return the means of the `parts` of a standard normal, brought to unit variance, and the chance of each."""
    normal, edges = NormalDist(), parts(count)
    density = [0.0, *(normal.pdf(normal.inv_cdf(edge)) for edge in edges[1:-1]), 0.0]
    chances = np.diff(edges)
    means = -np.diff(density) / chances
    means = means / np.sqrt(chances @ means**2)
    return tuple(zip(means.tolist(), chances.tolist(), strict=True))


def draw_law(market: Market, price: float, sales: Array, jackpots: Array, pool: float, must: float = 0.0) -> DrawLaw:
    """Return the law of a draw from samples of its sales, shape (samples, jackpots), at a ticket `price`.

    Sales are the means of 12 `parts` of the ordered samples, winners are enumerated, and secondary prizes are
    log-normal by their two moments, in 7 parts, or up to 25 where winners are few. With the probability `must` the draw
    pays its rollover pool out in any case.
    """
    value = expected_value(market, price, sales, jackpots, pool, must).mean(axis=0)
    nodes, likely = sales_nodes(sales)
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
    luck: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    if float(moments.secondary_prizes_variance.max()) > 0:
        luck = luck_nodes(int(np.clip(_OUTCOMES // (len(chances) * len(nodes)), *_LUCK)))
    secondary = _at_their_mean(moments, luck)
    kept = nodes * (1.0 - market.costs.share_of_sales) - moments.pool_contribution - market.costs.fixed_per_draw
    kept = kept - moments.insurance_premium
    counted, at_once = market.secondary_counted_share, paid_at_once(market.unclaimed)
    width = len(jackpots)

    def flat(arrays: list[Array]) -> Array:
        return np.concatenate([np.broadcast_to(one, chance.shape).reshape(-1, width) for one in arrays])

    total = flat([chance * likely[:, None] * weight for _, weight in luck])
    return DrawLaw(
        total / total.sum(axis=0),
        flat([nodes] * len(luck)),
        flat([prizes + one * counted for one in secondary]),
        flat([moments.jackpot_prizes + moments.rolled_down] * len(luck)),
        flat([kept - costs - one * at_once for one in secondary]),
        value,
    )


def _at_their_mean(moments: DrawMoments, luck: Sequence[tuple[float, float]]) -> list[Array]:
    """Return the secondary prizes at each node of luck, given with its chance: together at their mean."""
    mean, variance = moments.secondary_prizes, moments.secondary_prizes_variance
    found = [log_normal(mean, variance, np.float64(normal)) for normal, _ in luck]
    reached = np.sum([chance * one for (_, chance), one in zip(luck, found, strict=True)], axis=0)
    return [np.divide(one * mean, reached, out=np.zeros_like(one), where=reached > 0) for one in found]


def mixed(laws: Sequence[tuple[float, DrawLaw]]) -> DrawLaw:
    """Return the law of a draw that follows one of several, each with its chance."""
    if len(laws) == 1:
        return laws[0][1]

    chance = np.concatenate([share * law.chance for share, law in laws])
    return DrawLaw(
        chance / chance.sum(axis=0),
        np.concatenate([law.sales for _, law in laws]),
        np.concatenate([law.prizes for _, law in laws]),
        np.concatenate([law.expected_jackpot for _, law in laws]),
        np.concatenate([law.margin for _, law in laws]),
        np.sum([share * law.value for share, law in laws], axis=0),
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


def sales_nodes(sales: Array) -> tuple[Array, Array]:
    """Return the means of the `parts` of the ordered samples of each jackpot, (parts, jackpots), and their chances."""
    if len(sales) <= _SALES:
        return sales, np.full(len(sales), 1.0 / len(sales))
    edges = np.unique((len(sales) * parts(_SALES)).round().astype(np.int64))
    size = np.diff(edges)
    return np.add.reduceat(np.sort(sales, axis=0), edges[:-1], axis=0) / size[:, None], size / len(sales)


def ordered_means(sales: Array, bins: int) -> Array:
    """Return the means of equal groups of the ordered samples of each jackpot, shape (bins, jackpots)."""
    if len(sales) <= bins:
        return sales
    ordered = np.sort(sales, axis=0)
    edges = np.linspace(0, len(sales), bins + 1).round().astype(np.int64)
    return np.add.reduceat(ordered, edges[:-1], axis=0) / np.diff(edges)[:, None]

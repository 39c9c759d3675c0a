"""Draws ahead if a jackpot is kept: sampled sales and prizes, with the same luck for every jackpot."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..game.moments import DrawMoments, draw_moments
from ..game.winners import variance_over_mean
from ..market.schema import Game
from .situation import Array, Situation

_RUNGS = 65
_SMALLEST_CHANCE = 1e-18


@dataclass(frozen=True)
class Outlook:
    """Draws ahead, each array of shape (samples, draws, jackpots), in units of currency.

    `prizes` is what players receive, jackpots and all else; `expected_jackpot` the expected jackpot prizes given the
    sales; `margin` what the draw leaves the operator.
    """

    sales: Array
    prizes: Array
    expected_jackpot: Array
    margin: Array


def hold(situation: Situation, jackpots: Array, dates: pd.DatetimeIndex) -> Outlook:
    """Return the draws on `dates` if each of the `jackpots` is kept; for rollover the pool, once it is larger.

    Common random numbers make the difference between two jackpots a difference of the jackpots, not of luck: a
    uniform a draw decides on the winners by the inverse of their distribution, a normal on the secondary prizes.
    """
    market = situation.market
    rng = np.random.default_rng([market.decision.seed, 1])
    shape = (market.decision.samples, len(dates), 1)
    uniform, normal = rng.random(shape), rng.standard_normal(shape)
    prices = [market.price_on(date.date()) for date in dates]
    parts = []
    if market.game.pool is None:
        sales = situation.sample_sales(jackpots, dates)
        for price, run in groupby(range(len(dates)), key=prices.__getitem__):
            days = list(run)
            part = sales[:, days, :]
            moments = draw_moments(market, price, part, jackpots, 0.0)
            parts.append(_settle(market.game, price, part, jackpots, moments, uniform[:, days], normal[:, days]))
    else:
        ladder = _Ladder(situation, dates)
        pool = np.full((shape[0], 1, len(jackpots)), situation.pool)
        for day, price in enumerate(prices):
            announced = np.maximum(jackpots, pool)
            part = ladder.sales(day, announced)
            moments = draw_moments(market, price, part, announced, pool)
            parts.append(_settle(market.game, price, part, announced, moments, uniform[:, [day]], normal[:, [day]]))
            pool = np.where(uniform[:, [day]] < moments.win_probability, 0.0, pool + moments.pool_contribution)
    sales, prizes, expected_jackpot, paid = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    margin = sales * (1.0 - market.costs.share_of_sales) - paid - market.costs.fixed_per_draw
    return Outlook(sales, prizes, expected_jackpot, margin)


def winner_distribution(game: Game, moments: DrawMoments, mean: Array) -> list[Array]:
    """Return P(n winners) for n = 0, 1, ... until hardly anything is left, given their `mean` number m.

    Negative binomial with variance m (1 + u), Poisson where u = 0: P(0) is P(nobody wins), and
    P(n + 1) = P(n) (m + n u) / ((n + 1) (1 + u)).
    """
    u = variance_over_mean(game) - 1.0
    largest = float(mean.max(initial=0.0))
    chances = [1.0 - moments.win_probability]
    for n in range(int(largest + 8 + 8 * (1 + u) * np.sqrt(largest))):
        chances.append(chances[-1] * (mean + n * u) / ((n + 1) * (1 + u)))
    return chances


def log_normal(mean: Array, variance: Array, normal: Array) -> Array:
    """Return log-normal amounts with a mean and a variance, from standard normals."""
    square = np.log1p(variance / np.maximum(mean, 1e-300) ** 2)
    return np.asarray(mean * np.exp(np.sqrt(square) * normal - square / 2), dtype=np.float64)


def _settle(
    game: Game, price: float, sales: Array, announced: Array, moments: DrawMoments, uniform: Array, normal: Array
) -> tuple[Array, Array, Array, Array]:
    """Return sales, prizes, expected jackpot prizes, and what the operator pays for prizes and into the pool."""
    secondary = log_normal(moments.secondary_prizes, moments.secondary_prizes_variance, normal)
    if game.payout == "per_winner":
        jackpot = cost = _winners(game, moments, sales / price / game.jackpot_odds_one_in, uniform) * announced
    else:
        won = uniform < moments.win_probability
        share = np.divide(won, moments.win_probability, out=np.zeros_like(sales), where=won)
        jackpot, cost = moments.jackpot_prizes * share, moments.jackpot_cost * share
    return sales, jackpot + secondary, moments.jackpot_prizes, cost + secondary + moments.pool_contribution


def _winners(game: Game, moments: DrawMoments, mean: Array, uniform: Array) -> Array:
    """Return numbers of winners: the inverse of `winner_distribution` at 1 - uniform."""
    u = variance_over_mean(game) - 1.0
    level = np.broadcast_to(1.0 - uniform, mean.shape).ravel()
    mean = mean.ravel()
    chance = 1.0 - moments.win_probability.ravel()
    reached = chance.copy()
    winners = np.zeros(mean.shape)
    left: npt.NDArray[np.intp] = np.flatnonzero(level > reached)
    mean, chance, reached, level = mean[left], chance[left], reached[left], level[left]
    n = 0
    while left.size:
        winners[left] += 1
        chance = chance * (mean + n * u) / ((n + 1) * (1 + u))
        reached = reached + chance
        n += 1
        more = (level > reached) & ((chance > _SMALLEST_CHANCE) | (n < mean))
        left, mean, chance, reached, level = left[more], mean[more], chance[more], reached[more], level[more]
    return winners.reshape(moments.win_probability.shape)


class _Ladder:
    """Sales at any jackpot of any sample: log-linear between sampled rungs, level beyond the last."""

    def __init__(self, situation: Situation, dates: pd.DatetimeIndex) -> None:
        bounds = situation.market.jackpot
        seen = max(situation.demand.largest_seen, float(situation.draws["jackpot"].max()), situation.pool)
        highest = max(2.0 * seen, 2.0 * bounds.start) if bounds.cap is None else max(bounds.cap, seen, situation.pool)
        rungs = np.geomspace(bounds.start, highest * (1 + 1e-9), _RUNGS)
        self.log_rungs = np.log(rungs)
        self.log_sales = np.log(situation.sample_sales(rungs, dates))
        self.rows = np.arange(self.log_sales.shape[0])[:, None]

    def sales(self, day: int, announced: Array) -> Array:
        """Return sales of one day, shape (samples, 1, jackpots) like `announced`."""
        wanted = np.log(announced[:, 0, :])
        place = np.clip(np.searchsorted(self.log_rungs, wanted, side="right") - 1, 0, _RUNGS - 2)
        width = self.log_rungs[place + 1] - self.log_rungs[place]
        weight = np.clip((wanted - self.log_rungs[place]) / width, 0.0, 1.0)
        log_sales = self.log_sales[:, day, :]
        low, high = log_sales[self.rows, place], log_sales[self.rows, place + 1]
        return np.asarray(np.exp(low + weight * (high - low)), dtype=np.float64)[:, None, :]

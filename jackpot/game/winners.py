"""How many tickets win.

Tickets that are picked alike win together. If groups of them win at rate c m, where m = N p is the expected number of
winners and 1/c the mean size of a group, then the number of winners is compound Poisson: its mean is m whatever c,
and P(nobody wins) = exp(-c m). Both payout per winner (mean) and payout once (probability) follow from that one law:

- independent picks: c = 1, the Poisson law;
- conscious selection: groups of logarithmic size, which makes the number negative binomial with a variance of
  m (1 + u), where log(1 + u) / u = c (Quenouille 1949);
- postcodes: a group is a Poisson number of tickets whose mean X is log-normal with mean k and log-sd s, so that
  c = E[1 - exp(-X)] / k and the variance is m (1 + k exp(s^2)). Nobody chooses numbers there, so conscious
  selection plays no part.

The mathematics: docs/decision.md, "Winners".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..market.schema import Game

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_MANTISSA = 2.0**30
_SUMMED_ONE_BY_ONE = 1_000
_MOST_WINNERS = 300.0


def group_rate(game: Game) -> float:
    """Return c, groups of winning tickets per expected winner: P(nobody wins) = exp(-c N p). In (0, 1]."""
    if game.postcode is None:
        return game.conscious_selection
    return _occupied(game.postcode.tickets_per_postcode, game.postcode.log_sd) / game.postcode.tickets_per_postcode


def variance_over_mean(game: Game) -> float:
    """Return the variance of the number of jackpot winners over its mean: 1 for independent picks."""
    if game.postcode is None:
        return 1.0 + _dispersion(game.conscious_selection)
    return tier_variance_over_mean(game)


def tier_variance_over_mean(game: Game) -> float:
    """Return the same for a prize class, given the draw's over-dispersion: above 1 where postcodes win together."""
    if game.postcode is None:
        return 1.0
    return 1.0 + game.postcode.tickets_per_postcode * math.exp(game.postcode.log_sd**2)


def winner_chances(game: Game, mean: Array) -> Iterator[Array]:
    """Yield P(n winners) for n = 0, 1, ... until hardly anything is left, given their `mean` number m.

    Negative binomial with variance m (1 + u), Poisson where u = 0: P(0) is P(nobody wins), and
    P(n + 1) = P(n) (m + n u) / ((n + 1) (1 + u)); in logs where P(0) is too small for a float.
    """
    u = variance_over_mean(game) - 1.0
    largest = float(mean.max(initial=0.0))
    # Far out each chance is u / (1 + u) times the one before.
    most = int(largest + 8 + 8 * (1 + u) * np.sqrt(largest) + 20 * u)
    if largest > _MOST_WINNERS:
        log = -group_rate(game) * mean
        yield np.exp(log)
        for n in range(most):
            log = log + np.log((mean + n * u) / ((n + 1) * (1 + u)))
            yield np.exp(log)
        return
    chance = np.exp(-group_rate(game) * mean)
    yield chance
    for n in range(most):
        chance = chance * (mean + n * u) / ((n + 1) * (1 + u))
        yield chance


def draw_winners(game: Game, mean: Array, rng: np.random.Generator) -> Counts:
    """Return random numbers of jackpot winners, in the shape of their `mean`."""
    if game.postcode is not None:
        return draw_tier_winners(game, mean, rng)
    dispersion = _dispersion(game.conscious_selection)
    if dispersion > 0:
        mean = settled(rng.gamma(mean / dispersion, dispersion))
    return np.asarray(rng.poisson(mean), dtype=np.int64)


def draw_tier_winners(game: Game, mean: Array, rng: np.random.Generator) -> Counts:
    """Return random numbers of winners of a prize class, in the shape of their `mean`."""
    if game.postcode is not None:
        groups = rng.poisson(settled(mean / game.postcode.tickets_per_postcode))
        mean = settled(_sum_of_groups(groups, game.postcode.tickets_per_postcode, game.postcode.log_sd, rng))
    return np.asarray(rng.poisson(mean), dtype=np.int64)


def settled(value: npt.ArrayLike) -> Array:
    """Return `value` at 30 bits (9 digits): its last bits differ between CPUs; what is drawn from it then does not.

    Works on the binary fraction, which no library rounds differently.
    """
    fraction, exponent = np.frexp(value)
    rounded: Array = np.ldexp(np.rint(fraction * _MANTISSA) / _MANTISSA, exponent)
    return rounded


def _sum_of_groups(groups: npt.NDArray[np.int64], mean: float, log_sd: float, rng: np.random.Generator) -> Array:
    """Return sums of `groups` log-normal sizes; sums of very many are gamma with the same mean and variance."""
    flat = np.ravel(groups)
    few = np.where(flat <= _SUMMED_ONE_BY_ONE, flat, 0)
    sizes = rng.lognormal(math.log(mean) - log_sd**2 / 2, log_sd, int(few.sum()))
    total = np.zeros(flat.size)
    np.add.at(total, np.repeat(np.arange(flat.size), few), sizes)
    many = flat > _SUMMED_ONE_BY_ONE
    if many.any():
        ratio = math.expm1(log_sd**2)
        total[many] = rng.gamma(flat[many] / ratio, mean * ratio) if ratio > 0 else flat[many] * mean
    return np.reshape(total, np.shape(groups))


@lru_cache(maxsize=64)
def _dispersion(c: float) -> float:
    """Return u >= 0 with log(1 + u) / u = c, by Newton down from the bound that log(1 + u) <= u / sqrt(1 + u) gives."""
    u = min((1 - c) / c * (1 + c) / c, 1e300)
    while u > 0:
        smaller = u - (c * u - math.log1p(u)) / (c - 1 / (1 + u))
        if not 0 < smaller < u:
            break
        u = smaller
    return u


@lru_cache(maxsize=64)
def _occupied(mean: float, log_sd: float) -> float:
    """Return E[1 - exp(-X)], X log-normal: the trapezoid rule, exact to rounding for an analytic normal integral."""
    z = np.linspace(-12.0, 12.0, 601)
    weight = np.exp(-(z**2) / 2)
    held = -np.expm1(-mean * np.exp(log_sd * z - log_sd**2 / 2))
    return float(held @ weight / weight.sum())

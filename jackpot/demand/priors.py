"""What other lotteries teach about one that has few draws of its own: pooled priors, wide and written down.

Elasticities measured on real games, by jackpot over the game's starting jackpot (a quadratic in log J with weekday and
year effects, fitted to each game's published draws):

| game | starting jackpot | elasticity at jackpot |
|---|---|---|
| Mega-Sena | 3M | 0.10 at 3M, 0.46 at 30M, 0.65 at 100M |
| EuroMillions UK 2016-23 | 17M | 0 at the start, 0.39 at 60M, 0.83 at 180M |
| Powerball, $2 | 20M | 0.3 at 100M, 1.5 at 400M |

Least squares through these eight points: elasticity = 0.03 + 0.29 log(J / start), residual standard deviation 0.3.
Tickets sold at an ordinary jackpot are about a ninth of the odds (Mega-Sena 0.24, EuroMillions 0.2, England 0.1,
Powerball 0.07, Timemania 0.03): log-sd 1.2, since a market has its own size.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from ..market.schema import Market
from .base import Array

ELASTICITY_AT_START: Final = 0.03
ELASTICITY_PER_LOG: Final = 0.29
ELASTICITY_SD: Final = 0.3
ELASTICITY_RANGE: Final = (0.05, 1.2)
SLOPE_RANGE: Final = 2.0
"""Elasticities at jackpots so far apart in logs have correlation exp(-1): between-game differences are shared."""

TICKETS_PER_ODDS: Final = 0.11
LEVEL_SD: Final = 1.2
NOISE_SD: Final = 0.1


def elasticity(log_jackpots: Array, log_start: float) -> Array:
    """Return the prior mean of d log S / d log J, shape of `log_jackpots`."""
    found: Array = np.clip(ELASTICITY_AT_START + ELASTICITY_PER_LOG * (log_jackpots - log_start), *ELASTICITY_RANGE)
    return found


def elasticity_covariance(log_jackpots: Array) -> Array:
    """Return the prior covariance of the elasticities at (k,) jackpots, shape (k, k)."""
    apart = np.abs(np.subtract.outer(log_jackpots, log_jackpots))
    covariance: Array = ELASTICITY_SD**2 * np.exp(-apart / SLOPE_RANGE)
    return covariance


def log_sales(market: Market, price: float) -> float:
    """Return the prior mean of log sales of an ordinary draw, from the odds and the price of a ticket."""
    return math.log(market.game.jackpot_odds_one_in * TICKETS_PER_ODDS * price)

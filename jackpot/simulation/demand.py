"""The truth of a simulated market as a demand: what a forecast would say that knew everything but the noise."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..demand.base import Demand, Elasticity
from ..market.schema import Market
from .play import play
from .truth import Array, Truth


class TrueDemand(Demand):
    """Sales of a simulated market after its history's last draw on or before a day, level and noise as they were.

    Raises InputError where the market has no `simulation` section.
    """

    def __init__(self, market: Market, last: pd.Timestamp) -> None:
        self.truth = Truth(market)
        self.simulation = self.truth.simulation
        played = play(market)
        past = played[played["draw_date"] <= last]
        self.level = float(past["log_level"].iloc[-1]) if len(past) else 0.0
        sd = self.simulation.noise_log_sd
        error = float(past["log_error"].iloc[-1]) + sd**2 / 2 if len(past) else 0.0
        self.noise = error / sd if sd > 0 else 0.0
        self.largest_seen = math.inf

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales over all noise, shape (d, k)."""
        logs = self.truth.log_calendar([date.date() for date in dates])[:, None] + self.truth.response(jackpots)
        return np.asarray(np.exp(logs + self.level), dtype=np.float64)

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k)."""
        from scipy.special import ndtri

        sd = self.simulation.noise_log_sd
        return np.asarray(self.mean(jackpots, dates) * np.exp(sd * ndtri(q) - sd**2 / 2)[:, None, None])

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k): the AR(1) noise goes on from its last value."""
        simulation, rng = self.simulation, np.random.default_rng(seed)
        shocks = rng.standard_normal((2, samples, len(dates)))
        noise = np.empty((samples, len(dates)))
        state = np.full(samples, self.noise)
        for t in range(len(dates)):
            state = simulation.noise_ar1 * state + math.sqrt(1 - simulation.noise_ar1**2) * shocks[0, :, t]
            noise[:, t] = state
        level = np.cumsum(simulation.level_log_sd * shocks[1], axis=1)
        logs = simulation.noise_log_sd * noise - simulation.noise_log_sd**2 / 2 + level
        return np.asarray(self.mean(jackpots, dates) * np.exp(logs)[:, :, None], dtype=np.float64)

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot; its band is a point."""
        known = self.truth.elasticity(jackpots)
        return [Elasticity(float(at), float(e), float(e), float(e)) for at, e in zip(jackpots, known, strict=True)]

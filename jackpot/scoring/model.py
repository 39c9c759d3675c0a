"""The model that a job scores with: its files, conditioned on the snapshot beside them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from ..demand.base import Demand
from ..demand.storage import ARRAYS, SCALARS, load_model
from ..errors import InputError, Problem
from ..history.snapshot import read_snapshot
from ..market.calendar import expected_draws_between
from ..market.loading import parse_market
from ..market.schema import Market
from ..ports import Files
from .curves import Curves

MARKET: Final = "market.yaml"
SNAPSHOT: Final = "snapshot.parquet"
MODEL_FILES: Final = (SCALARS, ARRAYS, MARKET, SNAPSHOT)


HORIZON_DAYS: Final = 400
"""Draws are forecast up to so many days ahead."""
REACH: Final = 100.0
"""A jackpot may be so many times the largest seen, or so small a part of the game's smallest."""


@dataclass(frozen=True)
class ScoringModel:
    """A conditioned model, the files that it came from, and which jackpots and days it is asked for."""

    files: Files
    demand: Demand
    market: Market
    as_of: dt.date
    last_draw: dt.date
    _curves: dict[tuple[float, ...], Curves] = field(init=False, default_factory=dict, repr=False, compare=False)

    @property
    def jackpots(self) -> tuple[float, float]:
        """The smallest and the largest jackpot that can be scored."""
        return self.market.jackpot.start / REACH, self.demand.largest_seen * REACH

    @property
    def last_day(self) -> dt.date:
        """The last day that can be scored."""
        return self.as_of + dt.timedelta(days=HORIZON_DAYS)

    def curves(self, quantiles: tuple[float, ...]) -> Curves:
        """Return the model as tables of median and quantiles, the same for the same quantiles."""
        if quantiles not in self._curves:
            self._curves[quantiles] = Curves(self.demand, np.array([0.5, *quantiles]), self.calendar)
        return self._curves[quantiles]

    @cached_property
    def calendar(self) -> pd.DatetimeIndex:
        """The draws that can be scored, by the market's calendar."""
        # A draw that should have taken place before `as_of` and is not in the data was not held.
        eve = max(self.last_draw, self.as_of - dt.timedelta(days=1))
        return pd.DatetimeIndex(expected_draws_between(self.market, eve, self.last_day + dt.timedelta(days=1)))


def load_scoring_model(files: Files, as_of: dt.date | None = None) -> ScoringModel:
    """Return the model in its files, conditioned on the draws beside it, as seen from `as_of`.

    Empty: the day after the last draw. Raises InputError where a file is missing or damaged, or holds no draw.
    """
    missing = [name for name in MODEL_FILES if name not in files]
    if missing:
        raise InputError(Problem("a file of the model is missing", where=", ".join(missing)))
    market = parse_market(files[MARKET], MARKET)
    draws = read_snapshot(files[SNAPSHOT], market)
    if not len(draws):
        raise InputError(Problem("no draws to forecast from", where=SNAPSHOT))
    last = pd.Timestamp(draws["draw_date"].iloc[-1]).date()
    demand = load_model(files).condition(draws, market)
    return ScoringModel(
        {name: files[name] for name in MODEL_FILES}, demand, market, as_of or last + dt.timedelta(days=1), last
    )

"""What a server should answer: questions about the coming draws, and the model's own answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from ..demand.base import Array
from ..scoring.model import ScoringModel

LEVELS: Final = (0.05, 0.95)
DRAWS: Final = 4


@dataclass(frozen=True)
class Expected:
    """Questions (jackpots and dates, (n,) each) and the model's own answers; `quantiles` is (len(LEVELS), n)."""

    jackpots: Array
    dates: list[str]
    mean: Array
    median: Array
    quantiles: Array
    elasticity: Array
    extrapolated: list[bool]


def expected(model: ScoringModel) -> Expected:
    """Ask the model for the next draws, each at jackpots from the smallest to beyond the largest seen."""
    start, largest = model.market.jackpot.start, model.demand.largest_seen
    jackpots = np.round(np.append(np.geomspace(start, largest, 7), [start / 2, largest * 1.5, largest * 5]), 2)
    path = model.calendar[:DRAWS]
    levels = np.array([0.5, *LEVELS])
    mean, quantiles = model.demand.mean(jackpots, path), model.demand.quantiles(jackpots, path, levels)
    elasticity = np.array([one.mean for one in model.demand.elasticity(jackpots)])
    return Expected(
        np.tile(jackpots, len(path)),
        [date.date().isoformat() for date in path for _ in jackpots],
        mean.ravel(),
        quantiles[0].ravel(),
        quantiles[1:].reshape(len(LEVELS), -1),
        np.tile(elasticity, len(path)),
        (np.tile(jackpots, len(path)) > largest).tolist(),
    )


def recent(model: ScoringModel, draws: pd.DataFrame, count: int) -> tuple[Array, list[str], Array]:
    """Return jackpots, coming draws of the same weekday, and sales of the last `count` ordinary draws, (n,)."""
    ordinary = draws[draws["special"].to_numpy(dtype=object) == ""].tail(count)
    coming = {date.dayofweek: date.date().isoformat() for date in reversed(model.calendar[:14])}
    first = model.calendar[0].date().isoformat()
    dates = [coming.get(date.dayofweek, first) for date in pd.DatetimeIndex(ordinary["draw_date"])]
    return ordinary["jackpot"].to_numpy(float), dates, ordinary["sales"].to_numpy(float)

"""What a forecast is made of, and what has moved since the last one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from ..market.schema import Market
from .base import Array, DemandModel
from .boosted import BoostedModel
from .combination import CombinationModel, CombinedDemand
from .state_space import StateSpaceDemand, StateSpaceModel

Explained = CombinedDemand | StateSpaceDemand


@dataclass(frozen=True)
class Part:
    """One part of a forecast: its log effect, and the same as a factor on sales (for `level`, sales themselves)."""

    name: str
    log_effect: float

    @property
    def factor(self) -> float:
        """Return exp of the effect."""
        return math.exp(self.log_effect)


def parts(demand: Explained, jackpot: float, dates: pd.DatetimeIndex) -> tuple[Part, ...]:
    """Return the parts of the median forecast of the last of the draws to come; their factors multiply to it.

    `level` is sales at the reference jackpot (the median of training) on an average date; `jackpot`, `weekday`,
    `days_since_last_draw`, `season`, `holidays_and_month`, `rollovers_and_habit`, the drivers that a history tells of
    (`marketing`, `sister_jackpot`), `last_errors` (what autocorrelation and boosting make of the last draws' errors)
    and `special` are effects over it.
    """
    return tuple(Part(name, effect) for name, effect in demand.log_parts(jackpot, dates).items())


def moved(
    before: Explained, now: Explained, jackpot: float, seen: pd.DatetimeIndex, dates: pd.DatetimeIndex
) -> tuple[Part, ...]:
    """Return how each part of the forecast of the last of `dates` changed between two states, largest change first.

    `seen` are the draws that the later state knows and the earlier one does not.
    """
    old = before.log_parts(jackpot, pd.DatetimeIndex([*seen, *dates]))
    changes = [Part(name, effect - old[name]) for name, effect in now.log_parts(jackpot, dates).items()]
    return tuple(sorted(changes, key=lambda part: -abs(part.log_effect)))


def standard_errors(model: DemandModel, draws: pd.DataFrame, market: Market) -> Array | None:
    """Return the standardised one-step errors of a fitted model's regression, (n,); None for one that has none."""
    while isinstance(model, CombinationModel | BoostedModel):
        model = model.members[0] if isinstance(model, CombinationModel) else model.regression
    return model.run(draws, market).standard if isinstance(model, StateSpaceModel) else None

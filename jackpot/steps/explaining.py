"""What a week's forecast is made of, what moved it since the week before, and what stood out in the history."""

from __future__ import annotations

import datetime as dt
import math
from typing import Final

import pandas as pd

from ..demand.base import Demand, DemandModel
from ..demand.explain import Explained, Part, moved, parts, standard_errors
from ..demand.flags import breaks_and_flags
from ..records import Explanation, ForecastPart, Recommendation, StoodOut
from .week import Week

WEEK: Final = dt.timedelta(days=7)


def explain_week(week: Week, model: DemandModel, demand: Demand, record: Recommendation) -> Explanation | None:
    """Return the explanation of a recommendation's forecast; None for a model whose forecast has no parts.

    Where no jackpot is recommended, that of keeping the last one is explained.
    """
    jackpot = record.jackpot if record.jackpot is not None else record.keep_last.jackpot
    if not isinstance(demand, Explained) or jackpot is None:
        return None
    market, draws = week.market, week.history.draws
    dates = pd.DatetimeIndex([record.draw_date])
    now = parts(demand, jackpot, dates)
    stood_out: tuple[StoodOut, ...] = ()
    errors = standard_errors(model, draws, market)
    if errors is not None:
        found = breaks_and_flags(draws, market, errors)
        stood_out = tuple(
            StoodOut(draw_date=f"{date:%Y-%m-%d}", kind=kind, what=what)
            for date, kind, what in zip(found["draw_date"], found["kind"], found["what"], strict=True)
        )
    known = (draws["draw_date"] < pd.Timestamp(week.as_of - WEEK)).to_numpy()
    changes: dict[str, Part] = {}
    if 0 < known.sum() < len(known):
        before = model.condition(draws[known].reset_index(drop=True), market)
        if isinstance(before, Explained):
            seen = pd.DatetimeIndex(draws["draw_date"][~known])
            changes = {part.name: part for part in moved(before, demand, jackpot, seen, dates)}
    median = math.exp(math.fsum(part.log_effect for part in now))
    change = math.exp(math.fsum(part.log_effect for part in changes.values()))
    return Explanation(
        jackpot=jackpot,
        median=median,
        median_before=median / change if changes else None,
        draws_since=int((~known).sum()) if changes else 0,
        parts=tuple(
            ForecastPart(
                name=part.name,
                factor=part.factor,
                change=changes[part.name].factor if part.name in changes else None,
            )
            for part in now
        ),
        stood_out=stood_out,
    )

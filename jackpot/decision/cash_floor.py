"""The operator's cash ahead if a jackpot is kept. Its figures leave this module in a CashOutlook alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..cash import CashOutlook
from ..market import schema
from .outlook import hold
from .situation import Array, Situation, portions

FAN = {"p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


def chance_of_floor(situation: Situation, cash_now: float, rule: schema.Cash) -> Callable[[Array], Array]:
    """Return what gives P(cash >= floor after each draw of the horizon, all of them together) at each jackpot."""
    dates = situation.dates(rule.horizon_draws)

    def chance(jackpots: Array) -> Array:
        each = 4 * situation.market.decision.samples * len(dates)
        lowest = [_cash(situation, cash_now, part, dates).min(axis=1) for part in portions(jackpots, each)]
        return np.concatenate([(cash >= rule.floor).mean(axis=0) for cash in lowest])

    return chance


def cash_outlook(situation: Situation, jackpot: float) -> CashOutlook | None:
    """Return the cash ahead at a jackpot; None without cash figures or without a floor."""
    rule, cash_now = situation.market.cash, situation.cash_now
    if rule is None or cash_now is None:
        return None
    dates = situation.dates(rule.horizon_draws)
    cash = _cash(situation, cash_now, np.array([jackpot]), dates)[:, :, 0]
    quantiles = dict(zip(FAN, np.quantile(cash, list(FAN.values()), axis=0), strict=True))
    kept = float((cash.min(axis=1) >= rule.floor).mean())
    fan = pd.DataFrame({"draw_date": dates, **quantiles})
    return CashOutlook(situation.market.currency, cash_now, rule.floor, rule.confidence, kept, fan)


def _cash(situation: Situation, cash_now: float, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
    """Return cash after each draw, shape (samples, draws, jackpots)."""
    return np.asarray(cash_now + hold(situation, jackpots, dates).margin.cumsum(axis=1), dtype=np.float64)

"""Prizes that are claimed late, or never: when what a draw's winners are owed leaves the cash.

The mathematics: docs/decision.md, "Claims".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import Unclaimed
from .situation import Array, Situation


def paid_at_once(rule: Unclaimed | None) -> float:
    """Return the share of secondary prizes that leaves the cash with the draw."""
    return 1.0 if rule is None else 1.0 - rule.late_share - rule.expired_share


def falls_due(rule: Unclaimed, dates: pd.DatetimeIndex, secondary: Array) -> Array:
    """Return what falls due at each draw of the secondary prizes of earlier ones, in currency.

    `secondary` and the result have the draws of `dates` on their last axis. Late claims are paid, and expired prizes
    handed to good causes, at the first draw on or after their day; what the operator keeps never falls due.
    """
    due = np.zeros_like(secondary)
    for share, falls in when_due(rule, dates):
        for t in np.flatnonzero(falls < len(dates)):
            due[..., falls[t]] += share * secondary[..., t]
    return due


def when_due(rule: Unclaimed, dates: pd.DatetimeIndex) -> list[tuple[float, npt.NDArray[np.intp]]]:
    """Return the shares of a draw's secondary prizes that fall due later, and at which draw those of each draw do.

    That is the number of draws where it is none of them.
    """
    handed_on = rule.expired_share if rule.expired_go_to == "good_causes" else 0.0
    each = ((rule.late_share, rule.late_days), (handed_on, rule.expires_after_days))
    return [(share, np.asarray(dates.searchsorted(dates + pd.Timedelta(days=days)))) for share, days in each]


def due_ahead(situation: Situation, dates: pd.DatetimeIndex, secondary: Array, past: int = 0) -> Array:
    """Return what falls due at the last `past` draws and at those of `dates`, from the prizes of all before them.

    `secondary` (..., draws) are the prizes of the draws ahead; those of a past draw are what was won in it, or what its
    sales let expect where that is not known.
    """
    rule, draws, market = situation.market.unclaimed, situation.draws, situation.market
    count = past + len(dates)
    if rule is None:
        return np.zeros((*secondary.shape[:-1], count))
    before = pd.DatetimeIndex(draws["draw_date"])
    sales = draws["sales"].to_numpy(dtype=np.float64)
    expected = sales * [market.expected_secondary_share(market.price_on(date.date())) for date in before]
    won = draws["secondary_paid"].to_numpy(dtype=np.float64)
    won = np.broadcast_to(np.where(np.isnan(won), expected, won), (*secondary.shape[:-1], len(before)))
    due = falls_due(rule, pd.DatetimeIndex(before.append(dates)), np.concatenate([won, secondary], axis=-1))
    return np.asarray(due[..., due.shape[-1] - count :], dtype=np.float64)

"""Whether the draws since training are of the kind that the model was trained on."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from ..demand.common import ordinary
from ..market.schema import Market
from ..records import Detected

SMALLEST_AFTER_PRICE: int = 8
"""Draws at a new price after which a model that never saw it is to be trained anew."""


def data_drift(draws: pd.DataFrame, market: Market, trained_before: dt.date) -> tuple[Detected, ...]:
    """Return what is new in the draws from `trained_before` on: price, jackpots, weekdays, days between draws."""
    kept = draws[ordinary(draws)]
    new = (kept["draw_date"] >= pd.Timestamp(trained_before)).to_numpy()
    if not new.any() or new.all():
        return ()
    before, since = kept[~new], kept[new]
    return (
        _price(since, market, trained_before),
        _jackpots(before, since),
        _weekdays(before, since),
        _gaps(kept, new),
    )


def _price(since: pd.DataFrame, market: Market, trained_before: dt.date) -> Detected:
    last = since["draw_date"].iloc[-1].date()
    changes = [regime for regime in market.prices if trained_before <= regime.starts <= last]
    if not changes:
        return Detected(name="price", state="quiet", evidence="no new price since training")
    at_new = int((since["draw_date"] >= pd.Timestamp(changes[-1].starts)).sum())
    return Detected(
        name="price",
        state="retrain" if at_new >= SMALLEST_AFTER_PRICE else "watch",
        evidence=f"the price is {changes[-1].price:g} since {changes[-1].starts}; {at_new} draws at it so far",
        since=changes[-1].starts.isoformat(),
        draws=at_new,
    )


def _jackpots(before: pd.DataFrame, since: pd.DataFrame) -> Detected:
    low, high = float(before["jackpot"].min()), float(before["jackpot"].max())
    outside = (since["jackpot"] < low) | (since["jackpot"] > high)
    if not outside.any():
        return Detected(name="jackpot_range", state="quiet", evidence="all jackpots are within those of training")
    first = since.loc[outside, "draw_date"].iloc[0].date().isoformat()
    return Detected(
        name="jackpot_range",
        state="watch",
        evidence=f"{int(outside.sum())} of {len(since)} jackpots are outside those of training, {low:,.0f} to "
        f"{high:,.0f}",
        since=first,
        draws=int(outside.sum()),
    )


def _weekdays(before: pd.DataFrame, since: pd.DataFrame) -> Detected:
    unseen = ~since["draw_date"].dt.dayofweek.isin(before["draw_date"].dt.dayofweek.unique())
    if not unseen.any():
        return Detected(name="weekday", state="quiet", evidence="all draws are on weekdays of training")
    days = ", ".join(sorted(set(since.loc[unseen, "draw_date"].dt.day_name())))
    first = since.loc[unseen, "draw_date"].iloc[0].date().isoformat()
    return Detected(
        name="weekday",
        state="retrain" if int(unseen.sum()) >= SMALLEST_AFTER_PRICE else "watch",
        evidence=f"{int(unseen.sum())} draws on a weekday that training did not have: {days}",
        since=first,
        draws=int(unseen.sum()),
    )


def _gaps(kept: pd.DataFrame, new: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Detected:
    dates = pd.DatetimeIndex(kept["draw_date"])
    days = np.append(np.nan, np.diff(dates) / np.timedelta64(1, "D"))
    longest = float(np.nanmax(days[~new])) if (~new).sum() > 1 else np.inf
    over = new & (days > longest)
    if not over.any():
        return Detected(name="gap", state="quiet", evidence="no longer break between draws than in training")
    return Detected(
        name="gap",
        state="watch",
        evidence=f"{np.nanmax(days[over]):.0f} days without a draw, where training had {longest:.0f} at most",
        since=dates[over][0].date().isoformat(),
        draws=int(over.sum()),
    )

"""Draws and dates out of the ordinary that no market file declares: specials, and lasting changes of level."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..market.schema import WEEKDAYS, Market
from .base import Array
from .common import ordinary
from .specials import held

OUTSIDE = 5
"""A draw is flagged by what stands out against so many ordinary draws before it, at least."""
GAP_FACTOR, JUMP_FACTOR = 2.0, 3.0
"""Days since the last draw over the usual, and the jackpot over the largest of a year's draws."""
YEAR = 156
FLAGGED_TRUST = 0.25
BREAK_STANDARD, BREAK_LENGTH = 1.5, 5


def undeclared(draws: pd.DataFrame, market: Market) -> list[str]:
    """Return for each draw why it looks like a special that no market file declares; empty for an ordinary one.

    A jackpot of more than three times the largest of the year before, or a weekday that neither the rhythm of its date
    nor any draw of that year has. A gap of more than twice the usual days, which missing rows leave too, and a weekday
    off the rhythm that was seen before count only together. Nothing but dates and jackpots is read, of the draw itself
    and of those before it, so a draw is flagged before its sales are known.
    """
    dates = pd.DatetimeIndex(draws["draw_date"])
    days = np.diff(dates.to_numpy(), prepend=dates.to_numpy()[:1]) / np.timedelta64(1, "D")
    jackpots, weekdays = draws["jackpot"].to_numpy(float), dates.dayofweek.to_numpy()
    off = off_days(dates, market)
    reasons = []
    for t in range(len(dates)):
        if t < OUTSIDE:
            reasons.append("")
            continue
        year = slice(max(0, t - YEAR), t)
        found = []
        if off[t]:
            found.append(f"a {dates[t]:%A}")
        if days[t] > GAP_FACTOR * float(np.median(days[max(1, t - 20) : t])):
            found.append(f"{days[t]:.0f} days after the draw before")
        jump = jackpots[t] > JUMP_FACTOR * float(jackpots[year].max())
        if jump:
            found.append("a jackpot over three times the largest of a year")
        new_weekday = off[t] and weekdays[t] not in weekdays[year]
        reasons.append(", ".join(found) if jump or new_weekday or len(found) > 1 else "")
    return reasons


def off_days(dates: pd.DatetimeIndex, market: Market) -> list[bool]:
    """Return whether each date's weekday is none of the rhythm that the market file lists for it."""
    regimes = market.calendar.draw_days
    result = []
    for date in dates:
        regime = [one for one in regimes if one.starts <= date.date()] or [regimes[0]]
        result.append(WEEKDAYS[date.dayofweek] not in regime[-1].weekdays)
    return result


def trust(draws: pd.DataFrame, market: Market, names: list[str]) -> Array:
    """Return how far each draw trains the model, shape (n,): 0 a declared special, a quarter a flagged draw, else 1."""
    flagged = undeclared(draws, market)
    return np.array([0.0 if name else FLAGGED_TRUST if why else 1.0 for name, why in zip(names, flagged, strict=True)])


def breaks_and_flags(draws: pd.DataFrame, market: Market, standard_errors: Array) -> pd.DataFrame:
    """Return what stood out in a history, for the report: draw_date, kind and what, in order of date.

    Kinds: `special` (a special that the market file does not declare, down-weighted in training), `price` (a new price,
    for which the level was widened) and `level` (five standardised one-step errors in a row, (n,), whose mean is beyond
    1.5: the level broke at the first of them that is, and was followed).
    """
    dates = pd.DatetimeIndex(draws["draw_date"])
    flagged = zip(dates, held(draws, market), undeclared(draws, market), strict=True)
    rows = [(date, "special", why) for date, name, why in flagged if why and not name]
    for earlier, later in zip(market.prices, market.prices[1:], strict=False):
        if len(dates) and dates[0] < pd.Timestamp(later.starts) <= dates[-1]:
            rows.append((pd.Timestamp(later.starts), "price", f"from {earlier.price:g} to {later.price:g} a ticket"))
    usual = np.clip(np.where(ordinary(draws), standard_errors, 0.0), -4, 4)
    if len(usual) >= BREAK_LENGTH:
        means = np.convolve(usual, np.ones(BREAK_LENGTH) / BREAK_LENGTH, mode="valid")
        last = -BREAK_LENGTH * 4
        for t in np.flatnonzero(np.abs(means) > BREAK_STANDARD):
            if t - last >= BREAK_LENGTH * 4:
                way, sign = ("above", 1) if means[t] > 0 else ("below", -1)
                began = int(t + np.argmax(sign * usual[t : t + BREAK_LENGTH] > BREAK_STANDARD))
                rows.append((dates[began], "level", f"five draws on average well {way} the forecast"))
                last = int(t)
    table = pd.DataFrame(rows, columns=["draw_date", "kind", "what"])
    return table.sort_values("draw_date", kind="stable", ignore_index=True)

"""What a history must look like as a whole: its scale, its bounds, its prizes and its calendar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import Problem
from ..market.calendar import expected_draws_between
from ..market.schema import Market
from .cells import Bools, Fault, Floats
from .findings import LAST_DRAWS, Findings

WINDOW = 51
"""Draws of the running median that a draw's sales are compared with."""
SLIP = 100.0
"""A figure so many times too large or small is in another unit: as by a thousandfold slip."""
SALES_PER_JACKPOT = (0.005, 200.0)
"""The median of sales over jackpot lies between 0.05 and 20 on real games; outside these bounds a unit is wrong."""
SPECIAL_MULTIPLE = 5.0
"""A draw off the calendar that sells so many times the running median is no ordinary one."""
PRIZES_PER_SALES = 20.0
MOVED_DAYS = 3
LONGEST_PAUSE_DAYS = 366


def _running_median(values: Floats) -> Floats:
    median: Floats = pd.Series(values).rolling(WINDOW, center=True, min_periods=1).median().to_numpy(dtype=np.float64)
    return median


def check_sales_scale(
    findings: Findings, market: Market, sales: Floats, jackpot: Floats, special: Any, good: Bools, found: Sequence[str]
) -> None:
    """Note sales in another unit: single rows and blocks against the running median, the whole against the market."""
    name = market.history.columns.sales
    ordinary = np.flatnonzero(good & (special == ""))
    if not len(ordinary):
        return
    level = float(np.median(sales[ordinary]))
    expected = market.simulation.mean_sales if market.simulation else None
    per_jackpot = float(np.median(sales[ordinary] / jackpot[ordinary]))
    whole_file = expected is not None and not 1 / SLIP < level / expected < SLIP
    if whole_file or not SALES_PER_JACKPOT[0] < per_jackpot < SALES_PER_JACKPOT[1]:
        seen = f"a median of {level:,.0f} at jackpots around {float(np.median(jackpot[ordinary])):,.0f}"
        like = f"around {expected:,.0f}, as simulation.mean_sales says" if whole_file else "the currency's own units"
        hint = "see history.money_unit, history.decimal and history.thousands"
        findings.errors.append(Problem("sales are in another unit", findings.where, name, None, seen, like, hint))
        return
    local = _running_median(sales[ordinary])
    off = np.zeros(len(sales), dtype=bool)
    for reference in (local, np.full(len(ordinary), level)):
        ratio = sales[ordinary] / reference
        off[ordinary] |= (ratio > SLIP) | (ratio < 1 / SLIP)
    hint = "in another unit, or a special draw to declare in calendar.specials?"
    fault = Fault(off, f"is {SLIP:.0f} times off the usual sales or more", f"around {level:,.0f}", hint)
    findings.bad(fault, name, found)


def check_jackpots(findings: Findings, market: Market, jackpot: Floats, good: Bools, found: Sequence[str]) -> None:
    """Note jackpots in another unit, and warn of those below `jackpot.start` or above `jackpot.cap`."""
    name, bounds = market.history.columns.jackpot, market.jackpot
    top = bounds.cap or max(bounds.start, 10 * float(np.median(jackpot[good])))
    with np.errstate(invalid="ignore"):
        off = good & ((jackpot < bounds.start / SLIP) | (jackpot > top * SLIP))
        low, high = good & ~off & (jackpot < bounds.start), good & ~off & (jackpot > (bounds.cap or np.inf))
    hint = "in another unit? See history.money_unit, history.decimal and history.thousands"
    allowed = f"from {bounds.start:,.0f}" + (f" to {bounds.cap:,.0f}" if bounds.cap else "")
    findings.bad(Fault(off, f"is {SLIP:.0f} times outside the jackpot's bounds or more", allowed, hint), name, found)
    findings.warn(low, "is below the smallest jackpot (jackpot.start)", name, found, allowed=allowed)
    findings.warn(high, "is above the largest jackpot (jackpot.cap)", name, found, allowed=allowed)


def check_prizes(findings: Findings, market: Market, draws: pd.DataFrame) -> None:
    """Warn of prizes that do not fit sales, and of jackpots won and not paid or paid and not won."""
    names = market.history.columns
    sales = draws["sales"].to_numpy()
    paid = draws["jackpot_paid"].fillna(0.0) + draws["secondary_paid"].fillna(0.0)
    mask = (paid > PRIZES_PER_SALES * sales).to_numpy()
    found = [
        f"{prizes:,.0f} against sales of {sold:,.0f}" for prizes, sold in zip(paid[mask], sales[mask], strict=True)
    ]
    message = f"prizes are more than {PRIZES_PER_SALES:.0f} times sales"
    findings.warn(mask, message, "", _spread(mask, found))

    ordinary = (draws["special"] == "").to_numpy(dtype=bool)
    share = (draws["secondary_paid"] / sales)[ordinary].dropna()
    expected = market.expected_secondary_share(market.price_on(draws["draw_date"].iloc[-1].date()))
    if len(share) and expected > 0 and not 1 / 30 < float(share.mean()) / expected < 30:
        findings.warnings.append(
            Problem(
                "secondary prizes are in another unit, or do not fit the game's tiers",
                findings.where,
                names.secondary_paid or "",
                None,
                f"{float(share.mean()):.2%} of sales",
                f"about {expected:.0%} by the market file",
                severity="warning",
            )
        )
    if names.jackpot_prizes is not None and names.jackpot_prizes.winners is not None:
        winners = draws["jackpot_winners"]
        unpaid = ((winners > 0) & (draws["jackpot_paid"] == 0)).fillna(False).to_numpy(dtype=bool)
        unwon = ((winners == 0) & (draws["jackpot_paid"] > 0)).fillna(False).to_numpy(dtype=bool)
        shown = [str(count) for count in winners]
        findings.warn(unpaid, "the jackpot was won and nothing was paid", names.jackpot_prizes.winners, shown)
        findings.warn(unwon, "the jackpot was paid and nobody won it", names.jackpot_prizes.winners, shown)


def _spread(mask: Bools, values: Sequence[str]) -> list[str]:
    """Return one text a row, `values` where the mask holds."""
    found = np.full(len(mask), "", dtype=object)
    found[mask] = values
    texts: list[str] = found.tolist()
    return texts


def check_calendar(
    findings: Findings, market: Market, draws: pd.DataFrame, put_aside: pd.Series[Any], as_of: dt.date | None
) -> None:
    """Warn of draws missing from the calendar or off it, and of specials it does not declare.

    Dates of rows `put_aside` are told already and are not missing. A draw off the calendar within 3 days of a missing
    one is that one, moved. A pause of more than a year before one of the last draws is an error: a mistyped year would
    move the recommendation with it.
    """
    column = market.history.columns.draw_date
    days = _days(draws["draw_date"].to_numpy())
    texts = [f"{day:%Y-%m-%d}" for day in draws["draw_date"]]
    recent = np.arange(len(days)) >= max(1, len(days) - LAST_DRAWS)
    pause = np.diff(days, prepend=days[0])
    findings.error(
        recent & (pause > LONGEST_PAUSE_DAYS),
        "comes more than a year after the draw before it",
        column,
        texts,
        hint="correct the date, or begin with it: history.starts",
    )
    if findings.errors:
        return
    first, last = draws["draw_date"].iloc[0].date(), draws["draw_date"].iloc[-1].date()
    end = last + dt.timedelta(days=1) if as_of is None else min(as_of, last + dt.timedelta(days=LONGEST_PAUSE_DAYS))
    between = expected_draws_between(market, first - dt.timedelta(days=1), end)
    expected = _days(np.array(between, dtype="datetime64[D]"))
    ordinary = (draws["special"] == "").to_numpy(dtype=bool)
    # Of the time before its first rhythm a calendar says nothing.
    known = _days(np.array(market.calendar.draw_days[0].starts, dtype="datetime64[D]"))
    off = ordinary & ~np.isin(days, expected) & (days >= known)
    missing = np.setdiff1d(expected[expected >= known], [*days, *_days(put_aside.dropna().to_numpy())])
    # A missing draw is explained by a draw off its day, or a special, close by.
    moved = _near(missing, np.sort(days[off | ~ordinary]), MOVED_DAYS)
    late = missing > days[-1]
    gaps = missing[~moved & ~late]
    for which, message in (
        (gaps, "draws that the calendar expects are missing"),
        (missing[late], "the history ends before the day asked for: draws that the calendar expects are not in it"),
    ):
        if len(which):
            shown = ", ".join(which[:3].astype("datetime64[D]").astype(str))
            found = f"{len(which)}: {shown}{', ...' if len(which) > 3 else ''}"
            findings.warnings.append(Problem(message, findings.where, column, None, found, severity="warning"))

    sales = draws["sales"].to_numpy()
    unusual = off & (sales > SPECIAL_MULTIPLE * _running_median(np.where(ordinary, sales, np.nan)))
    usual_off = off & ~unusual
    findings.warn(usual_off, "is no draw day of the calendar", column, texts, hint="see calendar.draw_days")
    message = f"is off the calendar with over {SPECIAL_MULTIPLE:.0f} times the usual sales"
    findings.warn(unusual, message, column, texts, hint="a special draw? Declare it in calendar.specials")


def _days(dates: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """Return days since 1970-01-01."""
    return dates.astype("datetime64[D]").astype(np.int64)


def _near(days: npt.NDArray[np.int64], others: npt.NDArray[np.int64], distance: int) -> Bools:
    """Return which days have one of the sorted others within a distance."""
    between: Bools = np.searchsorted(others, days - distance) < np.searchsorted(others, days + distance, side="right")
    return between

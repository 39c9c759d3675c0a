"""The ledger of the regulator's payout ratio: what each draw has added to prizes and sales, and when it is tested.

The mathematics: docs/decision.md, "The sum".
"""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..game.moments import draw_moments
from ..game.rollover import must_be_won
from ..market.calendar import draw_dates
from ..market.schema import Cash, PayoutRatio
from .claims import due_ahead, paid_at_once
from .draw_law import accrues
from .situation import Array, Mask, Situation, rollovers_before


@dataclass(frozen=True)
class Ledger:
    """Prizes and sales of the draws so far, in currency, one element a draw; `unknown` says why it cannot be used.

    `missing_draws` is how many draws the history is short of the window.
    """

    prizes: Array
    sales: Array
    unknown: str
    missing_draws: int

    def surplus(self, rule: PayoutRatio) -> Array:
        """Return what each draw adds to the surplus x: prizes - F * sales; C * sales - prizes where only C is given."""
        return surplus(rule, self.prizes, self.sales)


def surplus(rule: PayoutRatio, prizes: Array, sales: Array) -> Array:
    """Return the surplus over the floor, or under the ceiling where there is no floor."""
    if rule.floor is not None:
        return np.asarray(prizes - rule.floor * sales, dtype=np.float64)
    return np.asarray((rule.ceiling or 0.0) * sales - prizes, dtype=np.float64)


@dataclass(frozen=True)
class Timeline:
    """The draws of a plan: from the first of the named period, of which `past` are over, to the horizon's end.

    Arrays have an element a draw: `tested`, `last` of a named period, `counted` in its test.
    """

    past: int
    tested: Mask
    last: Mask
    counted: Mask
    dates: pd.DatetimeIndex
    """Of the draws that are not over."""

    @property
    def left(self) -> int:
        """How many draws of the named period are to come."""
        return int(np.flatnonzero(self.last)[0]) + 1 - self.past


def draw_margins(situation: Situation, count: int) -> Array:
    """Return what each of the last `count` draws left in the cash, NaN where the prizes paid are not known."""
    market, draws = situation.market, situation.draws
    sales, paid, secondary = (
        draws[name].to_numpy(dtype=np.float64) for name in ("sales", "jackpot_paid", "secondary_paid")
    )
    into = np.zeros(len(draws))
    if market.game.pool is not None:
        into = market.game.pool.share_of_sales * sales
        held = draws["pool"].shift(1).to_numpy(dtype=np.float64)
        if not market.game.rolls_down:
            paid = np.where(paid > 0, np.maximum(paid - held - into, 0.0), paid)
        else:
            # What rolled down stands among secondary prizes, and came out of the pool.
            out = held + into - draws["pool"].to_numpy(dtype=np.float64)
            out = np.where(out > 1e-9 * (held + into), out, 0.0)
            down = np.minimum(np.maximum(out - paid, 0.0), secondary)
            paid, secondary = np.maximum(paid - out, 0.0), secondary - down
    kept = sales * (1.0 - market.costs.share_of_sales) - market.costs.fixed_per_draw
    if market.insurance is not None:
        paid = np.minimum(paid, market.insurance.excess)
        kept = kept - _past_moments(situation, draws, "insurance_premium")
    if market.unclaimed is not None:
        secondary = secondary * paid_at_once(market.unclaimed)
        kept = kept - due_ahead(situation, pd.DatetimeIndex([]), np.zeros(0), len(draws))
    left = kept - paid - into - secondary
    return np.asarray(left[len(left) - count :], dtype=np.float64)


def ledger_of(situation: Situation, rule: PayoutRatio, needed: int) -> Ledger:
    """Return the ledger; it is unknown where one of the last `needed` draws lacks the prizes really paid."""
    draws = situation.draws
    sales = draws["sales"].to_numpy(dtype=np.float64)
    missing = max(needed - len(draws), 0) if rule.tested != "year_end" else 0
    if rule.contribution is not None:
        expected = np.zeros(len(draws))
        if rule.contribution.expected_jackpot:
            expected = _past_moments(situation, draws, "jackpot_prizes", "rolled_down")
        return Ledger(accrues(rule.contribution, sales, expected), sales, "", missing)
    counted = draws["secondary_paid"] * situation.market.secondary_counted_share
    paid = (draws["jackpot_paid"] + counted).to_numpy(dtype=np.float64)
    gap = np.isnan(paid)
    counts = gap[len(gap) - min(needed, len(gap)) :]
    unknown = ""
    if counts.any():
        first = draws["draw_date"].to_numpy()[len(gap) - len(counts) :][counts][0]
        unknown = (
            f"the prizes paid are not known for {int(counts.sum())} of the {len(counts)} draws that count, "
            f"the first on {pd.Timestamp(first).date()}"
        )
    return Ledger(np.nan_to_num(paid), sales, unknown, missing)


def timeline(situation: Situation, rule: PayoutRatio) -> Timeline:
    """Return the draws of the named period that the decision is in, and those of the horizon after it.

    The plan goes on for another horizon after the period, as if that were the next one, so that the period's end is
    not run down.
    """
    first, left = _period(situation, rule.period_starts, rule.period_draws, rule.year_end)
    past, last, days = _draws_ahead(situation, first, left)
    count = len(last)
    if rule.tested == "each_draw":
        tested = np.ones(count, dtype=bool)
    elif rule.tested == "year_end":
        tested = last.copy()
    else:
        behind = situation.draws["draw_date"].iloc[len(situation.draws) - past :]
        months = pd.DatetimeIndex([*behind, *situation.dates(len(days) + 1)]).to_period("M")
        tested = np.asarray(months[1:] != months[:-1])
    counted = np.ones(count, dtype=bool)
    if rule.tested == "year_end":
        for end in np.flatnonzero(last) + 1:
            begin = 0 if end <= past + len(left) else past + len(left)
            counted[begin : max(end - rule.window_draws, begin)] = False
    return Timeline(past, tested, last, counted, days)


def cash_timeline(situation: Situation, cash: Cash) -> Timeline:
    """Return the same for the cash floor, tested after every draw of its own period, or of the payout ratio's."""
    ratio = situation.market.regulation.payout_ratio
    if cash.period_starts is not None or ratio is None:
        first, left = _period(situation, cash.period_starts, cash.horizon_draws, "12-31")
    else:
        return reserve_timeline(situation, ratio)
    return _every_draw(situation, first, left)


def reserve_timeline(situation: Situation, rule: PayoutRatio) -> Timeline:
    """Return the same for what is tested after every draw of the payout ratio's period, whenever the ratio is."""
    return _every_draw(situation, *_period(situation, rule.period_starts, rule.period_draws, rule.year_end))


def _every_draw(situation: Situation, first: pd.Timestamp, left: pd.DatetimeIndex) -> Timeline:
    past, last, days = _draws_ahead(situation, first, left)
    every = np.ones(len(last), dtype=bool)
    return Timeline(past, every, last, every, days)


def _draws_ahead(
    situation: Situation, first: pd.Timestamp, left: pd.DatetimeIndex
) -> tuple[int, Mask, pd.DatetimeIndex]:
    """Return how many draws of the period are over, which draws since its first end one, and the dates ahead."""
    past = int((situation.draws["draw_date"] >= first).sum())
    cash = situation.market.cash
    horizon = max(situation.market.decision.horizon_draws, 0 if cash is None else cash.horizon_draws)
    days = situation.dates(len(left) + horizon)
    last = np.zeros(past + len(days), dtype=bool)
    last[past + len(left) - 1] = last[-1] = True
    return past, last, days


def _period(
    situation: Situation, start: dt.date | None, size: int, year_end: str
) -> tuple[pd.Timestamp, pd.DatetimeIndex]:
    """Return the named period's first day, and the dates of its draws that are left, this one first.

    Periods of `size` draws are counted from `start`; without it they are the years that close on `year_end`.
    """
    if start is not None:
        if situation.date < start:
            return pd.Timestamp(situation.date), situation.dates(size)
        count = (situation.date - start).days + 1
        dates = [
            day for day in draw_dates(situation.market, start - dt.timedelta(days=1), count) if day < situation.date
        ]
        done = len(dates) % size
        return pd.Timestamp(dates[-done] if done else situation.date), situation.dates(size - done)
    year = situation.date.year + (_year_end(year_end, situation.date.year) < situation.date)
    end = _year_end(year_end, year)
    days = situation.dates(1 + (end - situation.date).days)
    return pd.Timestamp(_year_end(year_end, year - 1)) + pd.Timedelta(days=1), days[days <= pd.Timestamp(end)]


def _year_end(month_day: str, year: int) -> dt.date:
    month, day = (int(part) for part in month_day.split("-"))
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _past_moments(situation: Situation, counted: pd.DataFrame, *names: str) -> Array:
    """Return the sum of some moments of past draws, of `DrawMoments`, at their announced jackpots and their sales."""
    market = situation.market
    before = situation.draws["pool"].shift(1).loc[counted.index].fillna(0.0).to_numpy(dtype=np.float64)
    prices = [market.price_on(date.date()) for date in counted["draw_date"]]
    sales, jackpots = counted["sales"].to_numpy(dtype=np.float64), counted["jackpot"].to_numpy(dtype=np.float64)
    rollovers = rollovers_before(market, counted)[:-1]
    days = [date.date() for date in counted["draw_date"]]
    must = np.array([must_be_won(market, day, count) for day, count in zip(days, rollovers, strict=True)], dtype=bool)
    result = np.empty(len(counted))
    for price in sorted(set(prices)):
        at = np.array([one == price for one in prices])
        moments = draw_moments(market, price, sales[at], jackpots[at], before[at], must[at])
        result[at] = sum(getattr(moments, name) for name in names)
    return result

"""What is known when a jackpot has to be decided."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cash import Cash
from ..demand.base import Demand
from ..errors import InputError, Problem
from ..game.rollover import least_after, must_be_won
from ..history.contract import History
from ..market.calendar import draw_dates, next_draw_date
from ..market.schema import Market

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ELEMENTS_AT_ONCE = 4_000_000
"""Arrays of samples are built for as many jackpots at a time as keep them under this size (32 MB)."""


@dataclass(frozen=True)
class Situation:
    """A market before a draw: the draws so far, the forecast after them, and the draw that the decision is for.

    `pool` is what the rollover pool holds before the draw, 0 where the game has none; `promised` the jackpot that is
    already announced for it; `cash_now` None where no figures were given. Money in units of currency.
    """

    market: Market
    draws: pd.DataFrame
    demand: Demand
    as_of: dt.date
    date: dt.date
    price: float
    pool: float
    promised: float | None
    cash_now: float | None

    @property
    def rollovers(self) -> float:
        """How many draws in a row nobody has won the jackpot of; 0 where no rule asks for it."""
        return float(rollovers_before(self.market, self.draws)[-1])

    @property
    def must_be_won(self) -> bool:
        """Whether this draw pays the rollover pool out in any case."""
        return bool(must_be_won(self.market, self.date, np.array([self.rollovers]))[0])

    @property
    def last_jackpot(self) -> float:
        """The jackpot announced for the last draw; before the first one, the smallest."""
        return float(self.draws["jackpot"].iloc[-1]) if len(self.draws) else self.market.jackpot.start

    @property
    def least_progressed(self) -> float:
        """The least jackpot that may follow the last one: with the minimum progression where nobody won it."""
        bounds = self.market.jackpot
        return float(least_after(bounds, np.array(self.last_jackpot))) if self.rollovers > 0 else bounds.start

    @property
    def largest_announced(self) -> float:
        """The largest jackpot of the draws so far; before the first one, the smallest that may be announced."""
        return float(self.draws["jackpot"].max()) if len(self.draws) else self.market.jackpot.start

    def dates(self, count: int) -> pd.DatetimeIndex:
        """Return the dates of this draw and of the draws after it, `count` in all."""
        later = draw_dates(self.market, self.date, count - 1) if count > 1 else []
        return pd.DatetimeIndex([pd.Timestamp(date) for date in (self.date, *later)])

    def sample_sales(self, jackpots: Array, dates: pd.DatetimeIndex | None = None) -> Array:
        """Return joint draws of sales, shape (samples, draws, jackpots): the same markets for whatever jackpots."""
        settings = self.market.decision
        return self.demand.sample(jackpots, self.dates(1) if dates is None else dates, settings.samples, settings.seed)


def rollovers_before(market: Market, draws: pd.DataFrame) -> Array:
    """Return how many draws in a row nobody had won before each draw, and before the next one: (draws + 1,).

    A draw ends the run where its pool fell or, where that is not known, somebody won. Zeros where no rule asks for it.
    Raises InputError where the history says neither of any draw.
    """
    rule, counts = market.game.must_be_won, np.zeros(len(draws) + 1)
    counted = rule is not None and rule.after_rollovers is not None
    if not counted and market.jackpot.minimum_progression is None:
        return counts
    pool = draws["pool"].to_numpy(dtype=np.float64)
    before = np.concatenate([[np.nan], pool[:-1]])
    winners = draws["jackpot_winners"].to_numpy(dtype=np.float64, na_value=np.nan)
    paid = draws["jackpot_paid"].to_numpy(dtype=np.float64)
    if len(draws) and np.isnan(pool).all() and np.isnan(winners).all() and np.isnan(paid).all():
        raise InputError(
            Problem(
                "the history does not say when the jackpot was won",
                market.market,
                "game.must_be_won.after_rollovers" if counted else "jackpot.minimum_progression",
                allowed="a history with the pool after each draw, the jackpot's winners, or what they were paid",
                hint="name history.columns.pool or history.columns.jackpot_prizes",
            )
        )
    fell = np.where(np.isnan(pool - before), (winners > 0) | (paid > 0), pool < before)
    for t in range(len(draws)):
        counts[t + 1] = 0.0 if fell[t] else counts[t] + 1.0
    return counts


def situate(market: Market, history: History, demand: Demand, as_of: dt.date, cash: Cash | None) -> Situation:
    """Return the situation on `as_of`; raise InputError where the history reaches beyond that day."""
    draws = history.draws
    last = draws["draw_date"].iloc[-1].date() if len(draws) else None
    if last is not None and last >= as_of:
        raise InputError(
            Problem(
                "the history holds draws that are not before the day of the decision",
                history.source_uri,
                "draw_date",
                found=f"{last}",
                allowed=f"before {as_of}",
                hint="cut the later draws, or decide as of a later day",
            )
        )
    date = next_draw_date(market, as_of)
    pool = 0.0
    if market.game.pool is not None:
        held = float(draws["pool"].iloc[-1]) if len(draws) else np.nan
        pool = market.game.pool.opening if np.isnan(held) else held
        most = market.game.pool.cap
        if most is not None and pool > most * (1 + 1e-9):
            raise InputError(
                Problem(
                    "the rollover pool holds more than its cap",
                    history.source_uri,
                    "game.pool.cap",
                    found=f"{pool:,.12g} in the pool after the draw on {last}",
                    allowed=f"at most {most:,.12g}",
                    hint="correct the cap, or the column of the pool",
                )
            )
    cash_now = None if cash is None else float(cash.figures.cash)
    return Situation(market, draws, demand, as_of, date, market.price_on(date), pool, history.next_jackpot, cash_now)


def portions(jackpots: Array, elements_each: int) -> Iterator[Array]:
    """Yield `jackpots` in portions small enough for arrays with so many elements for each jackpot."""
    size = max(1, ELEMENTS_AT_ONCE // elements_each)
    for first in range(0, len(jackpots), size):
        yield jackpots[first : first + size]

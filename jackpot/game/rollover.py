"""The pool of a rollover game in one draw: what is paid from it, what the operator adds, and what it holds after.

The mathematics: docs/decision.md, "Rolling down".
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..market.calendar import is_special
from ..market.schema import Game, JackpotRange, Market, Pool

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class PoolDraw:
    """A draw of a rollover game, arrays of one shape, in units of currency.

    If the jackpot is won, `jackpot` is paid for it; in a draw that must be won and is not, that rolls down to the tiers
    below. Either way `top_up` of it is the operator's. `spilled` goes to those tiers in any case: what comes in above
    the pool's cap. Otherwise `carried` is what the pool holds after the draw.
    """

    contribution: Array
    jackpot: Array
    top_up: Array
    spilled: Array
    carried: Array


def pool_draw(rule: Pool, sales: Array, jackpot: Array, pool: Array) -> PoolDraw:
    """Return what a draw with `sales` and an announced `jackpot` makes of what the pool held before it.

    The pool collects its share of sales up to its cap; the jackpot is what it then holds, at least the announced one.
    """
    contribution = rule.share_of_sales * sales
    collected = pool + contribution
    top_up = jackpot - pool - contribution
    held, spilled = collected, np.zeros_like(collected)
    if rule.cap is not None:
        held = np.minimum(collected, rule.cap)
        spilled, top_up = collected - held, np.maximum(top_up, jackpot - rule.cap)
    return PoolDraw(contribution, np.maximum(jackpot, held), np.maximum(top_up, 0.0), spilled, held)


def carried_on(game: Game, sales: Array, pool: Array | float) -> Array:
    """Return what the pool holds after a draw with `sales` that nobody won, whatever was announced, in their shape."""
    if game.pool is None:
        raise ValueError("a pool is carried on in a rollover game")
    return pool_draw(game.pool, sales, np.zeros_like(sales), np.broadcast_to(pool, sales.shape)).carried


def must_be_won(market: Market, date: dt.date, rollovers: Array) -> Mask:
    """Return whether a draw must be won after so many `rollovers` in a row, in their shape."""
    rule = market.game.must_be_won
    if rule is None:
        return np.zeros(np.shape(rollovers), dtype=bool)
    if rule.specials and is_special(market, date) in rule.specials:
        return np.ones(np.shape(rollovers), dtype=bool)
    most = np.inf if rule.after_rollovers is None else rule.after_rollovers
    return np.asarray(rollovers >= most, dtype=bool)


def least_after(bounds: JackpotRange, previous: Array) -> Array:
    """Return the least jackpots of the step grid that may follow `previous` ones that nobody has won, up to the cap."""
    if bounds.minimum_progression is None:
        return np.full(np.shape(previous), bounds.start)
    steps = np.ceil((previous + bounds.minimum_progression - bounds.start) / bounds.step - _ROUNDING)
    most = np.inf if bounds.cap is None else np.floor((bounds.cap - bounds.start) / bounds.step + _ROUNDING)
    return np.asarray(bounds.start + np.minimum(steps, most) * bounds.step, dtype=np.float64)

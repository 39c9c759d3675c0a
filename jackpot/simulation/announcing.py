"""Which jackpot a simulated operator announces."""

from __future__ import annotations

import math

import numpy as np

from ..game.winners import settled
from ..market.schema import JackpotRange, Market
from .truth import Truth, simulation_of


def announced_by_policy(market: Market, last: float | None, won: bool, rng: np.random.Generator) -> float:
    """Return the next jackpot of an operator who is free to set it, on the grid of steps from start to cap.

    It grows by 3 to 25% while nobody wins and falls back near where it began after a win; a series also ends at random,
    mostly at the cap, and one draw in seventeen is a promotion with a jackpot from anywhere: the variation without
    which a history says little of demand. A postcode wins too often to end a series. No change is larger than the
    market allows. `last` is None at first.
    """
    limits = market.jackpot
    simulation = simulation_of(market)
    bottom = simulation.announced_from or limits.start
    top = limits.cap or max(10 * simulation.reference_jackpot, bottom)
    growth, ending, promotion, place = rng.random(4).tolist()
    if (
        last is None
        or (won and market.game.payout != "postcode")
        or ending < (0.3 if last > top - limits.step else 0.02)
    ):
        wanted = bottom * (1 + 0.6 * place)
    elif promotion < 1 / 17:
        wanted = bottom * (top / bottom) ** place
    else:
        wanted = max(last * (1.03 + 0.22 * growth), last + limits.step)
    if last is not None and limits.largest_change is not None:
        wanted = min(max(wanted, last - limits.largest_change), last + limits.largest_change)
    return on_grid(limits, min(wanted, top))


def announced_from_pool(market: Market, truth: Truth, pool: float, log_calendar: float) -> float:
    """Return the next jackpot of a rollover game: what the pool will hold after the draw's expected sales.

    At least the start, at most the cap, on the grid below. `log_calendar` is the draw's log mean sales at the
    reference jackpot. Sales are those that the pool alone would bring: counting those that the announcement itself
    adds has no answer where they add more than they cost, as in a special draw of many times the ordinary sales.
    """
    share = market.game.pool.share_of_sales if market.game.pool else 0.0
    held = max(pool, market.jackpot.start)
    expected = pool + share * math.exp(log_calendar + float(truth.response(held)))
    return on_grid(market.jackpot, max(expected, market.jackpot.start))


def on_grid(limits: JackpotRange, wanted: float) -> float:
    """Return the largest jackpot that may be announced and is at most `wanted`; the start where none is."""
    largest = wanted if limits.cap is None else min(wanted, limits.cap)
    steps = math.floor(float(settled((largest - limits.start) / limits.step)))
    return limits.start + max(steps, 0) * limits.step

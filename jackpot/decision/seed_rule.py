"""The rule of thumb beside which the recommendation is shown: greedy, and with a cash test that is no worst case.

The mathematics: docs/decision.md, "The seed's rule".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..demand.base import Demand
from ..game.moments import draw_moments
from .situation import Array, Situation

_JACKPOTS = 200
_DRAWS_BEFORE = 51


@dataclass(frozen=True)
class SeedAnswer:
    """The rule's jackpot, None where it has none or where telling it would tell the cash; `reason` says which."""

    jackpot: float | None
    reason: str


def seed_rule(situation: Situation, seed_demand: Demand | None, highest: float) -> SeedAnswer:
    """Return the rule's jackpot.

    Among 200 jackpots from start to the cap (`highest`, where the market has none), the largest
    S - J P(anyone wins) - secondary prizes at the mean forecast S of the log-log form, among those with
    J <= cash - buffer, the buffer being the cash floor, and with
    (prizes of the last 51 draws + J P(anyone wins) + secondary prizes) / sales of the 52 >= floor.
    A test whose figures are missing is left out, and `reason` says so.
    """
    if seed_demand is None:
        return SeedAnswer(None, "there is no log-log forecast to apply it to")
    market = situation.market
    jackpots = np.linspace(market.jackpot.start, max(highest, market.jackpot.start), _JACKPOTS)
    sales = seed_demand.mean(jackpots, situation.dates(1))[0]
    moments = draw_moments(market, situation.price, sales, jackpots, situation.pool)
    payout = jackpots * moments.win_probability
    value = sales - payout - moments.secondary_prizes
    notes = ["the best of 200 jackpots, on the step grid or off it"]
    allowed = np.ones(_JACKPOTS, dtype=bool)
    rule = market.regulation.payout_ratio
    if rule is not None and rule.floor is not None:
        before = situation.draws.tail(_DRAWS_BEFORE)
        prizes = float((before["jackpot_paid"] + before["secondary_paid"]).sum(skipna=False))
        if np.isnan(prizes):
            notes.append("its payout test is left out, for the prizes paid are not known")
        else:
            total = float(before["sales"].sum()) + sales
            allowed = (prizes + payout + moments.secondary_prizes) / total >= rule.floor
            if not allowed.any():
                return SeedAnswer(None, "none of its jackpots keeps the payout floor of its test")
    best = _best(value, allowed)
    if market.cash is not None and situation.cash_now is not None:
        within = allowed & (jackpots <= situation.cash_now - market.cash.floor)
        if not within.any() or _best(value, within) != best:
            return SeedAnswer(None, "its cash test decides it, and its answer is not shown, for it would tell the cash")
    else:
        notes.append("its cash test is left out, for no cash figures or no floor were given")
    return SeedAnswer(float(jackpots[best]), "; ".join(notes))


def _best(value: Array, allowed: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    return int(np.where(allowed, value, -np.inf).argmax())

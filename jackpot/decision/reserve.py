"""The prize reserve of the accrued basis: what was set aside for prizes, less the prizes that were won.

The mathematics: docs/decision.md, "The prize reserve".
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from ..market.calendar import expected_draws_between
from ..market.schema import PayoutRatio, Reserve
from .cash_floor import Purse
from .payout_ratio import ledger_of, reserve_timeline
from .situation import Situation


def reserve_purse(situation: Situation, rule: PayoutRatio, reserve: Reserve) -> Purse | str:
    """Return the reserve as what is promised over the ratio's named period, or why what it holds is not known.

    It holds its opening, and of each draw since then what the contribution rule sets aside less the prizes won.
    """
    draws = situation.draws
    if reserve.opens > situation.date:
        return f"it opens on {reserve.opens}"
    first = draws["draw_date"].iloc[0].date() if len(draws) else situation.date
    if expected_draws_between(situation.market, reserve.opens - dt.timedelta(days=1), first):
        return f"the history begins on {first}, after it opened on {reserve.opens}"
    since = (draws["draw_date"] >= pd.Timestamp(reserve.opens)).to_numpy()
    secondary = draws["secondary_paid"] * situation.market.secondary_counted_share
    added = ledger_of(situation, rule, 0).prizes
    added = np.where(since, added - (draws["jackpot_paid"] + secondary).to_numpy(np.float64), 0.0)
    unknown = int(np.isnan(added).sum())
    if unknown:
        return f"the prizes paid are not known for {unknown} of the draws since it opened on {reserve.opens}"
    time = reserve_timeline(situation, rule)
    room = reserve.opening + float(added.sum()) - reserve.floor
    horizon = situation.market.decision.horizon_draws
    return Purse(room, reserve.confidence, horizon, time, added[len(added) - time.past :], rule.contribution)

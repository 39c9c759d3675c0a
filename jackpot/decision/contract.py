"""What a decision hands on beside its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from ..cash import CashOutlook
from ..records import Recommendation

CURVE_COLUMNS: Final[dict[str, str]] = {
    "jackpot": "currency: each jackpot on the step grid (thinned to at most 401 points), ascending",
    "expected_value": "currency: expected value of the draw to the operator",
    "value_low_90": "currency: 5% quantile of that value over demand samples",
    "value_high_90": "currency: 95% quantile",
    "expected_sales": "currency",
    "sales_low_90": "currency",
    "sales_high_90": "currency",
    "expected_jackpot_payout": "currency: expected cost of the jackpot to the operator",
    "win_probability": "that somebody wins the jackpot",
    "feasible": "bool: keeps every constraint but the cash floor, which is not told here",
    "extrapolated": "bool: above the largest jackpot seen in training",
}


@dataclass(frozen=True)
class Decision:
    """The recommendation, the curve of value against jackpot (CURVE_COLUMNS), and the restricted cash outlook."""

    recommendation: Recommendation
    curve: pd.DataFrame
    cash: CashOutlook | None

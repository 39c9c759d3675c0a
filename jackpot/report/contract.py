"""What a report is made from."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..cash import CashOutlook
from ..errors import Problem
from ..market.schema import Market
from ..outcomes import Month
from ..records import Evaluation, Metadata, Recommendation


@dataclass(frozen=True)
class ReportInputs:
    """All that a report shows.

    `curve` is in the form of decision.contract.CURVE_COLUMNS. `history` has a row a draw: `draw_date`, `jackpot`,
    `sales`, `special`, `forecast`, `low_90`, `high_90` (the last three NaN before the back-test's window). `cash` is
    None for the form without cash figures that the Kubeflow dashboard shows. `months` say what became of the market's
    earlier recommendations; `card` is the model card of the model in use, in Markdown.
    """

    market: Market
    recommendation: Recommendation
    evaluation: Evaluation
    metadata: Metadata
    curve: pd.DataFrame
    history: pd.DataFrame
    problems: tuple[Problem, ...]
    cash: CashOutlook | None
    months: tuple[Month, ...] = ()
    card: str = ""

"""What is tuned on: the training window of one snapshot, cut in three, and where its trials are kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np
import pandas as pd

from ..canonical import json_bytes, sha256
from ..demand.base import Array
from ..demand.common import ordinary
from ..demand.models import model_class
from ..demand.settings import SPACE, Settings
from ..errors import InputError
from ..evaluation.backtest import test_start, too_short
from ..market.schema import Market
from .keys import study_prefix

SCREENED_FROM, CONFIRMED_FROM = 0.4, 0.75
"""Shares of the training window before which no trial is scored, and after which finalists are compared."""
SMALLEST = 200
"""Ordinary draws of the training window, under which differences between settings cannot be told from chance."""


@dataclass(frozen=True)
class Study:
    """A training window and how it is searched; equal studies have equal trials."""

    draws: pd.DataFrame
    market: Market
    snapshot: str
    market_file: str

    @classmethod
    def of(cls, draws: pd.DataFrame, market: Market, snapshot: str, market_file: str) -> Study:
        """Return the study of a history: of its training window, the draws before the evaluation's test window.

        That is all of them where there are too few to test on. `snapshot` and `market_file` are the SHA-256 of both.
        """
        end = len(draws) if too_short(draws, market) else test_start(draws, market)
        return cls(draws.iloc[:end], market, snapshot, market_file)

    @property
    def seed(self) -> int:
        """The market's seed."""
        return self.market.decision.seed

    @property
    def screened_from(self) -> int:
        """Row of the first draw that trials are scored on."""
        return int(SCREENED_FROM * len(self.draws))

    @property
    def confirmed_from(self) -> int:
        """Row of the first draw that no trial was chosen on."""
        return int(CONFIRMED_FROM * len(self.draws))

    @property
    def obstacle(self) -> str:
        """Why there is nothing to tune, or nothing."""
        usual = int(ordinary(self.draws).sum())
        if usual < SMALLEST:
            return f"the training window has {usual} ordinary draws, and tuning asks for {SMALLEST}"
        name = self.market.demand.model
        try:
            model_class(name).tuned(Settings(clip=0.9))
        except InputError:
            return f"{name} has no settings to tune"
        return ""

    @cached_property
    def name(self) -> str:
        """The hash of all that trials follow from but the snapshot."""
        what = {
            "space": {name: list(ends) for name, ends in SPACE.items()},
            "cuts": [SCREENED_FROM, CONFIRMED_FROM],
            "market_file": self.market_file,
            "code": code_hash(),
        }
        return sha256(json_bytes(what))[:16]

    @property
    def prefix(self) -> str:
        """The key under which its trials are kept."""
        return study_prefix(self.market.market, self.snapshot, self.name)

    @property
    def last_draw(self) -> str | None:
        """The date of its last draw; None where it has none."""
        return self.date(-1) if len(self.draws) else None

    def date(self, row: int) -> str:
        """Return the date of a draw, YYYY-MM-DD."""
        return pd.Timestamp(self.draws["draw_date"].iloc[row]).strftime("%Y-%m-%d")

    @cached_property
    def log_sales(self) -> Array:
        """Log sales of the training window, shape (n,)."""
        logs: Array = np.log(self.draws["sales"].to_numpy(float))
        return logs


@cache
def code_hash() -> str:
    """Return the hash of the code that a trial runs: results of other code are not taken for its own."""
    rooms = ("demand", "evaluation", "tuning")
    files = [file for room in rooms for file in resources.files("jackpot").joinpath(room).iterdir()]
    sources = {file.name: sha256(file.read_bytes()) for file in files if file.name.endswith(".py")}
    return sha256(json_bytes(sources))

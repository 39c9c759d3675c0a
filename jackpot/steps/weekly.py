"""The week in one process: read, fit, back-test, decide, without pipeline, files or registry."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from ..canonical import sha256
from ..decision.contract import Decision
from ..history.source import Source
from ..market.loading import LoadedMarket
from ..records import Tuning
from .model_in_use import ModelInUse, Standing
from .optimise import decide_week
from .preprocess import checks_of
from .week import Week

if TYPE_CHECKING:
    from ..cash import Cash
    from ..evaluation.backtest import Backtest


def week_in_memory(market: LoadedMarket, source: Source, as_of: dt.date | None) -> Week:
    """Return the week that preprocess would leave."""
    from ..history.reading import read_history
    from ..history.snapshot import snapshot_bytes

    history = read_history(source, market.market, as_of)
    data = snapshot_bytes(history)
    return Week(market.market, history, checks_of(history, market, sha256(data), as_of), market.data, data)


def recommend_in_memory(week: Week, cash: Cash | None, tuning: Tuning | None = None) -> tuple[Decision, Backtest]:
    """Fit, back-test and decide: the same bytes as the pipeline gives where there is no champion yet.

    The model has the settings of `tuning`; without one, the default's.
    """
    from ..demand.models import new_model
    from ..demand.settings import Settings
    from ..demand.storage import model_files
    from ..evaluation.backtest import backtest

    settings = Settings.of(tuning.settings) if tuning else None
    model = new_model(week.market.demand.model, settings).fit(week.history.draws, week.market)
    test = backtest(week.history.draws, week.market, tuning=tuning)
    candidate = ModelInUse.of(model_files(model), test.evaluation, Standing(standing="candidate", version=None))
    return decide_week(week, candidate, cash), test

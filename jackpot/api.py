"""Each stage by itself, for a notebook.

    import jackpot

    market = jackpot.load_market("england")
    week = jackpot.read_week(market, history="draws.csv", as_of="2026-01-31")
    test = jackpot.backtest(week)
    decision = jackpot.recommend(week)
    decision.recommendation.jackpot, decision.curve

`fit`, `backtest` and `recommend` take `tuning=jackpot.champion_tuning(week)` for the settings of the market's champion.
Bad input raises `jackpot.errors.InputError`, which lists every problem with its place.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .decision.contract import Decision
from .market.loading import LoadedMarket, load_market
from .steps.week import Week

if TYPE_CHECKING:
    from .cash import Cash
    from .demand.base import Demand
    from .evaluation.backtest import Backtest
    from .records import Tuning

__all__ = ["backtest", "champion_tuning", "fit", "load_market", "read_week", "recommend", "report_html"]


def read_week(market: LoadedMarket, history: str = "", as_of: str | dt.date = "") -> Week:
    """Read and check a history (a path or s3:// URI; empty: the market file's own) as it was seen on a day.

    `as_of` is a date, or its text as YYYY-MM-DD; empty: the day after the history's last draw.
    """
    from .adapters.objects import read
    from .history.as_of import resolve_as_of
    from .steps.preprocess import read_source
    from .steps.weekly import week_in_memory

    day = as_of if isinstance(as_of, dt.date) else resolve_as_of(as_of)
    return week_in_memory(market, read_source(market, history, read, synthetic_allowed=True), day)


def champion_tuning(week: Week, environment: str = "local") -> Tuning | None:
    """Return the tuning behind the settings of the market's champion in an environment; None: the default's."""
    from .adapters.places import open_places
    from .adapters.settings import champions_tuning

    return champions_tuning(week, open_places(environment))


def fit(week: Week, tuning: Tuning | None = None) -> Demand:
    """Fit the demand model that the market file names and condition it on the week's draws."""
    from .demand.models import new_model
    from .demand.settings import Settings

    settings = Settings.of(tuning.settings) if tuning else None
    model = new_model(week.market.demand.model, settings).fit(week.history.draws, week.market)
    return model.condition(week.history.draws, week.market)


def backtest(week: Week, tuning: Tuning | None = None) -> Backtest:
    """Forecast the last fifth of the draws one by one, beside the naive forecasts: `.evaluation` and `.frame`."""
    from .evaluation.backtest import backtest

    return backtest(week.history.draws, week.market, tuning=tuning)


def recommend(week: Week, cash: Cash | None = None, tuning: Tuning | None = None) -> Decision:
    """Fit, back-test and decide: `.recommendation`, `.curve` and, with cash figures, `.cash`."""
    from .steps.weekly import recommend_in_memory

    return recommend_in_memory(week, cash, tuning)[0]


def report_html(week: Week, decision: Decision, test: Backtest) -> bytes:
    """Return the report as one self-contained HTML file."""
    from .adapters.run_record import code_version
    from .report import ReportInputs, html
    from .steps.model_in_use import Standing
    from .steps.publish import Run, metadata_of

    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    record, run = decision.recommendation, Run("notebook", "notebook", now, now, code_version())
    metadata = metadata_of(week, record, Standing(standing="candidate", version=None), run)
    return html(
        ReportInputs(week.market, record, test.evaluation, metadata, decision.curve, test.frame, (), decision.cash)
    )

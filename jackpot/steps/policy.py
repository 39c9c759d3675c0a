"""Policies compared, as steps: the shards of the work, one shard's runs, and what all of them say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..errors import InputError, Problem
from .week import Week

if TYPE_CHECKING:
    from ..decision.compare import PolicyReport, ShardRuns

Kind = Literal["simulated", "backtest"]
Luck = Literal["game", "happened"]
RUNS_A_SHARD = {"simulated": 100, "backtest": 1}
"""A back-test plans every draw of every run anew: a minute a run."""
_PAST_DRAWS = 52


def kind_of(text: str) -> Kind:
    """Return what is compared on; raise InputError where that is nothing known."""
    if text == "simulated":
        return "simulated"
    if text == "backtest":
        return "backtest"
    raise InputError(Problem("no such comparison", field="kind", found=text, allowed="simulated, backtest"))


def plan_policy(kind: Kind, runs: int, *, happened: bool) -> list[str]:
    """Return the shards; what happened did so once."""
    from ..decision.compare import shards

    if happened and (kind, runs) != ("backtest", 1):
        raise InputError(
            Problem("what happened is one run of a back-test", field="runs", found=f"{kind}, {runs}", allowed="1")
        )
    return shards(runs, RUNS_A_SHARD[kind])


def run_policy_shard(week: Week, kind: Kind, shard: str, draws: int, seed: int, *, happened: bool) -> ShardRuns:
    """Return one shard's runs of every policy: the same whoever runs it, and beside whichever others.

    `draws` 0 stands for the named period and a horizon after it (`simulated`), or for the last 52 (`backtest`).
    A simulated market's plans are made with a model fitted to its history, and sales drawn from its truth.
    """
    from ..decision.backtest_policy import backtest_shard
    from ..decision.compare import simulate_shard
    from ..demand.models import new_model
    from ..simulation.demand import TrueDemand
    from .solving import solve_week

    market, history = week.market, week.history.draws
    if kind == "backtest":
        models = new_model(market.demand.model), new_model("log_log_ols")
        return backtest_shard(market, history, *models, shard, draws or _PAST_DRAWS, seed, happened=happened)
    if market.simulation is None or not week.synthetic:
        raise InputError(
            Problem(
                "the truth of this market is not known",
                market.market,
                hint="compare policies on its history: jackpot backtest-policy",
            )
        )
    return simulate_shard(solve_week(week, None), TrueDemand(market, history["draw_date"].iloc[-1]), shard, draws, seed)


def report_policy(week: Week, kind: Kind, parts: Sequence[ShardRuns], seed: int, *, happened: bool) -> PolicyReport:
    """Return what all shards together say."""
    from ..decision.compare import report

    return report(week.market, parts, seed, kind, "happened" if happened else "game", _first_draw(week, kind, parts))


def _first_draw(week: Week, kind: Kind, parts: Sequence[ShardRuns]) -> str:
    from ..market.calendar import next_draw_date

    if kind == "simulated":
        return next_draw_date(week.market, week.as_of).isoformat()
    dates = week.history.draws["draw_date"]
    return str(dates.iloc[len(dates) - parts[0].draws].date().isoformat()) if parts else ""


def policy_key(week: Week, report: PolicyReport) -> str:
    """Return where a report is kept: by what it was made from, so that the same work has the same place."""
    made = f"{report.kind}-{report.luck}-{report.draws}x{report.runs}-{report.seed}"
    return f"policies/{week.market.market}/{week.checks.snapshot[:16]}-{week.checks.market_file[:16]}-{made}.json"

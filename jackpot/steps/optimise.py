"""optimise: condition the model in use on this week's data and decide the jackpot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..canonical import json_bytes, sha256, write_atomically
from ..cash import Cash, CashOutlook
from ..decision.contract import Decision
from ..records import ENOUGH_DRAWS, Circumstances, InputHashes, ModelNote, Recommendation
from ..store import Store
from .model_in_use import ModelInUse
from .week import Week


def optimise(
    week: Week,
    in_use: ModelInUse,
    cash: Cash | None,
    restricted: Store,
    *,
    recommendation: Path,
    curve: Path,
    stopped: str | None = None,
) -> Decision:
    """Decide, and leave the recommendation and its curve; cash figures go to the restricted store alone.

    `stopped` says why the monitor lets the model decide nothing; then, and where its standing forbids it, the last
    jackpot is kept, or the nearest that is allowed.
    """
    from ..report.tables import curve_csv

    degraded, stopped = in_use.standing.degraded, stopped or in_use.standing.held
    circumstances = Circumstances(degraded=degraded, stopped=stopped) if degraded or stopped else None
    decision = decide_week(week, in_use, cash, circumstances)
    data = decision.recommendation.to_bytes()
    if cash is not None:
        restricted.put_new(f"cash/{week.market.market}/{cash.sha256}.json", cash.data)
    if decision.cash is not None:
        restricted.replace(outlook_key(week.market.market, sha256(data)), outlook_bytes(decision.cash))
    write_atomically(recommendation, data)
    write_atomically(curve, curve_csv(decision.curve))
    return decision


def decide_week(
    week: Week,
    in_use: ModelInUse,
    cash: Cash | None,
    circumstances: Circumstances | None = None,
    *,
    with_sensitivities: bool = True,
) -> Decision:
    """Return the decision for the first draw on or after the week's day."""
    from ..decision.recommend import decide
    from ..demand.common import SMALLEST_HISTORY, ordinary
    from ..demand.models import new_model
    from ..demand.storage import load_model, model_hash
    from .explaining import explain_week

    market, draws = week.market, week.history.draws
    model = load_model(in_use.files)
    evaluation = in_use.evaluation
    demand = model.condition(draws, market)
    usual = int(ordinary(draws).sum())
    seen = usual if demand.draws_seen is None else demand.draws_seen
    note = ModelNote(
        name=model.name,
        gates="passed" if evaluation.passed else "failed" if evaluation.n_test else "untested",
        wmape_pct=evaluation.model.wmape_pct,
        coverage_90_pct=evaluation.model.coverage_90_pct,
        extrapolated=False,
        draws_seen=seen,
    )
    inputs = InputHashes(
        snapshot=week.checks.snapshot,
        market_file=week.checks.market_file,
        model=model_hash(in_use.files),
        warnings=sha256(json_bytes(list(week.checks.warnings))),
        cash_figures=cash.sha256 if cash is not None else None,
    )
    decision = decide(
        market,
        replace(week.history, problems=()),  # they are in the checks, as records tell them
        demand,
        new_model("log_log_ols").fit(draws, market).condition(draws, market) if usual >= SMALLEST_HISTORY else None,
        note,
        inputs,
        week.as_of,
        cash,
        warnings=(*few_draws(seen, pooled=demand.draws_seen is not None), *week.checks.warnings),
        circumstances=circumstances,
        with_sensitivities=with_sensitivities,
    )
    explanation = explain_week(week, model, demand, decision.recommendation)
    return replace(decision, recommendation=decision.recommendation.model_copy(update={"explanation": explanation}))


def few_draws(seen: int, *, pooled: bool) -> tuple[str, ...]:
    """Return the warning of a forecast that rests on few ordinary draws; none where they are enough.

    `pooled` says whether the model begins with what other games teach.
    """
    if seen >= ENOUGH_DRAWS:
        return ()
    if pooled and not seen:
        return (
            "no draw was held yet: the forecast rests on what other games teach alone; its range is as wide as games "
            "differ, and its figures are to be checked by hand",
        )
    others = " and on what other games teach" if pooled else ""
    own = f"{seen} {'draw' if seen == 1 else 'draws'} of this market"
    return (f"the forecast rests on {own}{others}: its range is wide, and narrows as draws come",)


def outlook_key(market: str, recommendation_sha256: str) -> str:
    """Return where the cash outlook of a recommendation lies in the restricted store."""
    return f"outlook/{market}/{recommendation_sha256}.json"


def outlook_bytes(outlook: CashOutlook) -> bytes:
    """Return a cash outlook as JSON; `read_outlook` reads it."""
    fan = outlook.fan.assign(draw_date=outlook.fan["draw_date"].dt.strftime("%Y-%m-%d"))
    return json_bytes(
        {
            "currency": outlook.currency,
            "cash_now": outlook.cash_now,
            "floor": outlook.floor,
            "confidence": outlook.confidence,
            "probability_kept": outlook.probability_kept,
            "fan": fan.to_dict("list"),
        }
    )


def read_outlook(data: bytes) -> CashOutlook:
    """Return the cash outlook in JSON that `outlook_bytes` wrote."""
    import json

    import pandas as pd

    record = json.loads(data)
    fan = pd.DataFrame(record.pop("fan"))
    return CashOutlook(**record, fan=fan.assign(draw_date=pd.to_datetime(fan["draw_date"])))


def flat_metrics(record: Recommendation) -> dict[str, float]:
    """Return a recommendation's figures by name, for the dashboard; those that are not there are left out."""
    figures: dict[str, float | None] = {
        "jackpot": record.jackpot,
        "expected_value": record.expected_value,
        "expected_sales": record.expected_sales.mean if record.expected_sales else None,
        "win_probability": record.win_probability,
        "near_optimal_low": record.near_optimal.low if record.near_optimal else None,
        "near_optimal_high": record.near_optimal.high if record.near_optimal else None,
        "gain_over_keeping_last": record.keep_last.gain,
        "gain_over_seed_rule": record.seed_rule.gain,
    }
    return {name: float(value) for name, value in figures.items() if value is not None}

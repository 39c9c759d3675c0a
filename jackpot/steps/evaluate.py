"""evaluate: back-test the candidate, log it, and settle which model this week's recommendation rests on."""

from __future__ import annotations

from pathlib import Path

from ..canonical import read_folder, write_atomically
from ..errors import JackpotError
from ..ports import RegisteredModel, Registry
from ..records import Evaluation
from .model_in_use import ModelInUse, Standing
from .week import Week


def evaluate(
    week: Week,
    candidate: Path,
    registry: Registry,
    run_id: str,
    *,
    evaluation: Path,
    forecasts: Path,
    model_in_use: Path,
) -> tuple[Evaluation, str]:
    """Back-test the candidate beside the naive forecasts; return the evaluation and the registry's id of the run.

    The model in use is the champion; where there is none, or it has seen draws of this day or later, the candidate.
    """
    from ..demand.storage import load_model, model_hash
    from ..evaluation.backtest import backtest
    from ..report.tables import history_csv

    files = read_folder(candidate)
    test = backtest(week.history.draws, week.market)
    record = test.evaluation
    logged = registry.log(
        week.model_name,
        run_id,
        model_hash(files),
        {
            **files,
            "evaluation.json": record.to_bytes(),
            "market.yaml": week.market_data,
            "snapshot.parquet": week.snapshot_data,
        },
        metrics=flat_metrics(record),
        params={
            "snapshot": week.checks.snapshot,
            "market_file": week.checks.market_file,
            **load_model(files).describe(),
        },
    )
    champion = _champion(week, registry)
    if champion is None:
        in_use = ModelInUse.of(files, record, Standing(standing="candidate", version=None))
    else:
        in_use = ModelInUse.of(
            champion.files,
            Evaluation.model_validate_json(champion.files["evaluation.json"]),
            Standing(standing="champion", version=champion.version),
        )
    in_use.write(model_in_use)
    write_atomically(evaluation, record.to_bytes())
    write_atomically(forecasts, history_csv(test.frame))
    return record, logged


def flat_metrics(record: Evaluation) -> dict[str, float]:
    """Return an evaluation's figures by name, for MLflow and the dashboard; those that are not there are left out."""
    figures: dict[str, float | None] = {"n_test": record.n_test}
    for name, score in {"model": record.model, **record.baselines}.items():
        figures |= {f"{name}_wmape_pct": score.wmape_pct, f"{name}_mase": score.mase}
    figures |= {"model_coverage_90_pct": record.model.coverage_90_pct, "specials_mape_pct": record.specials.mape_pct}
    return {name: float(value) for name, value in figures.items() if value is not None}


def _champion(week: Week, registry: Registry) -> RegisteredModel | None:
    from ..demand.storage import model_hash

    champion = registry.champion(week.model_name)
    if champion is None or champion.as_of > week.checks.as_of:
        return None
    if model_hash(champion.files) != champion.sha256:
        raise JackpotError(f"champion {champion.version} of {week.model_name} is not what was registered")
    return champion

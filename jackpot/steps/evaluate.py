"""evaluate: back-test the candidate, log it, and settle which model this week's recommendation rests on."""

from __future__ import annotations

from pathlib import Path

from ..canonical import read_folder, write_atomically
from ..errors import JackpotError
from ..ports import RegisteredModel, Registry
from ..records import Evaluation
from .model_in_use import CARD, ModelInUse, Standing
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
    page: Path,
) -> tuple[Evaluation, str]:
    """Back-test the candidate beside the naive forecasts; return the evaluation and the registry's id of the run.

    The candidate's card goes with its files. The model in use is the champion; where there is none, or it has seen
    draws of this day or later, the candidate.
    """
    from ..demand.storage import load_model, model_hash
    from ..evaluation.backtest import backtest
    from ..report import evaluation_html, history_csv, model_card

    fitted = read_folder(candidate)
    name, described = model_hash(fitted), load_model(fitted).describe()
    test = backtest(week.history.draws, week.market)
    record = test.evaluation
    html = evaluation_html(record, week.market)
    card = model_card(record, described, week.market, week.checks, name).encode()
    files = {**fitted, CARD: card}
    logged = registry.log(
        week.model_name,
        run_id,
        name,
        {
            **files,
            "evaluation.json": record.to_bytes(),
            "market.yaml": week.market_data,
            "snapshot.parquet": week.snapshot_data,
        },
        metrics=flat_metrics(record),
        params={"snapshot": week.checks.snapshot, "market_file": week.checks.market_file, **described},
        pages={CARD: card, "evaluation.html": html, "evaluation.json": record.to_bytes()},
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
    write_atomically(page, html)
    return record, logged


def flat_metrics(record: Evaluation) -> dict[str, float]:
    """Return an evaluation's figures by name, for MLflow and the dashboard; those that are not there are left out."""
    figures: dict[str, float | None] = {"n_test": record.n_test, "passed": float(record.passed)}
    for name, score in {"model": record.model, **record.baselines}.items():
        figures |= {
            f"{name}_wmape_pct": score.wmape_pct,
            f"{name}_mase": score.mase,
            f"{name}_crps_log": score.crps_log,
        }
    own = record.model
    figures |= {
        "model_coverage_90_pct": own.coverage_90_pct,
        "model_width_90_pct": own.width_90_pct,
        "model_bias_pct": own.bias_pct,
        "model_pinball_pct": own.pinball_pct,
        "model_crps_pct": own.crps_pct,
        "specials_mape_pct": record.specials.mape_pct,
        "worst_five_share_of_error": record.worst_share,
    }
    for name, uncertain in (("wmape_pct", record.wmape_pct), ("bias_pct", record.bias_pct)):
        figures[f"model_{name}_standard_error"] = uncertain.standard_error if uncertain else None
    for skill in record.skill:
        figures[f"skill_over_{skill.over}"] = skill.skill.value if skill.skill else None
        figures[f"skill_over_{skill.over}_p_value"] = skill.p_value
    for at in record.horizons:
        figures |= {
            f"ahead_{at.ahead}_wmape_pct": at.wmape_pct,
            f"ahead_{at.ahead}_coverage_90_pct": at.coverage_90_pct,
        }
    if record.by_jackpot:
        figures["largest_jackpots_coverage_90_pct"] = record.by_jackpot[-1].coverage_90_pct
    if record.residuals is not None:
        figures |= {
            "residual_autocorrelation": record.residuals.autocorrelation,
            "residual_ljung_box_p_value": record.residuals.ljung_box_p_value,
        }
    return {name: float(value) for name, value in figures.items() if value is not None}


def _champion(week: Week, registry: Registry) -> RegisteredModel | None:
    from ..demand.storage import model_hash

    champion = registry.champion(week.model_name)
    if champion is None or champion.as_of > week.checks.as_of:
        return None
    if model_hash(champion.files) != champion.sha256:
        raise JackpotError(f"champion {champion.version} of {week.model_name} is not what was registered")
    return champion

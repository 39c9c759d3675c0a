"""evaluate: back-test the candidate, log it, and settle which model this week's recommendation rests on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..canonical import read_folder, write_atomically
from ..errors import JackpotError
from ..ports import RegisteredModel, Registry, RegistryUnreachableError, TrialRun
from ..promotion.versions import ChampionLostError
from ..records import Evaluation, Tuning
from .gates import Candidate, gates_markdown, judge
from .model_in_use import CARD, TUNING, ModelInUse, Standing
from .week import Week


def evaluate(
    week: Week,
    candidate: Path,
    registry: Registry,
    run_id: str,
    trials: Sequence[TrialRun] = (),
    champion: RegisteredModel | ChampionLostError | None = None,
    retraining: str | None = None,
    *,
    evaluation: Path,
    forecasts: Path,
    model_in_use: Path,
    page: Path,
    gates: Path,
    gates_page: Path,
) -> tuple[Evaluation, str]:
    """Back-test the candidate and judge it beside the champion; return the evaluation and the registry's id of the run.

    The candidate's card and gates go with its files; its settings come from `trials`, if any. The model in use is the
    champion; where there is none, or it has seen draws of this day or later, the candidate. Where the champion cannot
    be loaded, the one before it stands in; where that cannot either, the candidate, which nobody could compare, is
    held: it decides nothing. Where the registry is out of reach, nothing is logged (the id is empty). The standing of
    the model in use says all that. `retraining` says why the monitor asks for another model.
    """
    from ..demand.storage import load_model, model_hash
    from ..evaluation.backtest import backtest
    from ..report import evaluation_html, history_csv, model_card

    fitted = read_folder(candidate)
    name, described = model_hash(fitted), load_model(fitted).describe()
    tuning = Tuning.model_validate_json(fitted[TUNING]) if TUNING in fitted else None
    test = backtest(week.history.draws, week.market, tuning=tuning)
    record = test.evaluation.model_copy(update={"model_sha256": name, "snapshot": week.checks.snapshot})
    verdict = judge(week, Candidate(fitted, test), _comparable(week, champion), retraining)
    write_atomically(gates, verdict.to_bytes())
    write_atomically(gates_page, gates_markdown(verdict).encode())
    html = evaluation_html(record, week.market)
    card = model_card(record, described, week.market, week.checks, name).encode()
    files = {**fitted, CARD: card}
    degraded, held = None, None
    if isinstance(champion, ChampionLostError):
        why, champion = str(champion), champion.stand_in
        if champion is None:
            held = f"{why}, and there is none before it"
        else:
            degraded = f"{why}; {champion.version}, the champion before it, stands in"
    try:
        logged = registry.log(
            week.model_name,
            run_id,
            name,
            {
                **files,
                "evaluation.json": record.to_bytes(),
                "gates.json": verdict.to_bytes(),
                "market.yaml": week.market_data,
                "snapshot.parquet": week.snapshot_data,
            },
            metrics=flat_metrics(record),
            params={"snapshot": week.checks.snapshot, "market_file": week.checks.market_file, **described},
            pages={
                CARD: card,
                "evaluation.html": html,
                "evaluation.json": record.to_bytes(),
                "forecasts.csv": history_csv(test.frame),
                "gates.md": gates_markdown(verdict).encode(),
            },
            trials=trials,
        )
    except RegistryUnreachableError as error:
        logged = ""
        unreached = f"the model registry is out of reach, so this week's candidate is not logged there: {error}"
        if champion is not None and degraded is None:
            unreached += f"; the champion is {champion.version} as it is kept in the store"
        degraded = "; ".join(filter(None, (unreached, degraded)))
    if champion is None or champion.as_of > week.checks.as_of:
        in_use = ModelInUse.of(
            files, record, Standing(standing="candidate", version=None, degraded=degraded, held=held)
        )
    else:
        in_use = ModelInUse.of(
            champion.files,
            Evaluation.model_validate_json(champion.files["evaluation.json"]),
            Standing(standing="champion", version=champion.version, degraded=degraded),
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
    if record.tuning is not None:
        best = next((one for one in record.tuning.finalists if one.trial == record.tuning.chosen), None)
        figures |= {
            "tuning_trials": record.tuning.trials_done,
            "tuning_improvement": best.improvement if best else 0.0,
        }
    if record.by_jackpot:
        figures["largest_jackpots_coverage_90_pct"] = record.by_jackpot[-1].coverage_90_pct
    if record.residuals is not None:
        figures |= {
            "residual_autocorrelation": record.residuals.autocorrelation,
            "residual_ljung_box_p_value": record.residuals.ljung_box_p_value,
        }
    return {name: float(value) for name, value in figures.items() if value is not None}


def _comparable(week: Week, champion: RegisteredModel | JackpotError | None) -> RegisteredModel | JackpotError | None:
    """A champion of a later day has seen the draws that it would be compared on."""
    if isinstance(champion, RegisteredModel) and champion.as_of > week.checks.as_of:
        return JackpotError(
            f"champion {champion.version} was trained as of {champion.as_of}, and has seen draws after "
            f"{week.checks.as_of}: a run as of an earlier day promotes nothing"
        )
    return champion

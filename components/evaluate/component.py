"""evaluate: back-test the candidate, log it, and settle which model the recommendation rests on."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    model: Input[Model],
    environment: str,
    run_id: str,
    evaluation: Output[Artifact],
    forecasts: Output[Dataset],
    model_in_use: Output[Model],
    metrics: Output[Metrics],
    page: Output[HTML],
    gates: Output[Artifact],
    gates_page: Output[Markdown],
) -> str:
    """Back-test the candidate beside naive forecasts, log it to MLflow, and settle the model in use.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        model: The candidate.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        evaluation: evaluation.json.
        forecasts: The back-test, draw by draw, as CSV.
        model_in_use: The champion; where there is none, the candidate.
        metrics: The figures, for the dashboard.
        page: How good the forecast is, in words, tables and charts, for the dashboard.
        gates: gates.json: whether the candidate may follow the champion, line by line.
        gates_page: The same as a table, for the dashboard.

    Returns:
        The registry's URI of the logged candidate.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("evaluate", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.errors import JackpotError
        from jackpot.promotion.versions import champion_or_error
        from jackpot.steps.evaluate import evaluate, flat_metrics
        from jackpot.steps.monitor import retraining_reason
        from jackpot.steps.tuning import trial_runs
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        outputs = {"evaluation": evaluation, "forecasts": forecasts, "model_in_use": model_in_use, "page": page}
        outputs |= {"gates": gates, "gates_page": gates_page}
        champion = champion_or_error(places.audit(week.market.market), week.model_name, places.store, places.registry)
        candidate, paths = Path(model.path), {name: Path(artifact.path) for name, artifact in outputs.items()}
        trials = trial_runs(week, candidate, places.store)
        asked = retraining_reason(week, champion, places.store)
        record, logged = evaluate(week, candidate, places.registry, run_id, trials, champion, asked, **paths)
        for name, value in flat_metrics(record).items():
            metrics.log_metric(name, value)
        try:
            # What a promotion that was killed has left undone.
            places.promoter(week.market.market, week.model_name, f"run:{run_id}", now()).settle()
        except JackpotError as error:
            emit("not-settled", reason=str(error))
    return logged

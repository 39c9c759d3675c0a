"""evaluate: back-test the candidate, log it, and settle which model the recommendation rests on."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

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

    Returns:
        The registry's URI of the logged candidate.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("evaluate", environment, run_id) as places:
        from jackpot.steps.evaluate import evaluate, flat_metrics
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        outputs = {"evaluation": evaluation, "forecasts": forecasts, "model_in_use": model_in_use, "page": page}
        record, logged = evaluate(
            week,
            Path(model.path),
            places.registry,
            run_id,
            **{name: Path(artifact.path) for name, artifact in outputs.items()},
        )
        for name, value in flat_metrics(record).items():
            metrics.log_metric(name, value)
    return logged

"""publish: the recommendation with its evidence goes into the keyed store, the report to finance."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def publish(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    model_in_use: Input[Model],
    evaluation: Input[Artifact],
    gates: Input[Artifact],
    forecasts: Input[Dataset],
    recommendation: Input[Artifact],
    curve: Input[Dataset],
    environment: str,
    run_id: str,
    report: Output[HTML],
    summary: Output[Markdown],
) -> None:
    """Publish the recommendation.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        model_in_use: The champion, or the candidate.
        evaluation: evaluation.json.
        gates: gates.json of the candidate.
        forecasts: The back-test, draw by draw.
        recommendation: recommendation.json.
        curve: Value against jackpot.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        report: The report without cash figures, for the dashboard.
        summary: The same in Markdown.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("publish", environment, run_id) as places:
        from jackpot.adapters.run_record import run_record
        from jackpot.steps.model_in_use import ModelInUse
        from jackpot.steps.publish import publish
        from jackpot.steps.week import read_week

        inputs = {"evaluation": evaluation, "gates": gates, "forecasts": forecasts}
        inputs |= {"recommendation": recommendation, "curve": curve}
        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        prefix = publish(
            week,
            ModelInUse.read(Path(model_in_use.path)),
            run_record(places.store, run_id, places.environment.environment),
            places.store,
            places.restricted,
            places.audit(week.market.market),
            **{name: Path(artifact.path) for name, artifact in inputs.items()},
            dashboard=Path(report.path),
            summary=Path(summary.path),
        )
        emit("published", prefix=prefix)

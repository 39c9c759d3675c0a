"""optimise: decide the jackpot with the model in use."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def optimise(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    model_in_use: Input[Model],
    cash_uri: str,
    environment: str,
    run_id: str,
    recommendation: Output[Artifact],
    curve: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """Condition the model in use on this week's data and decide the jackpot.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        model_in_use: The champion, or the candidate.
        cash_uri: Where the cash figures lie; empty: where the environment says. They go into no artifact.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        recommendation: recommendation.json.
        curve: Value against jackpot, as CSV.
        metrics: The figures, for the dashboard.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("optimise", environment, run_id) as places:
        from jackpot.steps.model_in_use import ModelInUse
        from jackpot.steps.monitor import stop_reason
        from jackpot.steps.optimise import flat_metrics, optimise
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        cash = places.cash(week.market, cash_uri, week.synthetic)
        in_use = ModelInUse.read(Path(model_in_use.path))
        paths = {"recommendation": Path(recommendation.path), "curve": Path(curve.path)}
        stopped = stop_reason(week, in_use, places.store)
        decision = optimise(week, in_use, cash, places.restricted, **paths, stopped=stopped)
        for name, value in flat_metrics(decision.recommendation).items():
            metrics.log_metric(name, value)

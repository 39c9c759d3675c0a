"""select_settings: keep the default's settings unless the trials say otherwise."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def select_settings(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    trials: int,
    done: list[str],
    environment: str,
    run_id: str,
    tuning: Output[Artifact],
    metrics: Output[Metrics],
) -> str:
    """Compare the best trials with the default on draws that none was chosen on.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        trials: Trials asked for.
        done: What the shards say; the trials themselves are in the store.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        tuning: tuning.json.
        metrics: Its figures, for the dashboard.

    Returns:
        The key of tuning.json in the store.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("select_settings", environment, run_id) as places:
        from jackpot.canonical import write_atomically
        from jackpot.steps.tuning import select
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        record, key = select(week, int(trials), places.store)
        write_atomically(Path(tuning.path), record.to_bytes())
        metrics.log_metric("trials_done", record.trials_done)
        metrics.log_metric("chosen_trial", record.chosen)
    return key

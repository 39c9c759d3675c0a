"""tune: run the trials of one shard."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def tune(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    shard: str,
    seconds: int,
    environment: str,
    run_id: str,
) -> str:
    """Score settings on rolling origins inside the training window; each trial is kept in the store as it ends.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        shard: Which trials, as first:end; those that are in the store are not run again.
        seconds: No trial of the shard starts after so many.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        How many trials of the shard are done.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("tune", environment, run_id) as places:
        from jackpot.adapters.clock import after
        from jackpot.steps import tuning
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        done = tuning.tune(week, shard, places.store, after(int(seconds)))
    return f"{shard} {done}"

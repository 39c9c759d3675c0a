"""run_policy: every policy's runs of one shard."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def run_policy(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    kind: str,
    shard: str,
    draws: int,
    seed: int,
    happened: bool,
    environment: str,
    run_id: str,
    result: Output[Artifact],
) -> None:
    """Run every policy through the runs of one shard.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        kind: simulated or backtest.
        shard: number:runs.
        draws: Draws of a run; 0: all that there is a plan for, or the last 52.
        seed: Of the luck.
        happened: Winners are those that won.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        result: The shard's runs, as JSON.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("run_policy", environment, run_id):
        from jackpot.steps.policy import kind_of, run_policy_shard
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        found = run_policy_shard(week, kind_of(kind), shard, int(draws), int(seed), happened=happened)
        Path(result.path).write_bytes(found.to_bytes())

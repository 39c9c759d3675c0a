"""plan_policy: the shards of a comparison of policies."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_policy(kind: str, runs: int, happened: bool, environment: str, run_id: str) -> list[str]:
    """Cut a comparison of policies into shards of runs.

    Args:
        kind: simulated or backtest.
        runs: How many runs.
        happened: Winners are those that won: one run of a back-test.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        Shards, each as number:runs.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("plan_policy", environment, run_id):
        from jackpot.steps.policy import kind_of, plan_policy

        shards = plan_policy(kind_of(kind), int(runs), happened=happened)
        emit("planned", shards=len(shards))
    return shards

"""plan_tuning: cut the trials of a tuning into shards."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_tuning(trials: int, environment: str, run_id: str) -> list[str]:
    """Cut so many trials into shards that run side by side.

    Args:
        trials: Trials in all; the first is the default.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The shards, each as first:end.
    """
    from jackpot.adapters.step import open_step

    with open_step("plan_tuning", environment, run_id):
        from jackpot.steps.tuning import plan

        shards = plan(int(trials))
    return shards

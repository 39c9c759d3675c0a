"""collect: the manifest of a file that is scored."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def collect(
    plan: Input[Artifact],
    scored: list[int],
    output_uri: str,
    environment: str,
    run_id: str,
    manifest: Output[Artifact],
    metrics: Output[Metrics],
) -> str:
    """Write the manifest; fail where a shard is missing.

    Args:
        plan: plan.json.
        scored: Rows that each task scored, which makes this step wait for all of them.
        output_uri: The folder or s3://bucket/prefix of the result.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        manifest: manifest.json.
        metrics: Rows scored, rejected and extrapolated.

    Returns:
        Where the result lies.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("collect", environment, run_id):
        from jackpot.adapters.files import open_store
        from jackpot.scoring.contract import Plan
        from jackpot.scoring.job import collect

        store = open_store(output_uri)
        made = collect(Plan.model_validate_json(Path(plan.path).read_bytes()), store)
        Path(manifest.path).write_bytes(made.to_bytes())
        for name in ("rows", "scored", "rejected", "extrapolated"):
            metrics.log_metric(name, getattr(made, name))
        place = store.uri(made.job)
        emit("collected", place=place, rows=made.rows, rejected=made.rejected, task_rows=[int(n) for n in scored])
    return place

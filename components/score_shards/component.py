"""score_shards: score the shards of one task."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def score_shards(plan: Input[Artifact], shards: str, output_uri: str, environment: str, run_id: str) -> int:
    """Score the shards of one task; a shard that is scored already is left as it is.

    Args:
        plan: plan.json.
        shards: Numbers of shards, with spaces between.
        output_uri: The folder or s3://bucket/prefix of the result.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        Rows of these shards.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("score_shards", environment, run_id):
        from jackpot.adapters.files import open_file, open_store
        from jackpot.scoring.contract import Plan
        from jackpot.steps.batch import score_shards

        job = Plan.model_validate_json(Path(plan.path).read_bytes()).job
        rows = score_shards(job, shards, open_store(output_uri), open_file)
        emit("scored", job=job, shards=shards, rows=rows)
    return rows

"""plan_shards: read a file once and plan its scoring by the market's champion."""

from kfp import dsl
from kfp.dsl import Artifact, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_shards(
    market: str,
    input_uri: str,
    output_uri: str,
    output_format: str,
    environment: str,
    run_id: str,
    plan: Output[Artifact],
) -> list[str]:
    """Plan the scoring of a file; what an earlier run of the same job has scored is left out.

    Args:
        market: Name under configs/markets/.
        input_uri: A path or s3:// URI of a CSV or Parquet file.
        output_uri: A folder or s3://bucket/prefix for the result.
        output_format: csv or parquet; empty: the input's.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        plan: plan.json.

    Returns:
        Tasks: the numbers of the shards that each scores, with spaces between.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("plan_shards", environment, run_id) as places:
        from jackpot.adapters.files import open_file, open_store
        from jackpot.market.loading import load_market
        from jackpot.steps.batch import plan_batch, tasks

        store = open_store(output_uri)
        made = plan_batch(
            load_market(market).market.market,
            open_file(input_uri),
            store,
            output_format,
            places.registry,
            places.store,
            places.environment.synthetic_allowed,
        )
        Path(plan.path).write_bytes(made.to_bytes())
        plan.metadata.update(job=made.job, rows=made.input_rows, model_version=made.model_version)
        found = tasks(made, store)
        emit("planned", job=made.job, rows=made.input_rows, tasks=len(found))
    return found

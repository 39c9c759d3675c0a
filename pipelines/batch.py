"""batch: forecast the sales of every row of a file, sharded; run again, it scores only what is missing."""

from kfp import dsl

from components.collect.component import collect
from components.plan_shards.component import plan_shards
from components.score_shards.component import score_shards

PARALLEL = 8


@dsl.pipeline(name="batch", description="Forecast sales for every row of a CSV or Parquet file.")
def batch(
    market: str = "england",
    input_uri: str = "",
    output_uri: str = "",
    output_format: str = "",
    environment: str = "production",
) -> None:
    """Forecast sales for every row of a CSV or Parquet file.

    Args:
        market: Name under configs/markets/.
        input_uri: A path or s3:// URI of a file with the columns `jackpot` and `draw_date`.
        output_uri: A folder or s3://bucket/prefix for the result.
        output_format: csv or parquet. Empty: the input's.
        environment: Name under configs/environments/.
    """
    # Nothing is cached: what a job has scored already it finds in its own store.
    place = {"output_uri": output_uri, "environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    planned = plan_shards(market=market, input_uri=input_uri, output_format=output_format, **place).set_caching_options(
        False
    )
    with dsl.ParallelFor(planned.outputs["Output"], parallelism=PARALLEL, name="shards") as shards:
        scored = score_shards(plan=planned.outputs["plan"], shards=shards, **place).set_caching_options(False)
    collect(plan=planned.outputs["plan"], scored=dsl.Collected(scored.output), **place).set_caching_options(False)

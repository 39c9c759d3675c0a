"""backfill: what would have been recommended for past draws."""

from kfp import dsl

from components.backfill_draw.component import backfill_draw
from components.collect_backfill.component import collect_backfill
from components.notify.component import notify
from components.plan_backfill.component import plan_backfill

PARALLEL = 8
"""Draws at once on a cluster; a laptop runs two."""


@dsl.pipeline(name="backfill", description="Recommend for past draws, each as of its own day.")
def backfill(
    market: str = "england",
    first: str = "",
    last: str = "",
    history_uri: str = "",
    cash_uri: str = "",
    environment: str = "production",
) -> None:
    """Recommend for past draws, each as of its own day, with the champion of that day.

    Args:
        market: Name under configs/markets/.
        first: First draw date, YYYY-MM-DD. Empty: the last but 51 of the history.
        last: Last draw date, YYYY-MM-DD. Empty: the history's last.
        history_uri: A path or s3:// URI of the history. Empty: what the market file says.
        cash_uri: Cash figures as they were, `{as_of}` in it standing for the day. Empty: cash is not checked.
        environment: Name under configs/environments/.
    """
    place = {"environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    told = notify(market=market, **place).set_caching_options(False)
    with dsl.ExitHandler(told, name="backfill-steps"):
        planned = plan_backfill(
            market=market, first=first, last=last, history_uri=history_uri, **place
        ).set_caching_options(False)
        with dsl.ParallelFor(planned.output, name="draws", parallelism=PARALLEL) as day:
            done = backfill_draw(
                market=market, as_of=day, history_uri=history_uri, cash_uri=cash_uri, **place
            ).set_caching_options(False)
        collect_backfill(market=market, prefixes=dsl.Collected(done.output), **place).set_caching_options(False)

"""policy: policies compared on a market's known truth or its history, fanned out over shards of runs."""

from kfp import dsl

from components.plan_policy.component import plan_policy
from components.preprocess.component import preprocess
from components.report_policy.component import report_policy
from components.run_policy.component import run_policy

PARALLEL = 8


@dsl.pipeline(name="policy", description="Compare the recommendation's policy with others over many runs.")
def policy(
    market: str = "england",
    kind: str = "simulated",
    runs: int = 1000,
    draws: int = 0,
    seed: int = 7,
    happened: bool = False,
    as_of: str = "",
    history_uri: str = "",
    environment: str = "production",
) -> None:
    """Compare the recommendation's policy with the seed's rule, constants, the last jackpot and the history's own.

    Args:
        market: Name under configs/markets/.
        kind: simulated (a market with a known truth) or backtest (the history's last draws).
        runs: How many runs.
        draws: Draws of a run; 0: the named period and a horizon after it, or the last 52 of the history.
        seed: Of the luck; the figures do not depend on how many shards run at once.
        happened: In a back-test: winners are those that won, in one run.
        as_of: YYYY-MM-DD; draws before it are seen. Empty: the day after the history's last draw.
        history_uri: A path or s3:// URI of the history. Empty: what the market file says.
        environment: Name under configs/environments/.
    """
    # Nothing is cached: preprocess has the same parameters every week.
    place = {"environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    made = {"kind": kind, "seed": seed, "happened": happened, **place}
    planned = plan_policy(kind=kind, runs=runs, happened=happened, **place).set_caching_options(False)
    read = preprocess(market=market, history_uri=history_uri, as_of=as_of, cash_uri="", **place).set_caching_options(
        False
    )
    week = {name: read.outputs[name] for name in ("market_file", "snapshot", "checks")}
    with dsl.ParallelFor(planned.output, parallelism=PARALLEL, name="shards") as shard:
        done = run_policy(**week, shard=shard, draws=draws, **made).set_caching_options(False)
    report_policy(**week, results=dsl.Collected(done.outputs["result"]), **made).set_caching_options(False)

"""monitor: does the model in use still hold?"""

from kfp import dsl

from components.detect_drift.component import detect_drift
from components.notify.component import notify
from components.preprocess.component import preprocess


@dsl.pipeline(name="monitor", description="Hold a market's model in use against the draws since it was trained.")
def monitor(
    market: str = "england",
    as_of: str = "",
    history_uri: str = "",
    cash_uri: str = "",
    environment: str = "production",
) -> None:
    """Hold a market's model in use against the draws since it was trained.

    Args:
        market: Name under configs/markets/.
        as_of: YYYY-MM-DD; draws before it are seen. Empty: the day after the history's last draw.
        history_uri: A path or s3:// URI of the history. Empty: what the market file says.
        cash_uri: Where the cash figures lie. Empty: where the environment says.
        environment: Name under configs/environments/.
    """
    place = {"environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    told = notify(market=market, **place).set_caching_options(False)
    with dsl.ExitHandler(told, name="monitor-steps"):
        read = preprocess(
            market=market, history_uri=history_uri, as_of=as_of, cash_uri=cash_uri, **place
        ).set_caching_options(False)
        week = {name: read.outputs[name] for name in ("market_file", "snapshot", "checks")}
        detect_drift(**week, cash_uri=cash_uri, **place).set_caching_options(False)

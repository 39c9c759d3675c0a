"""weekly: one run per market and draw, from the operator's file to a published recommendation."""

from kfp import dsl

from components.evaluate.component import evaluate
from components.gate.component import gate
from components.notify.component import notify
from components.optimise.component import optimise
from components.preprocess.component import preprocess
from components.publish.component import publish
from components.register.component import register
from components.train.component import train


@dsl.pipeline(name="weekly", description="Recommend the jackpot of a market's next draw.")
def weekly(
    market: str = "england",
    as_of: str = "",
    history_uri: str = "",
    cash_uri: str = "",
    environment: str = "production",
) -> None:
    """Recommend the jackpot of a market's next draw.

    Args:
        market: Name under configs/markets/.
        as_of: YYYY-MM-DD; draws before it are seen. Empty: the day after the history's last draw.
        history_uri: A path or s3:// URI of the history. Empty: what the market file says.
        cash_uri: Where the cash figures lie. Empty: where the environment says.
        environment: Name under configs/environments/.
    """
    # Nothing is cached: preprocess has the same parameters every week, so that a cached result would be last week's,
    # and what follows leaves records of this very run.
    place = {"environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    told = notify(market=market, **place).set_caching_options(False)
    with dsl.ExitHandler(told, name="weekly-steps"):
        read = preprocess(
            market=market, history_uri=history_uri, as_of=as_of, cash_uri=cash_uri, **place
        ).set_caching_options(False)
        week = {name: read.outputs[name] for name in ("market_file", "snapshot", "checks")}
        trained = train(**week, **place).set_caching_options(False)
        tested = evaluate(**week, model=trained.outputs["model"], **place).set_caching_options(False)
        gates = gate(evaluation=tested.outputs["evaluation"]).set_caching_options(False)
        with dsl.If(gates.output == True, name="gates-passed"):  # noqa: E712
            register(
                checks=week["checks"], model=trained.outputs["model"], logged=tested.outputs["Output"], **place
            ).set_caching_options(False)
        decided = optimise(
            **week, model_in_use=tested.outputs["model_in_use"], cash_uri=cash_uri, **place
        ).set_caching_options(False)
        publish(
            **week,
            model_in_use=tested.outputs["model_in_use"],
            evaluation=tested.outputs["evaluation"],
            forecasts=tested.outputs["forecasts"],
            recommendation=decided.outputs["recommendation"],
            curve=decided.outputs["curve"],
            **place,
        ).set_caching_options(False)

"""weekly: one run per market and draw, from the operator's file to a published recommendation."""

from kfp import dsl

from components.champion_settings.component import champion_settings
from components.deploy.component import deploy
from components.evaluate.component import evaluate
from components.gate.component import gate
from components.notify.component import notify
from components.optimise.component import optimise
from components.plan_tuning.component import plan_tuning
from components.preprocess.component import preprocess
from components.publish.component import publish
from components.register.component import register
from components.request_approval.component import request_approval
from components.select_settings.component import select_settings
from components.system_test.component import system_test
from components.train.component import train
from components.tune.component import tune


@dsl.pipeline(name="weekly", description="Recommend the jackpot of a market's next draw.")
def weekly(
    market: str = "england",
    as_of: str = "",
    history_uri: str = "",
    cash_uri: str = "",
    environment: str = "production",
    tuning_trials: int = 0,
    tuning_seconds: int = 600,
) -> None:
    """Recommend the jackpot of a market's next draw.

    Args:
        market: Name under configs/markets/.
        as_of: YYYY-MM-DD; draws before it are seen. Empty: the day after the history's last draw.
        history_uri: A path or s3:// URI of the history. Empty: what the market file says.
        cash_uri: Where the cash figures lie. Empty: where the environment says.
        environment: Name under configs/environments/.
        tuning_trials: Settings of the model to try. 0: the champion's are kept, or the default's where there is none.
        tuning_seconds: No trial starts after so many seconds of its shard.
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
        with dsl.If(tuning_trials > 0, name="tuning"):
            planned = plan_tuning(trials=tuning_trials, **place).set_caching_options(False)
            with dsl.ParallelFor(planned.output, name="shards") as shard:
                tried = tune(**week, shard=shard, seconds=tuning_seconds, **place).set_caching_options(False)
            selected = select_settings(
                **week, trials=tuning_trials, done=dsl.Collected(tried.output), **place
            ).set_caching_options(False)
        with dsl.Else(name="no-tuning"):
            kept = champion_settings(**week, **place).set_caching_options(False)
        settings = dsl.OneOf(selected.outputs["Output"], kept.output)
        trained = train(**week, settings=settings, **place).set_caching_options(False)
        tested = evaluate(**week, model=trained.outputs["model"], **place).set_caching_options(False)
        decided = optimise(
            **week, model_in_use=tested.outputs["model_in_use"], cash_uri=cash_uri, **place
        ).set_caching_options(False)
        published = publish(
            **week,
            model_in_use=tested.outputs["model_in_use"],
            evaluation=tested.outputs["evaluation"],
            gates=tested.outputs["gates"],
            forecasts=tested.outputs["forecasts"],
            recommendation=decided.outputs["recommendation"],
            curve=decided.outputs["curve"],
            **place,
        ).set_caching_options(False)
        # Last, since a candidate that fails its test ends what has not begun: the week has its recommendation by then.
        gates = gate(gates=tested.outputs["gates"]).set_caching_options(False).after(published)
        with dsl.If(gates.output == True, name="gates-passed"):  # noqa: E712
            registered = register(
                checks=week["checks"], gates=tested.outputs["gates"], logged=tested.outputs["Output"], **place
            ).set_caching_options(False)
            with dsl.If(registered.output != "", name="challenger"):
                beside = deploy(market=market, model=registered.output, candidate=True, **place).set_caching_options(
                    False
                )
                held = system_test(market=market, model=beside.output, **place).set_caching_options(False)
                request_approval(market=market, model=held.outputs["Output"], **place).set_caching_options(False)

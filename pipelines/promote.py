"""promote: an approved version becomes the champion, or everything stays as it was."""

from kfp import dsl

from components.begin_promotion.component import begin_promotion
from components.deploy.component import deploy
from components.finish_promotion.component import finish_promotion
from components.notify.component import notify


@dsl.pipeline(name="promote", description="Make an approved model version the champion.")
def promote(market: str = "england", version: str = "", environment: str = "production") -> None:
    """Make an approved model version the champion; run again, it finishes or undoes what was begun.

    Args:
        market: Name under configs/markets/.
        version: The version, e.g. v3.
        environment: Name under configs/environments/.
    """
    # Nothing is cached: whether a version is approved, and which has the traffic, is asked anew each time.
    place = {"environment": environment, "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    told = notify(market=market, **place).set_caching_options(False)
    with dsl.ExitHandler(told, name="promote-steps"):
        begun = begin_promotion(market=market, version=version, **place).set_caching_options(False)
        deployed = deploy(market=market, model=begun.output, candidate=False, **place).set_caching_options(False)
        finish_promotion(market=market, model=deployed.output, **place).set_caching_options(False)

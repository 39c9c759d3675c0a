"""deploy: a registered version is brought to where it is served, and verified there."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def deploy(market: str, model: str, candidate: bool, environment: str, run_id: str) -> str:
    """Deploy a version: a challenger beside the champion, or a version in its promotion in the champion's place.

    Args:
        market: Name under configs/markets/, or a path.
        model: The version, as name/version/hash.
        candidate: Whether it goes beside the champion, without its traffic.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The version, as it came.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("deploy", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.market.loading import load_market
        from jackpot.promotion import Version

        name, version = Version.parse(model)
        promoter = places.promoter(load_market(market).market.market, name, f"run:{run_id}", now())
        if candidate:
            promoter.deploy_candidate(version)
        else:
            promoter.deploy(version)
        emit("deployed", market=promoter.market, version=version.version, candidate=candidate)
    return model

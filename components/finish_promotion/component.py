"""finish_promotion: the promotion is recorded, and the aliases follow."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finish_promotion(market: str, model: str, environment: str, run_id: str) -> str:
    """Record the promotion of a deployed version in the audit log, then move the aliases.

    Args:
        market: Name under configs/markets/, or a path.
        model: The version, as name/version/hash.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The champion, e.g. v3.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("finish-promotion", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.canonical import json_bytes
        from jackpot.market.loading import load_market
        from jackpot.promotion import Version

        name, version = Version.parse(model)
        promoter = places.promoter(load_market(market).market.market, name, f"run:{run_id}", now())
        promoter.finish(version)
        told = {"market": promoter.market, "model_name": name, "version": version.version}
        places.store.replace(f"runs/{run_id}/promotion.json", json_bytes(told))
        emit("promoted", **told)
    return version.version

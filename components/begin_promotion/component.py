"""begin_promotion: a version's gates and approval are checked once more, and its turn is claimed."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def begin_promotion(market: str, version: str, environment: str, run_id: str) -> str:
    """Check that a version passed its gates and is approved, by its very hashes, and claim the turn.

    Args:
        market: Name under configs/markets/, or a path.
        version: The version, e.g. v3; with the model's name where the market has several: england/v3.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The version, as name/version/hash.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("begin-promotion", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.market.loading import load_market
        from jackpot.promotion import named_version

        loaded = load_market(market).market
        name, number = named_version(loaded.market, version, places.audit(loaded.market))
        known = places.promoter(loaded.market, name, f"run:{run_id}", now()).begin(number)
        emit("promotion-begun", run_id=run_id, market=loaded.market, version=known.version)
    return known.reference(name)

"""request_approval: a person is asked whether a challenger may follow the champion."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def request_approval(market: str, model: str, environment: str, run_id: str) -> str:
    """Ask for a challenger's approval, with its evidence.

    Args:
        market: Name under configs/markets/, or a path.
        model: The challenger, as name/version/hash.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The request's id.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("request-approval", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.adapters.identity import trainer
        from jackpot.market.loading import load_market
        from jackpot.promotion import Version
        from jackpot.steps.register import approval_notice, request_approval

        name, version = Version.parse(model)
        loaded = load_market(market).market
        promoter = places.promoter(loaded.market, name, f"run:{run_id}", now())
        request = request_approval(version, promoter, trainer(places.environment.approval), loaded.governance)
        places.tell(approval_notice(promoter.log, request, run_id, places.environment.run_link))
        emit("approval-requested", market=loaded.market, version=version.version, request=request)
    return request

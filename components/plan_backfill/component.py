"""plan_backfill: list the past draws to recommend for."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def plan_backfill(market: str, first: str, last: str, history_uri: str, environment: str, run_id: str) -> list[str]:
    """List the draws of a market's history from one day to another.

    Args:
        market: Name under configs/markets/, or a path.
        first: First draw date, YYYY-MM-DD; empty: the last but 51 of the history.
        last: Last draw date, YYYY-MM-DD; empty: the history's last.
        history_uri: A path or s3:// URI; empty: what the market file says.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The days as of which each draw is recommended for.
    """
    from jackpot.adapters.step import open_step

    with open_step("plan_backfill", environment, run_id) as places:
        from jackpot.adapters.run_record import start_run
        from jackpot.history.as_of import resolve_as_of
        from jackpot.market.loading import load_market
        from jackpot.steps.backfill import plan
        from jackpot.steps.notify import started
        from jackpot.steps.preprocess import read_source
        from jackpot.steps.weekly import week_in_memory

        loaded = load_market(market)
        source = read_source(loaded, history_uri, places.read, places.environment.synthetic_allowed)
        history = week_in_memory(loaded, source, None).history
        days = [f"{day.as_of}" for day in plan(history, resolve_as_of(first), resolve_as_of(last))]
        if start_run(places.store, run_id):
            places.tell(started(market, run_id, places.environment.run_link))
    return days

"""backfill_draw: recommend for one past draw, as of its own day."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def backfill_draw(market: str, as_of: str, history_uri: str, cash_uri: str, environment: str, run_id: str) -> str:
    """Recommend with the champion of that day, else with a model trained on what was known; nothing is registered.

    Args:
        market: Name under configs/markets/, or a path.
        as_of: YYYY-MM-DD; draws before it are seen.
        history_uri: A path or s3:// URI; empty: what the market file says.
        cash_uri: Cash figures as they were, `{as_of}` in it standing for the day; empty: none, so cash is not checked.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        Where in the store the recommendation lies.
    """
    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step(f"backfill_draw-{as_of}", environment, run_id) as places:
        from jackpot.adapters.run_record import code_version
        from jackpot.history.as_of import resolve_as_of
        from jackpot.market.loading import load_market
        from jackpot.steps.backfill import backfill, champion_of_the_day
        from jackpot.steps.preprocess import read_source
        from jackpot.steps.weekly import week_in_memory

        loaded = load_market(market)
        source = read_source(loaded, history_uri, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, resolve_as_of(as_of))
        champion = champion_of_the_day(week, places.audit(loaded.market.market), places.store, places.registry)
        cash = places.past_cash(week.market, cash_uri.replace("{as_of}", as_of), week.synthetic)
        done = backfill(week, champion, cash, code_version(), places.store)
        emit("backfilled", run_id=run_id, draw_date=done.draw_date, status=done.status)
    return done.prefix

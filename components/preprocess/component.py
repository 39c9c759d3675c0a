"""preprocess: an operator's file becomes a checked, immutable snapshot."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def preprocess(
    market: str,
    history_uri: str,
    as_of: str,
    cash_uri: str,
    environment: str,
    run_id: str,
    snapshot: Output[Dataset],
    market_file: Output[Artifact],
    checks: Output[Artifact],
) -> None:
    """Read and check a market's history and leave its snapshot.

    Args:
        market: Name under configs/markets/, or a path.
        history_uri: A path or s3:// URI; empty: what the market file says.
        as_of: YYYY-MM-DD; draws before it are seen. Empty: the day after the history's last draw.
        cash_uri: Where the cash figures lie; checked here, read where they are used.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        snapshot: Canonical Parquet of the draws.
        market_file: The market file as read.
        checks: checks.json: warnings, hashes, where the data came from.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("preprocess", environment, run_id) as places:
        import datetime as dt

        from jackpot.adapters.clock import now
        from jackpot.adapters.run_record import start_run
        from jackpot.history.as_of import resolve_as_of
        from jackpot.market.loading import load_market
        from jackpot.steps import preprocess as step
        from jackpot.steps.notify import started

        if start_run(places.store, run_id):
            places.tell(started(market, run_id, places.environment.run_link))
        loaded = load_market(market)
        source = step.read_source(loaded, history_uri, places.read, places.environment.synthetic_allowed)
        # Bad cash figures are found here, before anything is trained or registered, and used later.
        places.cash(loaded.market, cash_uri, source.uri == step.SYNTHETIC)
        paths = {"snapshot": Path(snapshot.path), "market_file": Path(market_file.path), "checks": Path(checks.path)}
        today = dt.datetime.fromisoformat(now()).date()
        record = step.preprocess(loaded, source, resolve_as_of(as_of), places.store, **paths, today=today)
        snapshot.metadata.update(sha256=record.snapshot, rows=record.rows, as_of=record.as_of)

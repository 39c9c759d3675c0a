"""detect_drift: hold the model in use against the draws since it was trained."""

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def detect_drift(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    cash_uri: str,
    environment: str,
    run_id: str,
    record: Output[Artifact],
    page: Output[HTML],
    summary: Output[Markdown],
) -> str:
    """Look for drift since the model in use was trained, and put the verdict into the audit log.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        cash_uri: Where the cash figures lie; empty: where the environment says. They go into no artifact.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        record: monitor.json.
        page: What was found, for the dashboard.
        summary: The same in Markdown.

    Returns:
        The verdict: nothing, watch, retrain or stop.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("detect_drift", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.promotion.versions import load_champion
        from jackpot.steps.monitor import conclude, model_to_watch
        from jackpot.steps.monitor import monitor as step
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        cash = places.cash(week.market, cash_uri, week.synthetic)
        log = places.audit(week.market.market)
        champion = load_champion(log, week.model_name, places.store, places.registry)
        used = model_to_watch(week, champion, places.store)
        paths = {"record": Path(record.path), "page": Path(page.path), "words": Path(summary.path)}
        found = step(week, used, cash, places.store, places.restricted, **paths)
        conclude(found, run_id, places.store, log, now())
        emit("monitored", run_id=run_id, verdict=found.verdict)
    return found.verdict

"""champion_settings: what a week without tuning goes by."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def champion_settings(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    environment: str,
    run_id: str,
) -> str:
    """Find the tuning behind the champion's settings.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The key of its tuning.json in the store; empty: the default's settings.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("champion_settings", environment, run_id) as places:
        from jackpot.records import Checks
        from jackpot.steps.settings import champion_settings, ever_tuned

        market = Checks.model_validate_json(Path(checks.path).read_bytes()).market
        if not ever_tuned(market, places.store):
            return ""
        from jackpot.promotion.versions import load_champion
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        key = champion_settings(
            week,
            places.store,
            lambda: load_champion(places.audit(market), week.model_name, places.store, places.registry),
        )
    return key

"""train: fit the market's demand model on a snapshot."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    environment: str,
    run_id: str,
    model: Output[Model],
    settings: str = "",
) -> None:
    """Fit the demand model that the market file names.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        model: The model as JSON and npz files; nothing is pickled.
        settings: Key of the tuning.json in the store whose settings it takes; empty: the default's.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("train", environment, run_id) as places:
        from jackpot.steps.settings import settings_of
        from jackpot.steps.train import train
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        model.metadata.update(
            sha256=train(week, Path(model.path), settings_of(places.store, settings)), model=week.market.demand.model
        )

"""train: fit the market's demand model on a snapshot."""

from __future__ import annotations

from pathlib import Path

from ..canonical import write_atomically
from ..records import Tuning
from .model_in_use import TUNING
from .week import Week


def train(week: Week, model: Path, tuning: Tuning | None = None) -> str:
    """Fit the demand model that the market file names, leave its files in a folder and return their hash.

    Its settings are those of `tuning`, which is left beside the files; without one, the default's.
    """
    from ..demand.models import new_model
    from ..demand.settings import Settings
    from ..demand.storage import model_files, model_hash

    settings = Settings.of(tuning.settings) if tuning else None
    files = model_files(new_model(week.market.demand.model, settings).fit(week.history.draws, week.market))
    for name, data in files.items():
        write_atomically(model / name, data)
    if tuning is not None:
        write_atomically(model / TUNING, tuning.to_bytes())
    return model_hash(files)

"""train: fit the market's demand model on a snapshot."""

from __future__ import annotations

from pathlib import Path

from ..canonical import write_atomically
from .week import Week


def train(week: Week, model: Path) -> str:
    """Fit the demand model that the market file names, leave its files in a folder and return their hash."""
    from ..demand.models import new_model
    from ..demand.storage import model_files, model_hash

    files = model_files(new_model(week.market.demand.model).fit(week.history.draws, week.market))
    for name, data in files.items():
        write_atomically(model / name, data)
    return model_hash(files)

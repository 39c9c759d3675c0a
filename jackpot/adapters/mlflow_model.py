"""MLflow's view of a demand model: a models-from-code pyfunc over the model's own JSON and npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel


class SalesForecast(PythonModel):  # type: ignore[misc]
    """Sales given jackpot and draw date, conditioned on the snapshot that the model was trained on."""

    def load_context(self, context: Any) -> None:
        """Read the model's files and filter its state from the snapshot beside them."""
        from jackpot.demand.storage import load_model
        from jackpot.history.snapshot import read_snapshot
        from jackpot.market.loading import parse_market

        folder = Path(context.artifacts["model"])
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        market = parse_market(files["market.yaml"], "market.yaml")
        self.demand = load_model(files).condition(read_snapshot(files["snapshot.parquet"], market), market)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return mean, median and the 90% interval of sales, one row for each row of `jackpot` and `draw_date`."""
        import numpy as np

        rows = []
        for row in model_input.itertuples(index=False):
            jackpots, dates = np.array([row.jackpot]), pd.DatetimeIndex([row.draw_date])
            quantiles = self.demand.quantiles(jackpots, dates, np.array([0.05, 0.5, 0.95]))[:, 0, 0]
            rows.append((self.demand.mean(jackpots, dates)[0, 0], quantiles[1], quantiles[0], quantiles[2]))
        return pd.DataFrame(rows, columns=["mean", "median", "low_90", "high_90"])


mlflow.models.set_model(SalesForecast())

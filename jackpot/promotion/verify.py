"""Whether a version's files forecast: what a deployment is verified by."""

from __future__ import annotations

from ..demand.storage import load_model, model_hash
from ..errors import JackpotError
from ..ports import Files


def forecast_curve(files: Files) -> tuple[str, dict[float, float]]:
    """Return a day after the last draw, and mean sales on it by jackpot, by a version's model, market and snapshot."""
    import numpy as np
    import pandas as pd

    from ..history.snapshot import read_snapshot
    from ..market.loading import parse_market

    market = parse_market(files["market.yaml"], "market.yaml")
    draws = read_snapshot(files["snapshot.parquet"], market)
    seen = draws["jackpot"].to_numpy(float)
    jackpots = np.geomspace(float(seen.min()), float(seen.max()), 10)
    coming = pd.DatetimeIndex([draws["draw_date"].iloc[-1] + pd.Timedelta(days=7)])
    sales = load_model(files).condition(draws, market).mean(jackpots, coming)[0]
    return coming[0].strftime("%Y-%m-%d"), dict(zip(jackpots.tolist(), sales.tolist(), strict=True))


def verify(files: Files, model_sha256: str) -> None:
    """Raise JackpotError unless the files are those of the hash, load, and forecast sales that are sane."""
    import numpy as np

    if model_hash(files) != model_sha256:
        raise JackpotError(f"the files are not those of the model {model_sha256[:16]}...")
    sales = np.array(list(forecast_curve(files)[1].values()))
    if not (np.isfinite(sales).all() and (sales > 0).all() and (np.diff(sales) >= -1e-9 * sales[:-1]).all()):
        raise JackpotError("its forecasts are not finite, not positive, or fall as the jackpot rises")

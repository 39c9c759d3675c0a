"""Two versions side by side: their figures, and the demand curves that they draw from the same data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from ..ports import RegisteredModel
from ..records import Evaluation

POINTS: Final = 60


@dataclass(frozen=True)
class Comparison:
    """Figures by name of either version, and `curves`: jackpot, then mean and 90% interval of sales of each."""

    versions: tuple[str, str]
    figures: dict[str, tuple[float | None, float | None]]
    curves: pd.DataFrame
    draw_date: str
    snapshot_of: str
    """The version whose data both were conditioned on: the one that saw more."""


def compare_versions(one: RegisteredModel, other: RegisteredModel) -> Comparison:
    """Compare two versions; both forecast the first draw a week after the later one's data, from that data."""
    import numpy as np

    from ..demand.storage import load_model
    from ..history.snapshot import read_snapshot
    from ..market.loading import parse_market

    newer = max((other, one), key=lambda version: version.as_of)
    market = parse_market(newer.files["market.yaml"], "market.yaml")
    draws = read_snapshot(newer.files["snapshot.parquet"], market)
    seen = draws["jackpot"].to_numpy(float)
    jackpots = np.geomspace(float(seen.min()), float(seen.max()), POINTS)
    coming = pd.DatetimeIndex([draws["draw_date"].iloc[-1] + pd.Timedelta(days=7)])
    curves = {"jackpot": jackpots}
    for version in (one, other):
        demand = load_model(version.files).condition(draws, market)
        low, high = demand.quantiles(jackpots, coming, np.array([0.05, 0.95]))[:, 0]
        mean = demand.mean(jackpots, coming)[0]
        curves |= {
            f"{version.version}_{name}": values for name, values in (("mean", mean), ("low", low), ("high", high))
        }
    return Comparison(
        (one.version, other.version),
        _figures(*(Evaluation.model_validate_json(version.files["evaluation.json"]) for version in (one, other))),
        pd.DataFrame(curves),
        coming[0].strftime("%Y-%m-%d"),
        newer.version,
    )


def _figures(one: Evaluation, other: Evaluation) -> dict[str, tuple[float | None, float | None]]:
    scores = ("wmape_pct", "mase", "crps_log", "coverage_90_pct", "width_90_pct", "bias_pct", "pinball_pct")
    figures = {name: (getattr(one.model, name), getattr(other.model, name)) for name in scores}
    for ahead in sorted({at.ahead for at in (*one.horizons, *other.horizons)}):
        each = tuple(
            next((at.wmape_pct for at in evaluation.horizons if at.ahead == ahead), None) for evaluation in (one, other)
        )
        figures[f"wmape_pct_{ahead}_ahead"] = (each[0], each[1])
    return {"test_draws": (one.n_test, other.n_test), **figures}

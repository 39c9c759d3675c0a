"""A small market whose sections each test may replace."""

from collections.abc import Callable
from typing import Any

import pytest

from jackpot.market.schema import Market

SIMULATION = {
    "starts": "2016-01-01",
    "draws": 120,
    "seed": 7,
    "mean_sales": 11.75e6,
    "reference_jackpot": 15e6,
    "elasticity_low": 0.1,
    "elasticity_high": 0.5,
}


@pytest.fixture(scope="session")
def market_of() -> Callable[..., Market]:
    def build(simulation: dict[str, Any] | None = None, **sections: Any) -> Market:
        return Market.model_validate(
            {
                "market": "simulated",
                "title": "Simulated",
                "country": "GB",
                "currency": "GBP",
                "prices": [{"starts": "2016-01-01", "price": 2.5}],
                "game": {
                    "payout": "per_winner",
                    "jackpot_odds_one_in": 1 / 2.2e-8,
                    "secondary_share_of_sales": 0.25,
                },
                "jackpot": {"start": 5e6, "cap": 5e7, "step": 5e5},
                "calendar": {
                    "time_zone": "Europe/London",
                    "draw_days": [{"starts": "2016-01-01", "weekdays": ["wed", "sat"]}],
                },
                "simulation": {**SIMULATION, **(simulation or {})},
                **sections,
            }
        )

    return build

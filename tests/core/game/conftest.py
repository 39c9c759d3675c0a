"""A small market whose game each test chooses."""

from collections.abc import Callable
from typing import Any

import pytest

from jackpot.market.schema import Market


@pytest.fixture(scope="session")
def market_of() -> Callable[..., Market]:
    def build(costs: dict[str, float] | None = None, **game: Any) -> Market:
        return Market.model_validate(
            {
                "market": "tested",
                "title": "Tested",
                "country": "GB",
                "currency": "GBP",
                "prices": [{"starts": "2020-01-01", "price": 2.5}],
                "game": {"payout": "per_winner", "jackpot_odds_one_in": 1 / 2.2e-8, **game},
                "jackpot": {"start": 5e6, "cap": 5e7, "step": 5e5},
                "calendar": {
                    "time_zone": "Europe/London",
                    "draw_days": [{"starts": "2020-01-01", "weekdays": ["sat"]}],
                },
                "costs": costs or {},
                "history": {"uri": "draws.csv"},
            }
        )

    return build

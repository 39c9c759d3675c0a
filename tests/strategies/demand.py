"""A toy lottery for tests of forecasts: drawn on Wednesdays and Saturdays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jackpot.market.schema import Market

NEW_YEAR = {"name": "new_year", "month_day": "12-31"}


def toy_market(*dearer: tuple[str, float], specials: tuple[dict[str, str], ...] = (), **more: Any) -> Market:
    """A game at 2 a ticket, then at the prices that `dearer` says from their days on; `more` are other sections."""
    return Market.model_validate(
        {
            "market": "toy",
            "title": "Toy",
            "country": "GB",
            "currency": "GBP",
            "prices": [{"starts": day, "price": price} for day, price in (("2000-01-01", 2.0), *dearer)],
            "game": {"payout": "shared", "jackpot_odds_one_in": 1e7},
            "jackpot": {"start": 1e6, "step": 1e5},
            "calendar": {
                "time_zone": "Europe/London",
                "draw_days": [{"starts": "2000-01-01", "weekdays": ["wed", "sat"]}],
                "specials": specials,
            },
            "history": {"uri": "toy.csv"},
            **more,
        }
    )


def toy_draws(jackpots: npt.ArrayLike, sales: npt.ArrayLike, first: str = "2020-01-01") -> pd.DataFrame:
    """Ordinary draws with these figures, from the first Wednesday or Saturday on or after a day."""
    n = len(np.asarray(sales))
    days = pd.date_range(first, periods=4 * n + 4)
    return pd.DataFrame(
        {
            "draw": np.arange(n),
            "draw_date": days[days.dayofweek.isin([2, 5])][:n],
            "jackpot": jackpots,
            "sales": sales,
            "special": np.array([""] * n, dtype=object),
        }
    )

"""A market whose answers are known: constant elasticity, log-normal noise, the figures of the rule of thumb's game."""

import datetime as dt
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from jackpot.cash import read_cash
from jackpot.decision.recommend import decide
from jackpot.demand.base import Demand, Elasticity
from jackpot.history.contract import History
from jackpot.market.schema import Market
from jackpot.records import InputHashes, ModelNote

ODDS = 1 / 2.2e-8
PRICE = 2.5


class ConstantElasticity(Demand):
    """S = scale * (J / 15M)^b * e, e of mean one with log-sd `noise`, alike in all draws of a sample or not."""

    def __init__(self, b=0.3, scale=11.75e6, noise=0.0, largest_seen=1e12, reference=15e6):
        self.b, self.scale, self.noise, self.largest_seen, self.reference = b, scale, noise, largest_seen, reference

    def mean(self, jackpots, dates):
        return np.tile(self.scale * (jackpots / self.reference) ** self.b, (len(dates), 1))

    def quantiles(self, jackpots, dates, q):
        from scipy.special import ndtri

        return self.mean(jackpots, dates) * np.exp(self.noise * ndtri(q) - self.noise**2 / 2)[:, None, None]

    def sample(self, jackpots, dates, samples, seed):
        normal = np.random.default_rng(seed).standard_normal((samples, len(dates), 1))
        return self.mean(jackpots, dates) * np.exp(self.noise * normal - self.noise**2 / 2)

    def elasticity(self, jackpots):
        return [Elasticity(float(jackpot), self.b, self.b, self.b) for jackpot in jackpots]


def market(**parts):
    """Return a market file's content with `parts` put in; `jackpot`, `game` and `decision` are merged."""
    content = {
        "market": "test",
        "title": "Test",
        "country": "GB",
        "currency": "GBP",
        "prices": [{"starts": dt.date(2020, 1, 1), "price": PRICE}],
        "game": {"payout": "per_winner", "jackpot_odds_one_in": ODDS, "secondary_share_of_sales": 0.25},
        "jackpot": {"start": 5e6, "cap": 50e6, "step": 5e5},
        "calendar": {
            "time_zone": "Europe/London",
            "draw_days": [{"starts": dt.date(2020, 1, 1), "weekdays": ["sat"]}],
        },
        "decision": {"samples": 200, "horizon_draws": 8},
        "history": {"uri": "test.csv"},
    }
    for key, value in parts.items():
        merged = key in ("game", "jackpot", "decision")
        content[key] = {**content[key], **value} if merged else value
    return Market.model_validate(content)


def history(market, draws=51, jackpot=15e6, sales=600e6 / 51, prizes=250e6 / 51, pool=np.nan, next_jackpot=None):
    """Return a history of weekly draws that ends on 2025-12-27; each figure is one number or one a draw."""
    full = {key: np.broadcast_to(value, draws).astype(float) for key, value in locals().items() if key in COLUMNS}
    dates = pd.date_range(end="2025-12-27", periods=draws, freq="7D")
    table = pd.DataFrame(
        {
            "draw": np.arange(1, draws + 1),
            "draw_date": dates,
            "jackpot": full["jackpot"],
            "sales": full["sales"],
            "special": pd.array([""] * draws, dtype="string"),
            "jackpot_winners": pd.array([pd.NA] * draws, dtype="Int64"),
            "jackpot_paid": full["prizes"],
            "secondary_paid": 0.0 * full["prizes"],
            "pool": full["pool"],
        }
    )
    return History(market, table, (), pd.DataFrame(), "test.csv", None, next_jackpot)


COLUMNS = ("jackpot", "sales", "prizes", "pool")
NOTE = ModelNote(name="constant", gates="passed", wmape_pct=1.0, coverage_90_pct=90.0, extrapolated=False)
HASHES = InputHashes(snapshot="0" * 64, market_file="1" * 64, model="2" * 64)


def cash(amount):
    """Return validated cash figures."""
    figures = {"currency": "GBP", "as_of": "2025-12-29", "cash": amount, "salt": "x" * 16}
    return read_cash(json.dumps(figures).encode(), "cash.json", "GBP")


def run(market, demand=None, past=None, money=None, seed_demand=None, as_of=dt.date(2025, 12, 29), **given):
    """Decide the draw of 2026-01-03."""
    past = history(market) if past is None else past
    held = None if money is None else cash(money)
    return decide(market, past, demand or ConstantElasticity(), seed_demand, NOTE, HASHES, as_of, held, **given)


@pytest.fixture
def world():
    return SimpleNamespace(market=market, history=history, run=run, Demand=ConstantElasticity, odds=ODDS, price=PRICE)

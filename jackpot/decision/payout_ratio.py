"""The regulator's payout ratio: prizes over sales, as a distribution at each jackpot."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..game.moments import draw_moments
from ..market.schema import Contribution, PayoutRatio
from .outlook import hold, log_normal, winner_distribution
from .situation import Array, Situation, portions

_ROUNDING = 1e-12

Distribution = Callable[[Array], tuple[Array, Array]]
"""From jackpots (k,) to ratios and their weights, of shape (outcomes, samples, k); a sample's weights add up to 1."""


@dataclass(frozen=True)
class Ledger:
    """What the draws that already count in a test bring into it: prizes and sales, in currency, and their number."""

    prizes: float
    sales: float
    draws: int


@dataclass(frozen=True)
class RatioTest:
    """The ratio at the next test, given the jackpot; `unknown` says why it cannot be computed, where it cannot.

    `each_draw`: the ratio over the last `window_draws` draws with this one. `year_end`: the ratio over the draws of
    the year, at most the last `window_draws`, if the jackpot is kept until the year's end. Prizes are those really
    paid, or accrued by the market's rule: a share of sales and the expected jackpot prizes.
    """

    ledger: Ledger
    missing_draws: int
    """How many draws the history is short of the window."""
    distribution: Distribution
    samples: int
    dear: bool
    """Whether it takes a simulation of many draws."""
    unknown: str = ""

    def chance(self, jackpots: Array, limit: float, side: int) -> Array:
        """Return P(ratio >= limit) for side 1, P(ratio <= limit) for side -1, at each jackpot."""
        parts = []
        for part in portions(jackpots, 8 * self.samples):
            ratios, weights = self.distribution(part)
            kept = side * (ratios - limit) >= -_ROUNDING
            parts.append(np.where(kept, weights, 0.0).sum(axis=0).mean(axis=0))
        return np.concatenate(parts)

    def attainable(self, jackpots: Array, confidence: float, side: int) -> Array:
        """Return the strictest limit that each jackpot keeps with `confidence`: a quantile of the ratio."""
        parts = []
        for part in portions(jackpots, 8 * self.samples):
            ratios, weights = self.distribution(part)
            flat = side * ratios.reshape(-1, len(part))
            weight = np.broadcast_to(weights, ratios.shape).reshape(-1, len(part)) / ratios.shape[1]
            order = np.argsort(-flat, axis=0, kind="stable")
            reached = np.take_along_axis(weight, order, axis=0).cumsum(axis=0)
            first = (reached >= confidence - _ROUNDING).argmax(axis=0)
            last = np.take_along_axis(order, first[None, :], axis=0)
            parts.append(side * np.take_along_axis(flat, last, axis=0)[0])
        return np.concatenate(parts)


def ratio_test(situation: Situation, rule: PayoutRatio) -> RatioTest:
    """Return the next test of the payout ratio, from the ledger of the draws so far."""
    if rule.tested == "year_end":
        before, days = _year(situation, rule)
        counted = situation.draws[situation.draws["draw_date"] > before]
        counted = counted.tail(max(rule.window_draws - len(days), 0))
        missing = 0
    else:
        days = situation.dates(1)
        counted = situation.draws.tail(rule.window_draws - 1) if rule.window_draws > 1 else situation.draws.iloc[:0]
        missing = rule.window_draws - 1 - len(counted)
    ledger, unknown = _ledger(situation, rule, counted)
    if rule.tested == "year_end":
        distribution = _held(situation, rule, ledger, days)
    elif rule.contribution is not None:
        distribution = _accrued(situation, rule.contribution, ledger)
    else:
        distribution = _realised(situation, ledger)
    samples = situation.market.decision.samples
    return RatioTest(ledger, missing, distribution, samples, rule.tested == "year_end", unknown)


def _ledger(situation: Situation, rule: PayoutRatio, counted: pd.DataFrame) -> tuple[Ledger, str]:
    sales = counted["sales"].to_numpy(dtype=np.float64)
    if rule.contribution is None:
        paid = (counted["jackpot_paid"] + counted["secondary_paid"]).to_numpy(dtype=np.float64)
        missing = np.isnan(paid)
        unknown = ""
        if missing.any():
            first = counted["draw_date"].to_numpy()[missing][0]
            unknown = (
                f"the prizes paid are not known for {int(missing.sum())} of the {len(counted)} draws that count, "
                f"the first on {pd.Timestamp(first).date()}"
            )
        return Ledger(float(np.nansum(paid)), float(sales.sum()), len(counted)), unknown
    prizes = rule.contribution.share_of_sales * sales
    if rule.contribution.expected_jackpot and len(counted):
        prizes = prizes + _expected_jackpots(situation, counted)
    return Ledger(float(prizes.sum()), float(sales.sum()), len(counted)), ""


def _expected_jackpots(situation: Situation, counted: pd.DataFrame) -> Array:
    """Return the expected jackpot prizes of past draws at their announced jackpot and their sales."""
    before = situation.draws["pool"].shift(1).loc[counted.index].fillna(0.0).to_numpy(dtype=np.float64)
    prices = [situation.market.price_on(date.date()) for date in counted["draw_date"]]
    sales, jackpots = counted["sales"].to_numpy(dtype=np.float64), counted["jackpot"].to_numpy(dtype=np.float64)
    result = np.empty(len(counted))
    for price in sorted(set(prices)):
        at = np.array([one == price for one in prices])
        result[at] = draw_moments(situation.market, price, sales[at], jackpots[at], before[at]).jackpot_prizes
    return result


def _accrued(situation: Situation, rule: Contribution, ledger: Ledger) -> Distribution:
    def distribution(jackpots: Array) -> tuple[Array, Array]:
        sales = situation.sample_sales(jackpots)[:, 0, :]
        moments = draw_moments(situation.market, situation.price, sales, jackpots, situation.pool)
        prizes = _accrues(rule, sales, moments.jackpot_prizes)
        return ((ledger.prizes + prizes) / (ledger.sales + sales))[None], np.ones((1, 1, 1))

    return distribution


def _realised(situation: Situation, ledger: Ledger) -> Distribution:
    """Enumerate the number of winners instead of drawing it; secondary prizes are log-normal by their two moments."""
    market = situation.market
    rng = np.random.default_rng([market.decision.seed, 2])
    normal = rng.standard_normal((market.decision.samples, 1))

    def distribution(jackpots: Array) -> tuple[Array, Array]:
        sales = situation.sample_sales(jackpots)[:, 0, :]
        moments = draw_moments(market, situation.price, sales, jackpots, situation.pool)
        secondary = log_normal(moments.secondary_prizes, moments.secondary_prizes_variance, normal)
        if market.game.payout == "per_winner":
            mean = sales / situation.price / market.game.jackpot_odds_one_in
            chances = winner_distribution(market.game, moments, mean)
            paid = [np.broadcast_to(n * jackpots, sales.shape) for n in range(len(chances))]
        else:
            win = moments.win_probability
            once = np.divide(moments.jackpot_prizes, win, out=np.zeros_like(win), where=win > 0)
            chances, paid = [1.0 - win, win], [np.zeros_like(sales), once]
        ratios = (ledger.prizes + secondary + np.stack(paid)) / (ledger.sales + sales)
        return ratios, np.stack(chances)

    return distribution


def _held(situation: Situation, rule: PayoutRatio, ledger: Ledger, days: pd.DatetimeIndex) -> Distribution:
    def one(jackpots: Array) -> Array:
        ahead = hold(situation, jackpots, days)
        prizes = ahead.prizes
        if rule.contribution is not None:
            prizes = _accrues(rule.contribution, ahead.sales, ahead.expected_jackpot)
        counted = slice(max(len(days) - rule.window_draws, 0), None)
        total = ledger.sales + ahead.sales[:, counted].sum(axis=1)
        return np.asarray((ledger.prizes + prizes[:, counted].sum(axis=1)) / total, dtype=np.float64)

    def distribution(jackpots: Array) -> tuple[Array, Array]:
        each = 4 * situation.market.decision.samples * len(days)
        ratios = np.concatenate([one(part) for part in portions(jackpots, each)], axis=1)
        return ratios[None], np.ones((1, 1, 1))

    return distribution


def _accrues(rule: Contribution, sales: Array, expected_jackpot: Array) -> Array:
    return rule.share_of_sales * sales + (expected_jackpot if rule.expected_jackpot else 0.0)


def _year(situation: Situation, rule: PayoutRatio) -> tuple[pd.Timestamp, pd.DatetimeIndex]:
    """Return the last day of the year before, and the dates of the draws left until the year's end, this one first."""
    year = situation.date.year + (_year_end(rule, situation.date.year) < situation.date)
    end = _year_end(rule, year)
    days = situation.dates(1 + (end - situation.date).days)
    return pd.Timestamp(_year_end(rule, year - 1)), days[days <= pd.Timestamp(end)]


def _year_end(rule: PayoutRatio, year: int) -> dt.date:
    month, day = (int(part) for part in rule.year_end.split("-"))
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))

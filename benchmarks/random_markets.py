"""Random valid markets, decided and checked by other means than the engine's: `make bench-markets`.

Bounds are checked from the market file, the payout ratio's attainable probability in its last draw by the game's own
simulator, and the plan's promise by playing it. Horizons are at most 8 draws, with 64 samples.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmarks.decision import England
from benchmarks.report import Figure, finish
from jackpot.decision.simulate import simulate_runs
from jackpot.decision.situation import Array, Situation, situate
from jackpot.decision.solution import Solution, solve
from jackpot.game.draw import simulate_draws
from jackpot.history.contract import History
from jackpot.market.schema import Market

SATURDAY = dt.date(2026, 1, 3)
RUNS = 400
CONVENTIONS = ("per_winner", "shared", "rollover", "postcode")


class Scaled(England):
    """Constant elasticity at a scale of its own."""

    def __init__(self, b: float, scale: float, reference: float) -> None:
        super().__init__(b, 0.3)
        self.scale, self.reference, self.largest_seen = scale, reference, 10 * reference

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales."""
        return np.tile(self.scale * (jackpots / self.reference) ** self.b, (len(dates), 1))


def random_situation(rng: np.random.Generator) -> Situation:
    """Return a market that its schema accepts, with a history and, at times, cash."""
    while True:
        try:
            market, unit, price = _market(rng)
        except ValidationError:
            continue
        break
    start = market.jackpot.start
    draws = int(rng.integers(1, 60))
    sales = unit * rng.uniform(0.5, 2.0, draws)
    jackpots = start + market.jackpot.step * rng.integers(0, 40, draws)
    table = pd.DataFrame(
        {
            "draw": np.arange(draws),
            "draw_date": pd.date_range(end=SATURDAY - dt.timedelta(days=7), periods=draws, freq="7D"),
            "jackpot": jackpots,
            "sales": sales,
            "special": pd.array([""] * draws, dtype="string"),
            "jackpot_winners": pd.array([pd.NA] * draws, dtype="Int64"),
            "jackpot_paid": np.where(rng.random(draws) < 0.2, jackpots, 0.0),
            "secondary_paid": sales * market.expected_secondary_share(price),
            "pool": rng.uniform(0, start) if market.game.pool else np.nan,
        }
    )
    history = History(market, table, (), pd.DataFrame(), "random.csv", None, None)
    demand = Scaled(float(rng.uniform(0, 1.2)), unit, float(rng.uniform(1, 5) * start))
    situation = situate(market, history, demand, SATURDAY - dt.timedelta(days=3), None)
    held = float(rng.uniform(0, 30) * start) if market.cash is not None and rng.random() < 0.8 else None
    return replace(situation, cash_now=held)


def _market(rng: np.random.Generator) -> tuple[Market, float, float]:
    convention = CONVENTIONS[int(rng.integers(4))]
    price = float(rng.choice([0.5, 2.0, 2.5, 300.0]))
    start = price * 10.0 ** rng.uniform(2, 7)
    unit = start * 10.0 ** rng.uniform(-1, 1)
    game: dict[str, Any] = {
        "payout": convention,
        "jackpot_odds_one_in": max(unit / price * 10.0 ** rng.uniform(-1, 2), 2.0),
        "secondary_share_of_sales": float(rng.uniform(0, 0.4)),
        "secondary_log_sd": float(rng.choice([0.0, 0.3])),
    }
    if convention == "rollover":
        game["pool"] = {"share_of_sales": float(rng.uniform(0.01, 0.3)), "opening": float(rng.uniform(0, start))}
    if convention == "postcode":
        game["postcode"] = {"tickets_per_postcode": float(rng.uniform(1, 20)), "log_sd": 0.5}
    jackpot: dict[str, Any] = {"start": start, "step": start * float(rng.choice([0.1, 0.5, 1.0]))}
    if rng.random() < 0.7:
        jackpot["cap"] = start * float(rng.uniform(1, 20))
    if rng.random() < 0.3:
        jackpot["largest_change"] = jackpot["step"] * int(rng.integers(1, 20))
    content: dict[str, Any] = {
        "market": "random",
        "title": "Random",
        "country": "GB",
        "currency": "JPY" if price == 300.0 else "GBP",
        "currency_decimals": int(rng.choice([0, 2, 3])),
        "prices": [{"starts": dt.date(2020, 1, 1), "price": price}],
        "game": game,
        "jackpot": jackpot,
        "calendar": {
            "time_zone": "Europe/London",
            "draw_days": [{"starts": dt.date(2020, 1, 1), "weekdays": ["sat"]}],
        },
        "costs": {"variable_share_of_sales": float(rng.uniform(0, 0.4))},
        "decision": {"samples": 64, "horizon_draws": int(rng.integers(1, 9))},
        "history": {"uri": "random.csv"},
    }
    if rng.random() < 0.6:
        accrued = rng.random() < 0.4
        rule: dict[str, Any] = {
            "basis": "accrued" if accrued else "realised",
            "confidence": float(rng.uniform(0.5, 0.99)),
        }
        rule["floor" if rng.random() < 0.7 else "ceiling"] = float(rng.uniform(0.1, 0.7))
        rule |= {
            "period_starts": SATURDAY,
            "period_draws": int(rng.integers(1, 9)),
            "window_draws": int(rng.integers(1, 53)),
        }
        if accrued:
            rule["contribution"] = {"share_of_sales": float(rng.uniform(0, 0.4))}
        content["regulation"] = {"payout_ratio": rule}
    if rng.random() < 0.4:
        content["cash"] = {"floor": start * float(rng.uniform(0, 3)), "horizon_draws": int(rng.integers(1, 9))}
    return Market.model_validate(content), unit, price


def hard_bounds(situation: Situation, solved: Solution) -> str:
    """Return what a recommendation breaks of the market file, empty where nothing; and whether an infeasible one is."""
    limits, last = situation.market.jackpot, situation.last_jackpot
    small = 1e-9 * max(limits.start, last)
    cap = limits.cap if limits.cap is not None else np.inf

    def wrong(jackpot: float) -> str:
        broken = [
            name
            for name, bad in (
                ("start", jackpot < limits.start - small),
                ("cap", jackpot > cap + small),
                ("pool", jackpot < situation.pool - small),
                ("change", limits.largest_change is not None and abs(jackpot - last) > limits.largest_change + small),
                (
                    "step",
                    abs((jackpot - limits.start) / limits.step - round((jackpot - limits.start) / limits.step)) > 1e-6,
                ),
            )
            if bad
        ]
        return ", ".join(broken)

    if solved.trouble is None:
        return wrong(solved.jackpot)
    highest = cap if np.isfinite(cap) else max(float(situation.draws["jackpot"].max()), situation.pool)
    steps = np.arange(int(max(highest - limits.start, 0) / limits.step + 1e-6) + 2)
    possible = [
        one for one in limits.start + steps * limits.step if one <= highest + limits.step and not wrong(float(one))
    ]
    return f"said infeasible, but {possible[0]:g} is not" if possible and possible[0] <= highest + small else ""


def promise_errors(situation: Situation, solved: Solution, rng: np.random.Generator) -> float | None:
    """Return by how many standard errors the stated probability of the ratio's promise misses a simulation's."""
    ratio, rule = solved.constraints.outlook.ratio, situation.market.regulation.payout_ratio
    if ratio is None or rule is None or rule.basis != "realised" or solved.trouble is not None:
        return None
    if solved.constraints.outlook is not solved.constraints.planned or situation.market.game.pool is not None:
        return None
    ahead = ratio.plan.ahead
    if ahead.period_end - ahead.now == 1:
        look = ratio.look(situation, np.array([solved.jackpot]))
        sold = situation.sample_sales(np.array([solved.jackpot]))[:, 0, 0]
        sales = np.repeat(sold, 200)
        drawn = simulate_draws(situation.market, situation.price, sales, solved.jackpot, 0.0, rng)
        size = rule.window_draws - 1
        before = slice(max(len(ratio.ledger.sales) - size, 0), None) if size else slice(0, 0)
        prizes = ratio.ledger.prizes[before].sum() + drawn.jackpot_paid + drawn.secondary_paid
        total = ratio.ledger.sales[before].sum() + sales
        kept = np.ones(len(sales), dtype=bool)
        if rule.floor is not None:
            kept &= prizes >= rule.floor * total * (1 - 1e-12)
        if rule.ceiling is not None:
            kept &= prizes <= rule.ceiling * total * (1 + 1e-12)
        stated, seen, count = float(look.kept[0]), float(kept.mean()), 64
    else:
        found = simulate_runs(
            situation,
            situation.demand,
            ahead.jackpots,
            {"plan": "plan"},
            RUNS,
            ahead.period_end - ahead.now,
            5,
            ratio.plan,
        )["plan"]
        first = ahead.jackpots[ratio.plan.action(ahead.now, np.array([ahead.x_now]))]
        stated = float(ratio.look(situation, first).kept[0])
        seen, count = 1.0 - float(found.breach[:, 0].mean()), RUNS
    return abs(stated - seen) / float(np.sqrt(max(stated * (1 - stated), 0.25 / count) / count))


def _whole(solved: Solution) -> bool:
    """Return whether nothing that is decided in the named period leaves the window in it: the plan then is exact."""
    ratio = solved.constraints.outlook.ratio
    return ratio is None or ratio.rule.window_draws >= ratio.plan.ahead.period_end


def main() -> None:
    """Decide the markets and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    statuses: Counter[str] = Counter()
    seconds, broken, failed = [], [], []
    errors: list[tuple[float, int]] = []
    summary: list[tuple[float, int]] = []
    for seed in range(given.first, given.first + given.markets):
        rng = np.random.default_rng([97, seed])
        situation = random_situation(rng)
        started = time.perf_counter()
        try:
            solved = solve(situation)
        except Exception as error:
            failed.append(f"{seed}: {type(error).__name__}: {error}")
            continue
        seconds.append(time.perf_counter() - started)
        statuses[solved.status] += 1
        wrong = hard_bounds(situation, solved)
        if wrong:
            broken.append(f"{seed}: {wrong}")
        missed = promise_errors(situation, solved, rng)
        if missed is not None:
            (errors if _whole(solved) else summary).append((missed, seed))
    far = [[f"{seed}: {one:.1f} standard errors" for one, seed in some if one > 4] for some in (errors, summary)]
    for line in (*failed[:10], *broken[:10], *far[0], *far[1]):
        print(line)
    print(dict(statuses))
    finish(
        "random markets",
        [
            Figure(f"{given.markets} random markets: exceptions", len(failed), "", "<= 0"),
            Figure("answers that break a hard constraint, or are wrongly infeasible", len(broken), "", "<= 0"),
            Figure(f"promises off by over 4 standard errors, of {len(errors)}", len(far[0]), "", "<= 0"),
            Figure(f"the same in windows shorter than the period, of {len(summary)}", len(far[1]), "", "<= 0"),
            Figure("seconds each, median", float(np.median(seconds)), "s", "<= 0.2"),
            Figure("seconds each, 99% quantile", float(np.quantile(seconds, 0.99)), "s", "<= 0.2"),
        ],
    )


if __name__ == "__main__":
    main()

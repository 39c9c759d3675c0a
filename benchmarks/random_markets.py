"""Random valid markets, decided and checked by other means than the engine's: `make bench-markets`.

Bounds are checked from the market file, and all promises and rules of the draws ahead by playing the plan with the
game's own simulator (`played`). Horizons and periods are at most 8 draws, with 64 samples.
"""

from __future__ import annotations

import argparse
import datetime as dt
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from benchmarks.decision import England
from benchmarks.played import RUNS, Mask, play, stated
from benchmarks.report import Figure, finish
from jackpot.decision.situation import Array, Situation, situate
from jackpot.decision.solution import Solution, solve
from jackpot.history.contract import History
from jackpot.market.schema import Market

SATURDAY = dt.date(2026, 1, 3)
FAR = 4.0
SLOW = 0.2
CONVENTIONS = ("per_winner", "shared", "rollover", "postcode")


class Scaled(England):
    """Constant elasticity at a scale of its own; few samples show the whole of the noise, stratified in each draw."""

    def __init__(self, b: float, scale: float, reference: float) -> None:
        super().__init__(b)
        self.scale, self.reference, self.largest_seen = scale, reference, 10 * reference

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales."""
        return np.tile(self.scale * (jackpots / self.reference) ** self.b, (len(dates), 1))

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales: a Latin hypercube."""
        from scipy.special import ndtri

        rng = np.random.default_rng(seed)
        noise = np.stack([ndtri((rng.permutation(samples) + rng.random(samples)) / samples) for _ in dates], axis=1)
        return np.asarray(self.mean(jackpots, dates) * np.exp(0.08 * noise - 0.08**2 / 2)[:, :, None])


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
    if rng.random() < 0.4:
        jackpot["largest_change"] = jackpot["step"] * float(rng.uniform(1, 20))
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
    if convention == "rollover":
        _pool_rules(rng, content, start)
    if rng.random() < 0.6:
        content["regulation"] = {"payout_ratio": _ratio(rng, start)}
    if rng.random() < 0.4:
        content["cash"] = {
            "floor": start * float(rng.uniform(0, 3)),
            "horizon_draws": int(rng.integers(1, 9)),
            "period_starts": SATURDAY,
        }
    if rng.random() < 0.3:
        content["insurance"] = {
            "excess": start * float(rng.uniform(0, 1)),
            "premium_per_expected_claim": float(rng.uniform(0.5, 2)),
            "premium_share_of_sales": float(rng.choice([0.0, 0.01])),
        }
    if rng.random() < 0.3:
        content["unclaimed"] = {
            "late_share": float(rng.uniform(0, 0.3)),
            "late_days": int(rng.integers(1, 60)),
            "expired_share": float(rng.uniform(0.01, 0.3)),
            "expired_go_to": str(rng.choice(["operator", "good_causes"])),
            "counted": str(rng.choice(["won", "claimed"])),
        }
    if convention == "rollover" and rng.random() < 0.3:
        jackpot["minimum_progression"] = jackpot["step"] * float(rng.uniform(0.5, 5))
    return Market.model_validate(content), unit, price


def _pool_rules(rng: np.random.Generator, content: dict[str, Any], start: float) -> None:
    """Add what a rollover game may say of its pool."""
    pool = content["game"]["pool"]
    if rng.random() < 0.5:
        content["game"]["must_be_won"] = {"after_rollovers": int(rng.integers(1, 8))}
    if rng.random() < 0.5:
        pool["cap"] = max(content["jackpot"].get("cap", start), pool["opening"]) * float(rng.uniform(1, 2))
    if rng.random() < 0.5:
        content["decision"]["pool"] = "expected"


def _ratio(rng: np.random.Generator, start: float) -> dict[str, Any]:
    accrued = rng.random() < 0.4
    rule: dict[str, Any] = {"basis": "accrued" if accrued else "realised", "confidence": float(rng.uniform(0.5, 0.99))}
    rule["floor" if rng.random() < 0.7 else "ceiling"] = float(rng.uniform(0.1, 0.7))
    rule |= {
        "period_starts": SATURDAY,
        "period_draws": int(rng.integers(1, 9)),
        "window_draws": int(rng.integers(1, 53)),
    }
    if accrued:
        rule["contribution"] = {"share_of_sales": float(rng.uniform(0, 0.4))}
    if accrued and rng.random() < 0.6:
        rule["contribution"]["reserve"] = {
            "opens": SATURDAY - dt.timedelta(days=int(rng.choice([0, 14, 100]))),
            "opening": start * float(rng.uniform(0, 40)),
            "confidence": float(rng.uniform(0.5, 0.99)),
        }
    return rule


def hard_bounds(situation: Situation, solved: Solution) -> str:
    """Return what a recommendation breaks of the market file, empty where nothing; and whether an infeasible one is."""
    limits, last = situation.market.jackpot, situation.last_jackpot
    small = 1e-9 * max(limits.start, last)
    cap = limits.cap if limits.cap is not None else np.inf
    # The highest jackpot on the step grid.
    top = limits.start + np.floor((cap - limits.start) / limits.step * (1 + 1e-9)) * limits.step
    rolled = limits.minimum_progression is not None and situation.rollovers > 0

    def wrong(jackpot: float) -> str:
        broken = [
            name
            for name, bad in (
                ("start", jackpot < limits.start - small),
                ("cap", jackpot > cap + small),
                ("pool", jackpot < situation.pool - small),
                ("progression", rolled and jackpot < min(last + (limits.minimum_progression or 0.0), top) - small),
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


def promise_errors(
    told: Mapping[str, tuple[float, float, bool]], kept: Mapping[str, Mask]
) -> list[tuple[str, float, bool]]:
    """Return by how many standard errors each stated probability differs from what was seen, and whether it is exact.

    Of figures that are themselves of some paths it is the test of two proportions.
    """
    errors = []
    for name, (chance, paths, exact) in told.items():
        seen = float(kept[name].mean())
        both = chance if paths == np.inf else (chance * paths + seen * RUNS) / (paths + RUNS)
        variance = max(both * (1 - both), 0.25 / RUNS) * (1 / RUNS + 1 / paths)
        errors.append((name, abs(chance - seen) / float(np.sqrt(variance)), exact))
    return errors


def main() -> None:
    """Decide the markets and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    statuses: Counter[str] = Counter()
    seconds, broken, failed = [], [], []
    errors: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(given.first, given.first + given.markets):
        rng = np.random.default_rng([97, seed])
        situation = random_situation(rng)
        started = time.process_time()
        try:
            solved = solve(situation)
            seconds.append(time.process_time() - started)
            played = play(situation, solved, seed) if solved.trouble is None else None
            told = stated(situation, solved) if played is not None else {}
        except Exception as error:
            failed.append(f"{seed}: {type(error).__name__}: {error}")
            continue
        statuses[solved.status] += 1
        wrong = [hard_bounds(situation, solved), *(sorted(played.broken) if played is not None else ())]
        if any(wrong):
            broken.append(f"{seed}: {', '.join(one for one in wrong if one)}")
        for name, missed, exact in promise_errors(told, {} if played is None else played.kept):
            errors[exact].append(missed)
            if missed > FAR:
                print(f"{seed}: {name} off by {missed:.1f} standard errors{'' if exact else ', of an expectation'}")
        if seconds[-1] > SLOW:
            print(f"{seed}: {seconds[-1]:.2f} s")
    for line in (*failed, *broken):
        print(line)
    print(dict(statuses))
    far = {exact: sum(one > FAR for one in some) for exact, some in errors.items()}
    finish(
        "random markets",
        [
            Figure(f"{given.markets} random markets: exceptions", len(failed), "", "<= 0"),
            Figure("answers or plans that break a hard constraint, or are wrongly infeasible", len(broken), "", "<= 0"),
            Figure(f"promises off by over 4 standard errors, of {len(errors[True])}", far[True], "", "<= 0"),
            Figure(
                f"the same where a pool or claims are taken at expectations, or of paths, of {len(errors[False])}",
                far[False],
                "",
                "<= 0",
            ),
            Figure("CPU seconds each, median", float(np.median(seconds)), "s", "<= 0.2"),
            Figure("CPU seconds each, 99% quantile", float(np.quantile(seconds, 0.99)), "s", "<= 0.2"),
        ],
    )


if __name__ == "__main__":
    main()

"""The decision engine against known answers: `make bench-decision`.

England as in jackpot/decision's docs: margin is sales less jackpots less 25% less 30%, a floor of 0.40, mean sales of
11.75M (J / 15M)^b with mean-one log-normal noise of log-sd 0.08, wins Poisson.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bounds import bound_figures
from benchmarks.report import Figure, finish
from benchmarks.small_markets import Small, small_market
from jackpot.decision.constraints import constraints_of
from jackpot.decision.grid import step_grid
from jackpot.decision.payout_ratio import timeline
from jackpot.decision.plan import Ahead, Plan, look_ahead, make_plan, ratio_ahead
from jackpot.decision.programme import Cells, Programme, Stage
from jackpot.decision.recommend import decide
from jackpot.decision.simulate import known_ledger, simulate_policy, simulate_runs
from jackpot.decision.situation import Array, Situation, situate
from jackpot.decision.true_ledger import true_ledger
from jackpot.demand.base import Demand, Elasticity
from jackpot.game.winners import draw_winners, group_rate, winner_chances
from jackpot.history.contract import History
from jackpot.market.schema import Game, Market
from jackpot.records import InputHashes, ModelNote

NODES = np.r_[np.arange(5, 30.1, 2.5), 35, 40, 45, 50] * 1e6
WIDER = np.r_[NODES, np.array([60, 80, 100, 150, 200]) * 1e6]
ELASTICITIES = (0.1, 0.2, 0.3, 0.5)
START = dt.date(2026, 1, 3)


class England(Demand):
    """Constant elasticity with AR(1) noise in the logs, of mean one."""

    largest_seen = 1e12

    def __init__(self, b: float, ar1: float = 0.0) -> None:
        self.b, self.ar1 = b, ar1

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales."""
        return np.tile(11.75e6 * (jackpots / 15e6) ** self.b, (len(dates), 1))

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales."""
        from scipy.special import ndtri

        return np.asarray(self.mean(jackpots, dates) * np.exp(0.08 * ndtri(q) - 0.08**2 / 2)[:, None, None])

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales."""
        noise = np.random.default_rng(seed).standard_normal((samples, len(dates)))
        for t in range(1, len(dates)):
            noise[:, t] = self.ar1 * noise[:, t - 1] + np.sqrt(1 - self.ar1**2) * noise[:, t]
        return np.asarray(self.mean(jackpots, dates) * np.exp(0.08 * noise - 0.08**2 / 2)[:, :, None])

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity."""
        return [Elasticity(float(jackpot), self.b, self.b, self.b) for jackpot in jackpots]


def england(b: float, samples: int = 1000, step: float = 5e5, cap: float = 50e6, **rule: object) -> Situation:
    """Return England before a named period, its ledger of 250M in 600M spread evenly over 51 draws."""
    given = {"floor": 0.4, "basis": "realised", **rule}
    if given["basis"] == "accrued":
        given["contribution"] = {"share_of_sales": 0.25}
    if given.get("tested") != "year_end":
        given["period_starts"] = START
    market = Market.model_validate(
        {
            "market": "england",
            "title": "England",
            "country": "GB",
            "currency": "GBP",
            "prices": [{"starts": dt.date(2020, 1, 1), "price": 2.5}],
            "game": {"payout": "per_winner", "jackpot_odds_one_in": 1 / 2.2e-8, "secondary_share_of_sales": 0.25},
            "jackpot": {"start": 5e6, "cap": cap, "step": step},
            "calendar": {
                "time_zone": "Europe/London",
                "draw_days": [{"starts": dt.date(2020, 1, 1), "weekdays": ["sat"]}],
            },
            "costs": {"variable_share_of_sales": 0.30},
            "regulation": {"payout_ratio": given},
            "decision": {"samples": samples},
            "history": {"uri": "england.csv"},
        }
    )
    # The jackpot at which 600M of sales accrue 250M beside the 25%.
    jackpot = (250 / 600 - 0.25) * 2.5 / 2.2e-8
    table = pd.DataFrame(
        {
            "draw": np.arange(1, 52),
            "draw_date": pd.date_range(end="2025-12-27", periods=51, freq="7D"),
            "jackpot": jackpot,
            "sales": 600e6 / 51,
            "special": pd.array([""] * 51, dtype="string"),
            "jackpot_winners": pd.array([pd.NA] * 51, dtype="Int64"),
            "jackpot_paid": 100e6 / 51,
            "secondary_paid": 150e6 / 51,
            "pool": np.nan,
        }
    )
    history = History(market, table, (), pd.DataFrame(), "england.csv", None, None)
    return situate(market, history, England(b), dt.date(2025, 12, 29), None)


def law(b: float, floor: float, nodes: Array, *, accrued: bool = False) -> tuple[Array, Array, Array]:
    """Return what a draw adds to the surplus, with which chance, and its value."""
    z, weight = np.polynomial.hermite_e.hermegauss(7)
    sales = 11.75e6 * (nodes / 15e6) ** b * np.exp(0.08 * z[:, None] - 0.08**2 / 2)
    weight = np.broadcast_to((weight / weight.sum())[:, None], sales.shape)
    mean = sales * 2.2e-8 / 2.5
    reward = (weight * (0.45 * sales - mean * nodes)).sum(axis=0)
    if accrued:
        return sales * (0.25 - floor) + mean * nodes, weight, reward
    added, chance, one = [], [], np.exp(-mean)
    for n in range(9):
        added.append(n * nodes + (0.25 - floor) * sales)
        chance.append(weight * one)
        one = one * mean / (n + 1)
    return np.concatenate(added), np.concatenate(chance), reward


def table_figures() -> list[Figure]:
    """England's table, by the engine's own programme."""
    figures = []

    def near(what: str, value: float, want: float) -> None:
        figures.append(Figure(f"{what}: {value:.3f}, known {want:g}; difference", abs(value - want), "", "<= 0.01"))

    wanted = {"best": (0.971, 0.975, 0.986, 0.994), "kept": (0.75, 0.82, 0.88, 0.94)}
    for i, b in enumerate(ELASTICITIES):
        year = [Stage(*law(b, 0.4, NODES), low=0.0 if t == 51 else -np.inf, last=t == 51) for t in range(52)]
        ahead = Ahead(NODES, pd.DatetimeIndex([]), NODES, (), tuple(year), 0, 0.0, 0.0)
        free = make_plan(ahead, 0.95, restore=False)
        forced = make_plan(ahead, 0.95)
        near(f"year end, attainable, b {b}", free.attainable_at_start, wanted["best"][i])
        near(f"year end, value at 95%, b {b}", float(free.worth.value[0]) / ahead.free_value, wanted["kept"][i])
        share = float(forced.worth.value[0] / free.worth.value[0])
        figures.append(Figure(f"year end, restoring, value over the bound, b {b}", share, "", ">= 0.97"))
    rolling = (
        (0.40, NODES, ELASTICITIES, (0.42, 0.45, 0.45, 0.49)),
        (0.35, NODES, (0.1, 0.3, 0.5), (0.89, 0.91, 0.93)),
        (0.32, NODES, (0.1, 0.3, 0.5), (0.97, 0.98, 0.99)),
        (0.40, WIDER, (0.1, 0.3, 0.5), (0.48, 0.53, 0.60)),
    )
    for floor, nodes, elasticities, best in rolling:
        even = (250e6 - floor * 600e6) / 51
        for b, want in zip(elasticities, best, strict=True):
            stages = [Stage(*law(b, floor, nodes), 0.0, drop=even if t else 0.0, last=t == 51) for t in range(52)]
            programme = Programme(stages, Cells.over(-150e6, 200e6, 4000))
            chance = programme.cells.read(programme.attainable[0, 0], np.array([51 * even]))[0]
            near(f"rolling, floor {floor}, cap {nodes[-1] / 1e6:.0f}M, b {b}", float(chance), want)
    for b, want in zip(ELASTICITIES, (0.835, 0.919, 0.968, 1.0), strict=True):
        steady = [Stage(*law(b, 0.4, NODES, accrued=True), low=0.0, last=t == 51) for t in range(52)]
        ahead = Ahead(NODES, pd.DatetimeIndex([]), NODES, (), tuple(steady), 0, 0.0, 0.0, False)
        plan = make_plan(ahead, 0.95, certain=True)
        near(f"accrued, value kept, b {b}", float(plan.worth.value[0]) / ahead.free_value, want)
    return figures


def runs_figures(runs: int) -> list[Figure]:
    """Policies over 104 draws: breaches of the engine against the stated risk, or what is attainable."""
    figures = []
    policies: dict[str, float | str] = {
        "plan": "plan",
        "seed_rule": "seed_rule",
        "17.5M": 17.5e6,
        "last": "last_jackpot",
    }
    for rule in ({"tested": "year_end"}, {"basis": "accrued"}, {"tested": "each_draw", "floor": 0.32}, {}):
        for b in ELASTICITIES if "tested" in rule and rule["tested"] == "year_end" else (0.1, 0.5):
            situation = england(b, **rule)
            started = time.perf_counter()
            found = simulate_policy(situation, England(b), NODES, policies, runs, 104, 7)
            seconds = time.perf_counter() - started
            name = f"{rule or 'each_draw, floor 0.4'}, b {b}"
            plan = found["plan"]
            for i, (rate, error) in enumerate(zip(plan.breach, plan.breach_error, strict=True)):
                allowed = max(0.05, 1 - plan.attainable[i] + 0.02)
                figures.append(
                    Figure(
                        f"{name}: breach in period {i + 1}, less its error",
                        rate - 1.96 * error,
                        "",
                        f"<= {allowed:.3f}",
                    )
                )
            figures.append(Figure(f"{name}: runs without an answer", plan.no_answer, "", "<= 0"))
            seed = found["seed_rule"]
            told = f"{name}: the seed's rule, for comparison: no answer in {seed.no_answer:.1%} of runs, breaches"
            print(told, *(f"{rate:.1%}" for rate in seed.breach))
            figures.append(Figure(f"{name}: {runs} runs of 104 draws, 4 policies", seconds, "s", "<= 60"))
    for jackpot, want in ((17e6, (24e6, 38e6)), (30e6, (81e6, 128e6))):
        situation = england(0.3, tested="year_end")
        only = np.array([jackpot])
        held = simulate_policy(situation, England(0.3, 0.4), only, {"held": jackpot}, 100 * runs, 52, 3)["held"]
        for quantile, known in zip((1, 0), want, strict=True):
            cash = 5e6 - held.lowest_cash[quantile]
            what = f"least cash for {jackpot / 1e6:.0f}M at {(95, 99)[1 - quantile]}%"
            figures.append(Figure(f"{what}, error", abs(cash / known - 1), "", "<= 0.05"))
    return figures


Action = Callable[[int, tuple[float, ...]], int]


def loss(small: Small, action: Action, multiplier: float = 10.0) -> float:
    """Return what a policy loses against the best one over the whole ledger, as a share of value + multiplier * P.

    After a breach of the joint promise both go on as the policy does: the best one then is that of a plain dynamic
    programme, and no policy is above it.
    """
    increment, chance, outcomes = small.increment, small.chance, range(len(small.increment))

    @cache
    def mine(t: int, last: tuple[float, ...]) -> tuple[float, float]:
        if t == small.draws:
            return 0.0, 1.0
        j = action(t, last)
        value, kept = float(small.reward[j]), 0.0
        for i in outcomes:
            whole = (*last[1:], float(increment[i, j]))
            after = mine(t + 1, whole)
            value += chance[i, j] * after[0]
            kept += chance[i, j] * after[1] * (0 <= sum(whole) <= small.high)
        return value, kept

    @cache
    def best(t: int, last: tuple[float, ...]) -> float:
        if t == small.draws:
            return multiplier
        answers = []
        for j in range(3):
            answers.append(float(small.reward[j]))
            for i in outcomes:
                whole = (*last[1:], float(increment[i, j]))
                keeps = 0 <= sum(whole) <= small.high
                answers[-1] += chance[i, j] * (best(t + 1, whole) if keeps else mine(t + 1, whole)[0])
        return max(answers)

    value, kept = mine(0, small.ledger)
    return 1.0 - (value + multiplier * kept) / best(0, small.ledger)


def small_figures(count: int) -> list[Figure]:
    """Small markets: what the engine loses against the best policy over the whole ledger.

    While nothing that it decides leaves the window, the sum is all that matters. In 12 draws it is a summary: planned
    again before each draw from the true ledger, as a weekly run does, by the programme alone and with `true_ledger`.
    """
    multiplier = np.array([10.0])
    losses: dict[str, list[float]] = {}

    def planned(small: Small, *, known: bool) -> Action:
        @cache
        def action(t: int, last: tuple[float, ...]) -> int:
            x = sum(last)
            ahead = Ahead(np.arange(1.0, 4.0), pd.DatetimeIndex([]), NODES, (), small.stages(t, last), 0, x, x)
            policy = ahead.programme.solve(multiplier, 0.0, 0, small.draws - t, restore=False)
            look = look_ahead(ahead, small.chance, small.increment, policy)
            missed = true_ledger(Plan(ahead, 0.0, 0.0, 1.0, 1.0, policy, None, ()), len(last)) if known else None
            look = look if missed is None else missed.corrected(look, ahead.jackpots)
            return int((small.reward + look.value + multiplier * look.kept).argmax())

        return action

    for seed in range(count):
        short, long = small_market(seed), small_market(seed, 12)
        losses.setdefault("within the window", []).append(loss(short, planned(short, known=False)))
        losses.setdefault("12 draws, by the sum alone", []).append(loss(long, planned(long, known=False)))
        losses.setdefault("12 draws, as the engine does", []).append(loss(long, planned(long, known=True)))
    figures = []
    for name, found in losses.items():
        print(f"{count} small markets, {name}: median {np.median(found):.4f}, 90% {np.quantile(found, 0.9):.4f}")
        must = "<= 0.005" if "alone" not in name else "<= 1"
        figures.append(Figure(f"{count} small markets, {name}: median loss", float(np.median(found)), "", must))
        figures.append(Figure(f"{count} small markets, {name}: least loss", float(np.min(found)), "", ">= -1e-9"))
    return figures


def calibration_figures(starts: int = 40, runs: int = 500) -> list[Figure]:
    """The plan's own breach forecast against what happens, from starts all over the year, by fifths of the forecast."""
    forecasts, happened = np.empty(starts), np.empty(starts)
    for k in range(starts):
        rng = np.random.default_rng([5, k])
        b, weeks = ELASTICITIES[k % 4], int(rng.integers(1, 48))
        opening = england(b, samples=1000, tested="year_end")
        dates = pd.date_range(START, periods=weeks, freq="7D")
        jackpots = rng.choice(NODES, weeks)
        sales = England(b).sample(jackpots, dates, 1, k)[0].diagonal()
        won = rng.poisson(sales / 2.5 * 2.2e-8)
        year = pd.DataFrame({"draw_date": dates, "jackpot": jackpots, "sales": sales, "jackpot_paid": won * jackpots})
        year = year.assign(draw=np.arange(52, 52 + weeks), special="", secondary_paid=0.25 * sales, pool=np.nan)
        draws = pd.concat([opening.draws, year.astype({"special": "string"})], ignore_index=True)
        history = History(opening.market, draws, (), pd.DataFrame(), "england.csv", None, None)
        as_of = dates[-1].date() + dt.timedelta(days=1)
        situation = situate(opening.market, history, England(b), as_of, None)
        found = simulate_runs(situation, England(b), NODES, {"plan": "plan"}, runs, 52 - weeks, 11 + k)["plan"]
        rule = situation.market.regulation.payout_ratio
        if rule is None:
            raise ValueError("England has a payout ratio")
        ledger = known_ledger(situation, rule)
        plan = make_plan(ratio_ahead(situation, rule, ledger, timeline(situation, rule), NODES), rule.confidence)
        forecasts[k], happened[k] = 1.0 - float(plan.worth.kept[0]), float(found.breach[:, 0].mean())
    figures = []
    for i, fifth in enumerate(np.array_split(np.argsort(forecasts, kind="stable"), 5), start=1):
        forecast, seen = forecasts[fifth].mean(), happened[fifth].mean()
        error = float((happened[fifth] - forecasts[fifth]).std(ddof=1) / np.sqrt(len(fifth)))
        what = (
            f"breach forecast, fifth {i}: {forecast:.3f}, happened {seen:.3f} in {runs * len(fifth)} runs; difference"
        )
        figures.append(Figure(what, abs(float(forecast - seen)), "", f"<= {max(0.02, 4 * error):.4f}"))
    return figures


def game_figures(draws: int = 10_000_000) -> list[Figure]:
    """Winners of each convention: mean and tails of their law against the game's own simulator."""
    games: tuple[dict[str, Any], ...] = (
        {"payout": "per_winner"},
        {"payout": "per_winner", "conscious_selection": 0.857},
        {"payout": "postcode", "postcode": {"tickets_per_postcode": 4.0, "log_sd": 0.5}},
    )
    figures = []
    for i, given in enumerate(games):
        game = Game.model_validate({"jackpot_odds_one_in": 1e7, **given})
        mean, rng = 0.7, np.random.default_rng([8, i])
        count = np.zeros(200, dtype=np.int64)
        for _ in range(10):
            won = draw_winners(game, np.full(draws // 10, mean), rng)
            count += np.bincount(np.minimum(won, 199), minlength=200)
        law = np.array([float(one[0]) for one in winner_chances(game, np.array([mean]))])
        if game.postcode is not None:
            # Paid once, whoever wins: of the number of winners only P(nobody) counts.
            law = np.array([np.exp(-group_rate(game) * mean), -np.expm1(-group_rate(game) * mean)])
        else:
            error = abs(float(np.arange(len(law)) @ law) / mean - 1)
            figures.append(Figure(f"{given}: mean of winners, error", error, "", "<= 0.001"))
        worst = 0.0
        for least in range(1, min(len(law), 8)):
            stated, seen = float(law[least:].sum()), float(count[least:].sum()) / draws
            worst = max(worst, abs(stated - seen) / float(np.sqrt(max(stated * (1 - stated), 1 / draws) / draws)))
        figures.append(Figure(f"{given}: tails of winners, {draws:.0e} draws, worst", worst, "s.e.", "<= 4"))
    return figures


def decision_figures() -> list[Figure]:
    """One recommendation at 52 draws and 1,000 samples: time and memory; the closed form of the accrued floor."""
    note = ModelNote(name="constant", gates="passed", wmape_pct=1.0, coverage_90_pct=90.0, extrapolated=False)
    hashes = InputHashes(snapshot="0" * 64, market_file="1" * 64, model="2" * 64)
    figures = []
    rules: tuple[dict[str, Any], ...] = ({"basis": "accrued"}, {"tested": "year_end"}, {"tested": "each_draw"})
    for rule in rules:
        situation = england(0.3, step=1e5, **rule)
        history = History(situation.market, situation.draws, (), pd.DataFrame(), "england.csv", None, None)
        started = time.perf_counter()
        decide(
            situation.market, history, England(0.3), None, note, hashes, situation.as_of, None, with_sensitivities=True
        )
        figures.append(Figure(f"one recommendation, {rule}", time.perf_counter() - started, "s", "<= 5"))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    figures.append(Figure("memory of all of this", memory, "GiB", "<= 1"))
    situation = england(0.1, step=1e4, basis="accrued", window_draws=1)
    plan = constraints_of(situation, step_grid(situation)).outlook.plan
    least = 0.0 if plan is None else float(plan.ahead.jackpots[np.abs(plan.ahead.jackpots - 17.045e6).argmin()])
    figures.append(Figure("accrued: jackpot that keeps 0.40, error", abs(least / 17.0454545e6 - 1), "", "<= 0.001"))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--small", type=int, default=50)
    given = parser.parse_args()
    figures = decision_figures() + game_figures() + table_figures() + small_figures(given.small) + calibration_figures()
    figures += bound_figures() + runs_figures(given.runs)
    finish("decision", figures)


if __name__ == "__main__":
    main()

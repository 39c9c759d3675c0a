"""The engine's plan played by the game's own simulator, on a ledger and an account that are kept here.

Nothing is taken from the engine but its plan's jackpot at each sum: winners and prizes are those of
`game.draw.simulate_draws`, claims are paid one draw at a time, and every rule is applied as the market file words it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jackpot.decision.payout_ratio import cash_timeline, reserve_timeline
from jackpot.decision.reserve import reserve_purse
from jackpot.decision.situation import Array, Situation
from jackpot.decision.solution import Solution
from jackpot.decision.true_ledger import TrueLedger
from jackpot.game.draw import simulate_draws
from jackpot.game.moments import draw_moments
from jackpot.market.schema import PayoutRatio

RUNS = 400
SMALL = 1e-9
Mask = npt.NDArray[np.bool_]


@dataclass
class Played:
    """What happened in each run: which promises were kept, shape (runs,), and the hard constraints that were broken."""

    kept: dict[str, Mask]
    broken: set[str]


def play(situation: Situation, solved: Solution, seed: int) -> Played:
    """Return what the plan makes of the draws that are left of each promise's period, over `RUNS` runs."""
    market, outlook = situation.market, solved.constraints.outlook
    rule, unclaimed, plan = market.regulation.payout_ratio, market.unclaimed, outlook.plan
    ratio, pool_plan = outlook.ratio, outlook.pool
    lengths = {}
    if ratio is not None:
        lengths["ratio"] = ratio.plan.ahead.period_end - ratio.plan.ahead.now
    if market.cash is not None and situation.cash_now is not None:
        lengths["cash_floor"] = cash_timeline(situation, market.cash).left
    reserve = None if rule is None or rule.contribution is None else rule.contribution.reserve
    purse = None if rule is None or reserve is None else reserve_purse(situation, rule, reserve)
    if rule is not None and purse is not None and not isinstance(purse, str):
        lengths["reserve_floor"] = reserve_timeline(situation, rule).left
    draws = max(lengths.values(), default=market.decision.horizon_draws if pool_plan is not None else 1)
    dates = situation.dates(draws)
    rng = np.random.default_rng([seed, 11])
    reference = np.array([market.jackpot.start])
    base = situation.demand.sample(reference, dates, RUNS, seed + 1)[:, :, 0]
    elastic = float(situation.demand.elasticity(reference)[0].mean)
    done = Played({name: np.ones(RUNS, dtype=bool) for name in lengths}, set())
    pool, rollovers = np.full(RUNS, situation.pool), np.full(RUNS, situation.rollovers)
    before = np.full(RUNS, situation.last_jackpot)
    # The room of a purse is what it holds over its floor on the day of the decision.
    cash = np.full(RUNS, 0.0 if market.cash is None else (situation.cash_now or 0.0) - market.cash.floor)
    fund = np.full(RUNS, purse.room if purse is not None and not isinstance(purse, str) else 0.0)
    counted = [np.full(RUNS, one) for one in ([] if ratio is None else ratio.ledger.prizes)]
    sold = [np.full(RUNS, one) for one in ([] if ratio is None else ratio.ledger.sales)]
    secondary = _known_secondary(situation)
    for t in range(draws):
        date, price = dates[t].date(), market.price_on(dates[t].date())
        if t == 0:
            wanted = np.full(RUNS, solved.jackpot)
        elif plan is not None:
            stage = min(plan.ahead.now + t, len(plan.ahead.stages) - 1)
            x = cash if ratio is None else _sum(ratio.rule, counted, sold)
            wanted = plan.ahead.jackpots[plan.action(stage, x)]
        elif pool_plan is not None:
            wanted = pool_plan.announces(t, pool, rollovers)
        change = market.jackpot.largest_change
        if t and change is not None:
            low, high = before - change, before + change
            steps = np.round((wanted - market.jackpot.start) / market.jackpot.step)
            first = np.ceil((low - market.jackpot.start) / market.jackpot.step - SMALL)
            last = np.floor((high - market.jackpot.start) / market.jackpot.step + SMALL)
            wanted = market.jackpot.start + np.clip(steps, first, last) * market.jackpot.step
        if t:
            wanted = np.where(rollovers > 0, np.maximum(wanted, _least(situation, before)), wanted)
        announced = np.maximum(wanted, pool)
        sales = base[:, t] * (announced / reference[0]) ** elastic
        must = _must_be_won(situation, rollovers)
        drawn = simulate_draws(market, price, sales, announced, pool, rng, must)
        expected = draw_moments(market, price, sales, announced, pool, must)
        _check(done.broken, situation, announced, pool, before, must, drawn.pool_after, drawn.jackpot_winners)
        before = announced
        pool, rollovers = drawn.pool_after, np.where((drawn.jackpot_winners > 0) | must, 0.0, rollovers + 1.0)
        tiers = drawn.secondary_paid - drawn.rolled_down
        contribution = 0.0 if market.game.pool is None else market.game.pool.share_of_sales * sales
        margin = sales * (1.0 - market.costs.share_of_sales) - market.costs.fixed_per_draw - contribution
        margin = margin - drawn.jackpot_cost - expected.insurance_premium
        secondary.append((date, tiers))
        cash = cash + margin - _claimed(situation, secondary, date, secondary[-2][0])
        if t < lengths.get("cash_floor", 0):
            done.kept["cash_floor"] &= cash >= -SMALL * np.abs(cash)
        share = 1.0
        if unclaimed is not None and unclaimed.counted == "claimed":
            share -= unclaimed.expired_share
        prizes = drawn.jackpot_paid + drawn.rolled_down + tiers * share
        if rule is not None and rule.contribution is not None:
            accrued = rule.contribution.share_of_sales * sales
            if rule.contribution.expected_jackpot:
                accrued = accrued + expected.jackpot_prizes + expected.rolled_down
            fund = fund + accrued - prizes
            prizes = accrued
            if t < lengths.get("reserve_floor", 0):
                done.kept["reserve_floor"] &= fund >= -SMALL * np.abs(fund)
        counted.append(prizes)
        sold.append(sales)
        if t < lengths.get("ratio", 0) and rule is not None:
            size = min(rule.window_draws, len(counted))
            paid, total = sum(counted[-size:]), sum(sold[-size:])
            if rule.floor is not None:
                done.kept["ratio"] &= paid >= rule.floor * total * (1 - SMALL)
            if rule.ceiling is not None:
                done.kept["ratio"] &= paid <= rule.ceiling * total * (1 + SMALL)
    return done


def stated(situation: Situation, solved: Solution) -> dict[str, tuple[float, float, bool]]:
    """Return what the engine says of the same promises: a probability, of how many paths, and whether it is exact.

    Exact are figures of the programme, infinite their paths, in which no law ahead is taken at an expectation. Those
    that are not of the plan which is played are left out.
    """
    outlook, jackpot = solved.constraints.outlook, np.array([solved.jackpot])
    market, ratio, told = situation.market, outlook.ratio, {}
    pool, samples = market.game.pool is not None, market.decision.samples
    paths = samples if pool else 512 if market.jackpot.largest_change is not None else np.inf
    if ratio is not None and outlook is solved.constraints.planned:
        kept, missing = float(ratio.look(situation, jackpot).kept[0]), ratio.missing(situation)
        whole, realised = ratio.rule.window_draws >= ratio.plan.ahead.period_end, ratio.rule.basis == "realised"
        # Accrued prizes are of the samples of sales alone.
        known = min(samples if pool or not realised else np.inf, paths if whole else 512)
        if missing is None or _nearest(missing, solved.jackpot):
            told["ratio"] = kept, known, whole and not pool and realised
    look = outlook.look(situation, jackpot)
    for promise in solved.constraints.promises:
        if promise.name == "cash_floor" and ratio is None and look is not None:
            told[promise.name] = float(look.kept[0]), paths, not pool and market.unclaimed is None
        elif promise.name == "cash_floor" or (promise.name == "reserve_floor" and _played(solved)):
            told[promise.name] = float(promise.chance_at(jackpot)[0]), samples, False
    return told


def _nearest(missing: TrueLedger, jackpot: float) -> bool:
    """Return whether the figures at a jackpot are the plan's own, not those of a better policy on the ledger."""
    at = np.searchsorted(missing.jackpots, jackpot * (1 + SMALL))
    return bool(missing.own[max(at - 1, 0) : at + 1].all())


def _played(solved: Solution) -> bool:
    """Return whether the reserve's figure at the jackpot is of the plan itself, not of one capped at that jackpot."""
    plan = solved.constraints.outlook.plan
    base = solved.constraints.outlook.uncapped or solved.constraints.outlook
    if plan is None or base.plan is None or solved.constraints.planned is not solved.constraints.outlook:
        return False
    return solved.jackpot <= float(plan.ahead.jackpots[-1]) * (1 + SMALL)


def _sum(rule: PayoutRatio, prizes: list[Array], sales: list[Array]) -> Array:
    """Return the sum that the plan's tables are about before a draw: the surplus over the window so far."""
    size = rule.window_draws
    paid, total = np.sum(prizes[-size:], axis=0), np.sum(sales[-size:], axis=0)
    x = paid - rule.floor * total if rule.floor is not None else (rule.ceiling or 0.0) * total - paid
    return np.asarray(x, dtype=np.float64)


def _must_be_won(situation: Situation, rollovers: Array) -> Mask:
    rule = situation.market.game.must_be_won
    most = np.inf if rule is None or rule.after_rollovers is None else rule.after_rollovers
    return np.asarray(rollovers >= most, dtype=bool)


def _least(situation: Situation, before: Array) -> Array:
    """Return the least that may be announced after jackpots that nobody has won."""
    limits = situation.market.jackpot
    if limits.minimum_progression is None:
        return np.zeros_like(before)
    steps = np.ceil((before + limits.minimum_progression - limits.start) / limits.step - SMALL)
    most = np.inf if limits.cap is None else np.floor((limits.cap - limits.start) / limits.step + SMALL)
    return np.asarray(limits.start + np.minimum(steps, most) * limits.step)


def _known_secondary(situation: Situation) -> list[tuple[dt.date, Array]]:
    """Return the secondary prizes of the draws so far, by date."""
    draws = situation.draws
    return [
        (date.date(), np.full(RUNS, paid))
        for date, paid in zip(draws["draw_date"], draws["secondary_paid"].to_numpy(np.float64), strict=True)
    ]


def _claimed(situation: Situation, won: list[tuple[dt.date, Array]], date: dt.date, before: dt.date) -> Array:
    """Return the secondary prizes that leave the cash with a draw: its own, and earlier ones whose day has come."""
    rule, own = situation.market.unclaimed, won[-1][1]
    if rule is None:
        return own
    total, handed_on = own * (1.0 - rule.late_share - rule.expired_share), rule.expired_go_to == "good_causes"
    for drawn, prizes in won[:-1]:
        if before < drawn + dt.timedelta(days=rule.late_days) <= date:
            total = total + rule.late_share * prizes
        if handed_on and before < drawn + dt.timedelta(days=rule.expires_after_days) <= date:
            total = total + rule.expired_share * prizes
    return np.asarray(total, dtype=np.float64)


def _check(
    broken: set[str],
    situation: Situation,
    announced: Array,
    pool: Array,
    before: Array,
    must: Mask,
    after: Array,
    winners: npt.NDArray[np.int64],
) -> None:
    """Add the names of the hard constraints that draws break: on the jackpot, and on the pool they leave."""
    limits, rule = situation.market.jackpot, situation.market.game.pool
    cap = limits.cap if limits.cap is not None else np.inf
    own = announced > pool * (1 + SMALL)
    steps = (announced - limits.start) / limits.step
    lowest = before - (limits.largest_change or np.inf) + limits.step
    tests = {
        "start": announced < limits.start * (1 - SMALL),
        # From a pool above the cap the largest change may lead no lower.
        "cap": own & (announced > np.maximum(cap, lowest) * (1 + SMALL)),
        "step": own & (np.abs(steps - np.round(steps)) > 1e-6),
        "change": own & (np.abs(announced - before) > (limits.largest_change or np.inf) * (1 + SMALL)),
        "pool's cap": after > (np.inf if rule is None or rule.cap is None else rule.cap * (1 + SMALL)),
        "must be won": (must | (winners > 0)) & (after > 0),
    }
    broken |= {name for name, wrong in tests.items() if wrong.any()}

"""What a plan means: attainable confidence and its cost, the path ahead, what a little more room is worth.

The mathematics: docs/decision.md, "What binds".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..market.schema import PayoutRatio
from ..records import Attainable, CostOfConfidence, PlannedDraw
from .cash_floor import RatioPlan
from .payout_ratio import Ledger, timeline
from .plan import Plan, ratio_ahead, with_cost_curve
from .promise import Side
from .rollout import Rollout
from .situation import Array, Situation

_ROOM = 0.005
_REMEDY_DIGITS = 2
_COARSE = 0.3


def ratio_paths(rule: PayoutRatio, ledger: Ledger, plan: Plan, ahead: Rollout) -> Array:
    """Return the payout ratio after each draw ahead, shape (samples, draws): over the window, or the year so far."""
    samples, draws = ahead.sales.shape
    count = len(ledger.sales)
    totals = []
    for past, new in ((ledger.prizes, ahead.counted), (ledger.sales, ahead.sales)):
        everything = np.concatenate([np.broadcast_to(past, (samples, count)), new], axis=1)
        totals.append(np.concatenate([np.zeros((samples, 1)), everything.cumsum(axis=1)], axis=1))
    paths = np.empty((samples, draws))
    begin = count - plan.ahead.now if rule.tested == "year_end" else 0
    for t in range(draws):
        end = count + t + 1
        start = max(end - rule.window_draws, begin)
        prizes, sales = (total[:, end] - total[:, start] for total in totals)
        paths[:, t] = prizes / sales
        stage = plan.ahead.now + t
        if rule.tested == "year_end" and stage < len(plan.ahead.stages) and plan.ahead.stages[stage].resets:
            begin = end
    return paths


def ratio_kept(ratio: RatioPlan, ahead: Rollout, side: Side) -> float:
    """Return the strictest limit that the plan keeps at every test left in the named period with the confidence."""
    stages = ratio.plan.ahead.stages[ratio.plan.ahead.now :]
    end = next(i for i, stage in enumerate(stages) if stage.last) + 1
    tests = [t for t in range(min(end, ahead.sales.shape[1])) if stages[t].tested]
    if not tests:
        tests = [ahead.sales.shape[1] - 1]
    paths = ratio_paths(ratio.rule, ratio.ledger, ratio.plan, ahead)[:, tests]
    worst = paths.min(axis=1) if side == 1 else paths.max(axis=1)
    share = 1.0 - ratio.plan.confidence if side == 1 else ratio.plan.confidence
    return float(np.quantile(worst, share))


def attainable(situation: Situation, ratio: RatioPlan, jackpot: float) -> tuple[Attainable, ...]:
    """Return what the payout ratio's promise can reach and costs, and what would help where it is out of reach."""
    plan = with_cost_curve(ratio.plan)
    ahead = plan.ahead
    look = ratio.look(situation, np.array([jackpot]))
    worth = float(plan.worth.value[0])
    return (
        Attainable(
            constraint="payout_ratio",
            promised=plan.confidence,
            from_here=ratio.from_here(situation),
            from_period_start=plan.attainable_at_start,
            under_plan=float(look.kept[0]),
            value_share=worth / ahead.free_value if ahead.free_value else 1.0,
            curve=tuple(CostOfConfidence(confidence=p.confidence, value=p.value, share=p.share) for p in plan.cost),
            remedies=remedies(situation, ratio) if plan.restoring else (),
        ),
    )


def remedies(situation: Situation, ratio: RatioPlan) -> tuple[str, ...]:
    """Return what, alone, would bring the promise within reach from here: another limit, or other test dates."""
    rule, plan = ratio.rule, ratio.plan
    found = []
    limits: tuple[tuple[str, float | None, int], ...] = (("floor", rule.floor, 1), ("ceiling", rule.ceiling, -1))
    for name, limit, side in limits:
        if limit is None or (rule.floor is not None and rule.ceiling is not None):
            continue
        near, far = limit, 0.0 if side == 1 else 1.0
        while abs(near - far) > 1.5 * 10.0**-_REMEDY_DIGITS:
            middle = round((near + far) / 2, _REMEDY_DIGITS)
            reached = _attainable(situation, rule.model_copy(update={name: middle}), ratio.ledger, plan)
            near, far = (near, middle) if reached >= plan.confidence else (middle, far)
        if 0.0 < far < 1.0:
            found.append(f"{name} {limit:g} -> {far:g}")
    if rule.tested != "year_end" and rule.basis == "realised":
        yearly = rule.model_copy(update={"tested": "year_end", "period_starts": None})
        reached = _attainable(situation, yearly, ratio.ledger, plan)
        if reached >= plan.confidence:
            found.append(f"tested {rule.tested} -> year_end: {reached:.1%} is attainable")
    return tuple(found)


def _attainable(situation: Situation, rule: PayoutRatio, ledger: Ledger, plan: Plan) -> float:
    ahead = ratio_ahead(situation, rule, ledger, timeline(situation, rule), plan.ahead.jackpots, plan.ahead)
    ahead = replace(ahead, fineness=_COARSE)
    table = ahead.programme.attainable[ahead.now, 0]
    return float(ahead.programme.cells.read(table, np.array([ahead.x_now]))[0])


def planned_path(situation: Situation, ratio: RatioPlan | None, ahead: Rollout) -> tuple[PlannedDraw, ...]:
    """Return the plan draw by draw: 5%, 50% and 95% quantiles over the samples."""
    jackpots = np.quantile(ahead.jackpot, (0.05, 0.5, 0.95), axis=0)
    if ratio is None:
        return tuple(
            PlannedDraw(
                draw_date=date.date().isoformat(),
                jackpot_p05=float(low),
                jackpot_p50=float(middle),
                jackpot_p95=float(high),
            )
            for date, low, middle, high in zip(ahead.dates, *jackpots, strict=True)
        )
    paths = ratio_paths(ratio.rule, ratio.ledger, ratio.plan, ahead)
    ratios = np.quantile(paths, (0.05, 0.5, 0.95), axis=0)
    stages = ratio.plan.ahead.stages[ratio.plan.ahead.now :]
    rows = []
    for t, date in enumerate(ahead.dates):
        broken = None
        if t < len(stages) and stages[t].tested:
            low = 0.0 if ratio.rule.floor is None else ratio.rule.floor
            high = 1.0 if ratio.rule.ceiling is None else ratio.rule.ceiling
            broken = float(((paths[:, t] < low - 1e-12) | (paths[:, t] > high + 1e-12)).mean())
        rows.append(
            PlannedDraw(
                draw_date=date.date().isoformat(),
                jackpot_p05=float(jackpots[0, t]),
                jackpot_p50=float(jackpots[1, t]),
                jackpot_p95=float(jackpots[2, t]),
                ratio_p05=float(ratios[0, t]),
                ratio_p50=float(ratios[1, t]),
                ratio_p95=float(ratios[2, t]),
                breach_probability=broken,
            )
        )
    return tuple(rows)


def ratio_shadow_price(situation: Situation, ratio: RatioPlan) -> float:
    """Return what a hundredth more room for the ratio is worth over the plan's horizon, at the plan's multiplier.

    By the envelope theorem it is the difference of the Lagrangian's optimum, for a small change of the limit.
    """
    rule, plan = ratio.rule, ratio.plan
    wider = rule.model_copy(
        update={
            "floor": None if rule.floor is None else max(rule.floor - _ROOM, 0.0),
            "ceiling": None if rule.ceiling is None else min(rule.ceiling + _ROOM, 1.0),
        }
    )
    ahead = ratio_ahead(situation, wider, ratio.ledger, timeline(situation, wider), plan.ahead.jackpots, plan.ahead)
    multiplier, end, draws = plan.policy.multiplier, ahead.period_end, len(ahead.stages)
    tail = None
    if plan.tail is not None:
        tail = ahead.programme.solve(plan.tail.multiplier, plan.promised, end, draws)
    policy = ahead.programme.solve(multiplier, plan.promised, 0, end, tail)
    roomy = replace(plan, ahead=ahead, policy=policy, tail=tail)

    def lagrangian(one: Plan) -> float:
        return float(one.objective(one.worth)[0])

    return max(lagrangian(roomy) - lagrangian(plan), 0.0) * 0.01 / _ROOM

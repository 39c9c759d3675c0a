"""One draw's recommendation, with the evidence behind it.

The mathematics: docs/decision.md, "This draw".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from ..cash import Cash
from ..demand.base import Demand
from ..history.contract import History
from ..market.calendar import is_special
from ..market.schema import Market
from ..records import (
    Alternative,
    Circumstances,
    ConstraintState,
    ElasticityAt,
    InputHashes,
    Interval,
    ModelNote,
    NearOptimal,
    Recommendation,
)
from .cash_floor import RatioPlan, cash_outlook
from .constraints import Bound, Constraints, money
from .contract import CURVE_COLUMNS, Decision
from .explain import attainable, planned_path, ratio_kept, ratio_shadow_price
from .grid import StepGrid
from .promise import Promise
from .rollout import Rollout
from .search import Optimum
from .seed_rule import seed_rule
from .sensitivity import sensitivities
from .situation import Array, Situation, situate
from .solution import held, solve
from .value import values

_CASH_DAYS = 31
CURVE_POINTS = 401
"""At most so many points on the curve."""


def decide(
    market: Market,
    history: History,
    demand: Demand,
    seed_demand: Demand | None,
    model: ModelNote,
    inputs: InputHashes,
    as_of: dt.date,
    cash: Cash | None,
    *,
    warnings: Sequence[str] = (),
    circumstances: Circumstances | None = None,
    with_sensitivities: bool = False,
) -> Decision:
    """Return the decision for the first draw on or after `as_of`.

    `demand` is conditioned on `history`, which holds draws before `as_of` alone; `seed_demand` is the log-log form for
    the rule of thumb beside the recommendation, or None; `warnings` are carried on beside the history's own. The same
    arguments give the same bytes. Without cash figures the cash floor is not checked, and with them they stand in
    `Decision.cash` alone. `circumstances` are warned of; where the model is stopped, the last jackpot is kept, or the
    nearest that meets the constraints. `with_sensitivities` are found by some ten more plans, of what the model would
    recommend. Raises InputError where the history reaches beyond `as_of`.
    """
    solved = solve(situate(market, history, demand, as_of, cash))
    hangs_on = sensitivities(solved) if with_sensitivities else None
    stopped = circumstances is not None and circumstances.stopped is not None
    if stopped:
        solved = held(solved)
    situation, grid, constraints, optimum = solved.situation, solved.grid, solved.constraints, solved.optimum
    chosen, trouble, shown, jackpot = optimum.best, solved.trouble, solved.shown, solved.jackpot
    row = optimum.table.loc[shown]
    binding = {} if stopped else optimum.binding()
    ratio, alone = constraints.outlook.ratio, constraints.planned.ratio
    ahead = constraints.outlook.roll(situation, jackpot, market.decision.horizon_draws)
    best = None if chosen is None else float(row["expected_value"])
    worth = None if chosen is None else float(row["objective"])
    told = chosen is not None
    recommendation = Recommendation(
        schema_version="2" if model.wmape_pct is None else "1",
        market=market.market,
        title=market.title,
        currency=market.currency,
        draw_date=situation.date.isoformat(),
        as_of=as_of.isoformat(),
        status=solved.status,
        jackpot=jackpot if told else None,
        expected_value=best,
        expected_value_90=(float(row["value_low_90"]), float(row["value_high_90"])) if told else None,
        expected_sales=Interval(
            mean=float(row["expected_sales"]),
            median=float(row["sales_median"]),
            low_90=float(row["sales_low_90"]),
            high_90=float(row["sales_high_90"]),
        )
        if told
        else None,
        expected_jackpot_payout=float(row["expected_jackpot_payout"]) if told else None,
        expected_secondary_prizes=float(row["expected_secondary_prizes"]) if told else None,
        win_probability=float(row["win_probability"]) if told else None,
        near_optimal=_near_optimal(situation, grid, optimum),
        binding_constraint=max(binding, key=binding.__getitem__) if binding else None,
        constraints=_states(situation, grid, constraints, optimum, shown, binding, ahead),
        elasticity=_elasticity(situation, grid, jackpot),
        keep_last=_keep_last(situation, grid, constraints, worth),
        seed_rule=_seed_rule(situation, grid, constraints, seed_demand, worth),
        # Of the ratio alone: under a plan that the cash floor has a part in, it would tell of the cash.
        attainable=attainable(situation, alone, jackpot) if alone is not None else (),
        planned_path=planned_path(situation, ratio, ahead) if ahead is not None else (),
        sensitivities=hangs_on,
        infeasibility=trouble,
        model=model.model_copy(update={"extrapolated": jackpot > demand.largest_seen}),
        warnings=(
            *(circumstances.words() if circumstances else ()),
            *_warnings(situation, (*warnings, *map(str, history.problems)), constraints, jackpot, cash),
        ),
        circumstances=circumstances,
        metadata=inputs,
    )
    return Decision(
        recommendation, _curve(grid, constraints, optimum, shown), cash_outlook(situation, constraints.outlook, jackpot)
    )


def _near_optimal(situation: Situation, grid: StepGrid, optimum: Optimum) -> NearOptimal | None:
    if optimum.near is None:
        return None
    low, high = (float(end) for end in grid.jackpots(optimum.near))
    return NearOptimal(low=low, high=high, share=situation.market.decision.near_optimal_share)


def _states(
    situation: Situation,
    grid: StepGrid,
    constraints: Constraints,
    optimum: Optimum,
    shown: int,
    binding: dict[str, float],
    ahead: Rollout | None,
) -> tuple[ConstraintState, ...]:
    jackpots = grid.jackpots([shown])
    step = ConstraintState(
        name="step",
        description=f"multiples of {money(situation, grid.step)} above {money(situation, grid.start)}",
        status="kept",
        limit=grid.step,
        unit="currency",
    )
    bounds = [_bound_state(bound, jackpots, binding, _slope(optimum, grid, shown)) for bound in constraints.bounds]
    ratio = constraints.outlook.ratio
    promises = [_promise_state(situation, promise, shown, binding, ratio, ahead) for promise in constraints.promises]
    return (*bounds[:2], step, *bounds[2:], *promises, *constraints.unchecked)


def _slope(optimum: Optimum, grid: StepGrid, shown: int) -> float:
    """Return the most that the next jackpot up or down would add to the objective, per unit of currency."""
    objective = optimum.table["objective"]
    beside = [float(objective.loc[i]) for i in (shown - 1, shown + 1) if i in objective.index]
    return max([0.0, *((one - float(objective.loc[shown])) / grid.step for one in beside)])


def _status(kept: bool, binds: bool) -> Literal["kept", "binding", "violated"]:
    if not kept:
        return "violated"
    return "binding" if binds else "kept"


def _bound_state(bound: Bound, jackpots: Array, binding: dict[str, float], slope: float) -> ConstraintState:
    status = _status(bool(bound.keeps(jackpots)[0]), bound.name in binding)
    return ConstraintState(
        name=bound.name,
        description=bound.description,
        status=status,
        limit=bound.limit,
        value=float(bound.measured(jackpots)[0]),
        distance=float(bound.distance(jackpots)[0]),
        unit="currency",
        shadow_price=slope if status == "binding" else None,
    )


def _promise_state(
    situation: Situation,
    promise: Promise,
    shown: int,
    binding: dict[str, float],
    ratio: RatioPlan | None,
    ahead: Rollout | None,
) -> ConstraintState:
    status = _status(bool(promise.keeps([shown])[0]), promise.name in binding)
    if promise.limit is None or ratio is None or ahead is None:
        chance = float(promise.chance([shown])[0])
        reason = f"it is kept with {min(chance, 1.0):.1%} probability" if promise.name == "reserve_floor" else ""
        return ConstraintState(name=promise.name, description=promise.description, status=status, reason=reason)
    kept = ratio_kept(ratio, ahead, promise.side)
    return ConstraintState(
        name=promise.name,
        description=promise.description,
        status=status,
        limit=promise.limit,
        value=kept,
        distance=promise.side * (kept - promise.limit),
        unit="share",
        reason=f"it can be kept with {min(float(promise.chance([shown])[0]), 1.0):.1%} probability at best from here; "
        f"beside the limit stands the ratio that the plan keeps at every test left in the period with "
        f"{ratio.plan.confidence:.1%} probability",
        shadow_price=ratio_shadow_price(situation, ratio) if status == "binding" else None,
    )


def _elasticity(situation: Situation, grid: StepGrid, jackpot: float) -> tuple[ElasticityAt, ...]:
    at = np.unique([jackpot, *grid.jackpots([0, grid.last])])
    return tuple(
        ElasticityAt(jackpot=float(one.jackpot), mean=float(one.mean), low_90=float(one.low), high_90=float(one.high))
        for one in situation.demand.elasticity(at)
    )


def _keep_last(situation: Situation, grid: StepGrid, constraints: Constraints, worth: float | None) -> Alternative:
    if not len(situation.draws):
        return Alternative(
            jackpot=None, expected_value=None, gain=None, feasible=False, reason="no draw was held yet: none to keep"
        )
    last = situation.last_jackpot
    jackpot = float(grid.jackpots(grid.nearest(last)))
    moved = "" if jackpot == last else f"the last jackpot, {money(situation, last)}, moved to the step grid"
    return _alternative(situation, constraints, jackpot, moved, worth)


def _seed_rule(
    situation: Situation, grid: StepGrid, constraints: Constraints, seed_demand: Demand | None, worth: float | None
) -> Alternative:
    cap = situation.market.jackpot.cap
    answer = seed_rule(situation, seed_demand, float(grid.jackpots(grid.last)) if cap is None else cap)
    if answer.jackpot is None:
        return Alternative(jackpot=None, expected_value=None, gain=None, feasible=False, reason=answer.reason)
    return _alternative(situation, constraints, answer.jackpot, answer.reason, worth)


def _alternative(
    situation: Situation, constraints: Constraints, jackpot: float, reason: str, worth: float | None
) -> Alternative:
    value = float(values(situation, np.array([jackpot]))["expected_value"].iloc[0])
    objective = value + float(constraints.outlook.after(situation, np.array([jackpot]))[0])
    broken = constraints.broken(jackpot)
    reasons = [reason] if reason else []
    if broken:
        reasons.append(f"it breaks {', '.join(broken)}")
    gain = None if worth is None else worth - objective
    return Alternative(jackpot=jackpot, expected_value=value, gain=gain, feasible=not broken, reason="; ".join(reasons))


def _warnings(
    situation: Situation, told: Sequence[str], constraints: Constraints, jackpot: float, cash: Cash | None
) -> tuple[str, ...]:
    warnings = list(dict.fromkeys(told))
    if jackpot > situation.demand.largest_seen and len(situation.draws):
        warnings.append(
            f"{money(situation, jackpot)} is above the largest jackpot that the forecast was trained on, "
            f"{money(situation, situation.demand.largest_seen)}: its sales are extrapolated"
        )
    dates = situation.draws["draw_date"]
    last = situation.market.price_on(dates.iloc[-1].date()) if len(dates) else situation.price
    if situation.price != last:
        warnings.append(
            f"the ticket costs {situation.price:g} from {situation.date} on, {last:g} before: no sales at the new "
            "price are known, and the forecast's range is wider for it"
        )
    special = is_special(situation.market, situation.date)
    if special:
        warnings.append(f"the draw on {situation.date} is a special one ({special})")
    if situation.must_be_won:
        warnings.append(
            f"the draw on {situation.date} must be won: its pool is paid out, to the tiers below where nobody wins it"
        )
    oldest, newest = situation.as_of - dt.timedelta(days=_CASH_DAYS), situation.as_of
    if cash is not None and not oldest.isoformat() <= cash.figures.as_of <= newest.isoformat():
        warnings.append(f"the cash figures are not of the {_CASH_DAYS} days up to {newest}")
    return (*warnings, *constraints.warnings)


def _curve(grid: StepGrid, constraints: Constraints, optimum: Optimum, shown: int) -> pd.DataFrame:
    """Return the table in the form of CURVE_COLUMNS, thinned, with the jackpots that the text speaks of kept in it."""
    index = optimum.table.index.to_numpy()
    rows = np.flatnonzero((index >= 0) & (index <= max(grid.last, shown)))
    if len(rows) > CURVE_POINTS:
        marks = [shown, 0, grid.last, *(optimum.near or ())]
        always = np.flatnonzero(np.isin(index, marks))
        room = CURVE_POINTS - len(always)
        # Evenly by jackpot and not by row: the search left its rows close together round the optimum.
        wanted = np.linspace(index[rows[0]], index[rows[-1]], room)
        rows = np.union1d(always, rows[np.searchsorted(index[rows], wanted).clip(0, len(rows) - 1)])
    curve = optimum.table.iloc[rows].copy()
    curve["feasible"] = optimum.without("cash_floor")[rows]
    return curve[list(CURVE_COLUMNS)].reset_index(drop=True)

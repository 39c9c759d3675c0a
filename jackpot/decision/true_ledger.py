"""What a plan really leads to in a window shorter than its period, and where each jackpot binds the next.

The programme knows the ledger by its sum alone, and not the jackpot before.

One step of policy iteration by rollouts (Bertsekas, Tsitsiklis and Wu 1997): every candidate jackpot at this draw is
followed by a policy on the ledger itself, in which each draw leaves the window whole. The policies are the plan, which
takes the known draws out of the window one by one and then a share of the sum, one that takes the share from the next
draw on, and one to which the share is as uncertain as a draw is; the best one counts. Luck is a Latin hypercube, and
the same for every jackpot and policy.

The mathematics: docs/decision.md, "Windows shorter than what is left of the period".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .plan import Ahead, LookAhead, Plan, look_ahead
from .programme import LOST, Actions, Programme, Stage
from .situation import Array, Mask

Action = Callable[[int, Array], Actions]

PATHS = 512
_SEED = 3
_LEAVES = 9
"""Equally likely sums that leave the window, where they are uncertain."""


@dataclass(frozen=True)
class TrueLedger:
    """By how much figures on the true ledger differ from the programme's, at each candidate jackpot.

    `attainable` and `kept` are of the draws after this one, given that this draw's own test is kept: that chance turns
    steeply from one jackpot to the next, and is known exactly at each.
    """

    jackpots: Array
    attainable: Array
    kept: Array
    later: Array
    value: Array
    own: Mask
    """Where what is kept and worth is the plan's own, and not of a policy that is better on the ledger itself."""

    def corrected(self, look: LookAhead, jackpots: Array) -> LookAhead:
        """Return a look ahead at any jackpots with what it misses, linear between candidates."""

        def at(missing: Array) -> Array:
            return np.interp(jackpots, self.jackpots, missing)

        def from_now(figure: Array, missing: Array) -> Array:
            return np.asarray(look.now * np.clip(share(figure, look.now) + at(missing), 0.0, 1.0), dtype=np.float64)

        attainable = from_now(look.attainable, self.attainable)
        return LookAhead(
            look.now,
            attainable,
            look.score + attainable - look.attainable,
            np.minimum(from_now(look.kept, self.kept), attainable),
            np.clip(look.later + at(self.later), 0.0, 1.0),
            look.value + at(self.value),
        )


def share(part: Array, whole: Array) -> Array:
    """Return part of the whole, 0 where there is next to none."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > LOST)


def true_ledger(plan: Plan, window: int | None, paths: int = PATHS) -> TrueLedger | None:
    """Return what the programme misses, None where that is nothing.

    That is where no draw that is still to be decided leaves the window (None: it has none) in time, and no largest
    change binds a jackpot to the one before it.
    """
    ahead = plan.ahead
    leaving = window is not None and window < ahead.period_end - ahead.now
    if not leaving and ahead.largest_change == np.inf:
        return None
    stage = ahead.stages[ahead.now]
    look = look_ahead(ahead, stage.chance, stage.increment, plan.policy)
    kept, later, value = _rolled(ahead, window, plan.action, paths)
    own = np.ones(len(kept), dtype=bool)
    if window is not None and leaving:
        for stages in (_shared_out(ahead, window), _uncertain(ahead, window)):
            other = _rolled(ahead, window, _policy(plan, stages), paths)
            better = _worth(plan, *other) > _worth(plan, kept, later, value)
            if plan.multiplier == 0.0:
                # Nothing weighs the promise: the plan keeps it without.
                better &= other[0] >= np.minimum(kept, plan.promised)
            own &= ~better
            kept, later, value = (
                np.where(better, new, old) for new, old in zip(other, (kept, later, value), strict=True)
            )
    most, _, _ = _rolled(ahead, window, _most_confident(ahead), paths)
    return TrueLedger(
        ahead.jackpots,
        share(np.maximum(most, kept) - look.attainable, look.now),
        share(kept - look.kept, look.now),
        later - look.later,
        value - look.value,
        own,
    )


def _worth(plan: Plan, kept: Array, later: Array, value: Array) -> Array:
    return plan.objective(LookAhead(kept, kept, kept, kept, later, value))


def _shared_out(ahead: Ahead, window: int) -> list[Stage]:
    """Return the draws after this one where each takes a share of the sum out of the window."""
    return [replace(stage, drop=0.0, decay=1.0 - 1.0 / window) for stage in ahead.stages[ahead.now + 1 :]]


def _uncertain(ahead: Ahead, window: int) -> list[Stage]:
    """Return the draws after this one where the share of the sum that leaves varies, as a draw's own increment does.

    It is the increment of the jackpot worth most, less its mean: a plan that knows the sum alone cannot know better.
    """
    stages = []
    for stage in ahead.stages[ahead.now + 1 :]:
        if stage.decay == 1.0:
            stages.append(stage)
            continue
        best = int(stage.reward.argmax())
        leaves = _outcomes(stage, (np.arange(_LEAVES) + 0.5) / _LEAVES)[best]
        leaves = leaves - leaves.mean()
        increment = (stage.increment[:, None, :] - leaves[:, None]).reshape(-1, len(stage.reward))
        chance = np.repeat(stage.chance / _LEAVES, _LEAVES, axis=0)
        stages.append(replace(stage, increment=increment, chance=chance))
    return stages


def _policy(plan: Plan, later: list[Stage]) -> Action:
    """Return the policy that is worth most at the plan's multiplier if the draws after this one are as in `later`."""
    ahead, tail, cells = plan.ahead, plan.tail, plan.ahead.programme.cells
    programme = Programme((*ahead.stages[: ahead.now + 1], *later), cells)
    policy = programme.solve(plan.policy.multiplier, plan.promised, ahead.now, ahead.period_end, tail)

    def action(t: int, x: Array) -> Actions:
        at = policy if tail is None or t < tail.begin else tail
        return np.asarray(at.action[t - at.begin, 0, cells.nearest(x)], dtype=np.int16)

    return action


def _most_confident(ahead: Ahead) -> Action:
    programme = ahead.programme

    def action(t: int, x: Array) -> Actions:
        return np.asarray(programme.restoring[t, 0, programme.cells.nearest(x)], dtype=np.int16)

    return action


def _rolled(ahead: Ahead, window: int | None, action: Action, paths: int) -> tuple[Array, Array, Array]:
    """Return the chances of keeping this period's tests and the next one's, and the value after this draw."""
    rng = np.random.default_rng(_SEED)
    stages, now, end = ahead.stages, ahead.now, ahead.period_end
    candidates = len(ahead.jackpots)
    size = candidates * paths
    column = np.tile(np.arange(paths), candidates)
    node: npt.NDArray[np.integer[Any]] = np.repeat(np.arange(candidates), paths)
    x, value = np.full(size, ahead.x_now), np.zeros(size)
    kept, later = np.ones(size, dtype=bool), np.ones(size, dtype=bool)
    added = np.empty((len(stages) - now, size))
    announced = ahead.jackpots[node]
    for t in range(now, len(stages)):
        stage = stages[t]
        if t > now:
            node = action(t, x)
            value += stage.reward[node]
            if ahead.largest_change < np.inf:
                wanted = ahead.jackpots[node]
                announced = np.clip(wanted, announced - ahead.largest_change, announced + ahead.largest_change)
                value += np.interp(announced, ahead.jackpots, stage.reward) - stage.reward[node]
        luck = np.arange(paths) if t == now else rng.permutation(paths)
        uniform = (luck + (0.5 if t == now else rng.random(paths))) / paths
        outcomes = _outcomes(stage, uniform)
        added[t - now] = (
            outcomes[node, column]
            if ahead.largest_change == np.inf
            else _between(ahead.jackpots, outcomes, announced, column)
        )
        leaves = -1 if window is None else t - now - window
        x = x + added[t - now] - (added[leaves] if leaves >= 0 else float(np.max(stage.drop)))
        holds = ahead.keeps(stage, x)
        if t < end:
            kept &= holds
        else:
            later &= holds
        if stage.resets:
            x = np.zeros(size)
    means = (one.reshape(candidates, paths).mean(axis=1) for one in (kept, later, value))
    first, second, third = (np.asarray(one, dtype=np.float64) for one in means)
    return first, second if end < len(stages) else np.zeros(candidates), third


def _between(jackpots: Array, outcomes: Array, announced: Array, column: npt.NDArray[np.intp]) -> Array:
    """Return outcomes (jackpots, paths) at announced jackpots, linear between candidates at the same luck."""
    if len(jackpots) == 1:
        return np.asarray(outcomes[0, column], dtype=np.float64)
    low = np.clip(np.searchsorted(jackpots, announced) - 1, 0, len(jackpots) - 2)
    weight = np.clip((announced - jackpots[low]) / (jackpots[low + 1] - jackpots[low]), 0.0, 1.0)
    return np.asarray(outcomes[low, column] * (1.0 - weight) + outcomes[low + 1, column] * weight, dtype=np.float64)


def _outcomes(stage: Stage, uniform: Array) -> Array:
    """Return what each jackpot adds at each uniform, the inverse of its distribution, shape (jackpots, paths)."""
    order = np.argsort(stage.increment, axis=0)
    increment = np.take_along_axis(stage.increment, order, axis=0)
    reached = np.take_along_axis(stage.chance, order, axis=0).cumsum(axis=0)
    found = np.empty((increment.shape[1], len(uniform)))
    for j in range(increment.shape[1]):
        at = np.searchsorted(reached[:, j], uniform * reached[-1, j])
        found[j] = increment[np.minimum(at, len(increment) - 1), j]
    return found

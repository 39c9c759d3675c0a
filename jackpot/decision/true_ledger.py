"""What a plan really leads to in a window shorter than its period, where the programme knows the ledger by its sum alone.

One step of policy iteration by rollout (Bertsekas, Tsitsiklis and Wu 1997): every candidate jackpot at this draw is
followed by the plan on the ledger itself, in which each draw leaves the window whole. Luck is a Latin hypercube, and
the same for every jackpot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .plan import Actions, LookAhead, Plan, look_ahead
from .programme import Stage
from .situation import Array

PATHS = 512
_SEED = 3


@dataclass(frozen=True)
class TrueLedger:
    """By how much the programme's figures miss those on the true ledger, at each candidate jackpot, `LookAhead` arrays."""

    jackpots: Array
    missing: LookAhead

    def corrected(self, look: LookAhead, jackpots: Array) -> LookAhead:
        """Return a look ahead at any jackpots with what it misses, linear between candidates."""

        def at(missing: Array, figure: Array, highest: float = np.inf) -> Array:
            moved = figure + np.interp(jackpots, self.jackpots, missing)
            return np.asarray(np.clip(moved, 0.0 if highest < np.inf else -np.inf, highest), dtype=np.float64)

        one = self.missing
        return LookAhead(
            at(one.attainable, look.attainable, 1.0),
            at(one.score, look.score),
            at(one.kept, look.kept, 1.0),
            at(one.later, look.later, 1.0),
            at(one.value, look.value),
        )


def true_ledger(plan: Plan, window: int, paths: int = PATHS) -> TrueLedger | None:
    """Return what the programme misses, None where no draw that is still to be decided leaves the window in time."""
    ahead = plan.ahead
    if window >= ahead.period_end - ahead.now:
        return None
    stage = ahead.stages[ahead.now]
    look = look_ahead(ahead, stage.chance, stage.increment, plan.policy)
    kept, later, value = _rolled(plan, window, plan.action, paths)
    most, _, _ = _rolled(plan, window, _most_confident(plan), paths)
    attainable = np.maximum(most, kept)
    gained = attainable - look.attainable
    return TrueLedger(
        ahead.jackpots,
        LookAhead(gained, gained, kept - look.kept, later - look.later, value - look.value),
    )


def _most_confident(plan: Plan) -> Callable[[int, Array], Actions]:
    programme = plan.ahead.programme

    def action(t: int, x: Array) -> Actions:
        return np.asarray(programme.restoring[t, 0, programme.cells.nearest(x)], dtype=np.int16)

    return action


def _rolled(
    plan: Plan, window: int, action: Callable[[int, Array], Actions], paths: int
) -> tuple[Array, Array, Array]:
    """Return the chances of keeping this period's tests and the next one's, and the value after this draw."""
    ahead, rng = plan.ahead, np.random.default_rng(_SEED)
    stages, now, end = ahead.stages, ahead.now, ahead.period_end
    candidates = len(ahead.jackpots)
    size = candidates * paths
    column = np.tile(np.arange(paths), candidates)
    node = np.repeat(np.arange(candidates), paths)
    x, value = np.full(size, ahead.x_now), np.zeros(size)
    kept, later = np.ones(size, dtype=bool), np.ones(size, dtype=bool)
    added = np.empty((len(stages) - now, size))
    for t in range(now, len(stages)):
        stage = stages[t]
        if t > now:
            node = action(t, x)
            value += stage.reward[node]
        luck = np.arange(paths) if t == now else rng.permutation(paths)
        uniform = (luck + (0.5 if t == now else rng.random(paths))) / paths
        added[t - now] = _outcomes(stage, uniform)[node, column]
        leaves = t - now - window
        x = x + added[t - now] - (added[leaves] if leaves >= 0 else float(np.max(stage.drop)))
        small = 1e-9 * max(abs(ahead.x_now), ahead.programme.cells.width)
        holds = (x >= stage.low - small) & (x <= stage.high + small)
        if t < end:
            kept &= holds
        else:
            later &= holds
    means = (one.reshape(candidates, paths).mean(axis=1) for one in (kept, later, value))
    first, second, third = (np.asarray(one, dtype=np.float64) for one in means)
    return first, second if end < len(stages) else np.zeros(candidates), third


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

"""The dynamic programme over one sum: the surplus of prizes over the regulator's limit, or the cash over its floor.

A promise is joint over test dates, but what the tests ahead still depend on is one number: the sum x that they are
about, for what will drop out of the window is in the ledger already. So plans are exact in (draw, x) up to the grid of
x: linear interpolation between cells, and a cell that a limit cuts counts by its part.

The mathematics: docs/decision.md, "The programme".
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .situation import Array, Mask

Actions = npt.NDArray[np.int16]

_NEXT_PERIOD = 0.01
_EACH_TEST = 0.001
_LEAST_CHANCE = 1e-9
_FEW_SHIFTS = 8
_AT_ONCE = 32_768
"""Numbers that are transformed back at once: as many as stay in a processor's cache."""
_TIE = 1e-9
AS_CONFIDENT = 0.001
"""Where a promise is out of reach: the share of what is attainable that a jackpot may lack to be as confident."""
LOST = 1e-6
"""A probability below which a promise counts as lost."""


@dataclass(frozen=True)
class Stage:
    """One draw of a plan: what each candidate jackpot adds to x, with which chance, and the test after it.

    `increment` and `chance` have shape (outcomes, jackpots), `reward` (jackpots,). After the draw x becomes
    decay * x + increment - drop, where `drop`, one number or one a row, leaves the window as the ledger has it, and
    1 - `decay` is the share of x that leaves it where that is not decided yet. It is kept where low <= x <= high;
    `last` ends a named period; `resets` says that the sum begins anew after it. `allowed` (jackpots,) are the
    candidates that may be announced, None: all.
    """

    increment: Array
    chance: Array
    reward: Array
    low: float = -np.inf
    high: float = np.inf
    drop: Array | float = 0.0
    decay: float = 1.0
    last: bool = False
    resets: bool = False
    allowed: Mask | None = None

    @property
    def highest_reward(self) -> float:
        """The most that a jackpot which may be announced is worth."""
        return float(self.reward.max() if self.allowed is None else self.reward[self.allowed].max())

    @property
    def tested(self) -> bool:
        """Whether anything can be broken at this draw."""
        return self.low > -np.inf or self.high < np.inf


@dataclass(frozen=True)
class Cells:
    """The grid of x: `count` cells of `width`.

    With a `shift` of a half the limit 0 is an edge between two cells, and what luck spreads over them is halved
    without bias. With 0 it is the centre of one: where there is no luck, x can stay at the limit and keep it.
    """

    first: int
    width: float
    count: int
    shift: float = 0.5

    @classmethod
    def over(cls, low: float, high: float, count: int, shift: float = 0.5) -> Cells:
        """Return cells that cover low to high."""
        width = (high - low) / (count - 2)
        return cls(int(np.floor(low / width)), width, count, shift)

    @property
    def centres(self) -> Array:
        """The middle of each cell."""
        return np.asarray((np.arange(self.count) + self.first + self.shift) * self.width, dtype=np.float64)

    def place(self, x: Array) -> tuple[npt.NDArray[np.int64], Array]:
        """Return the cell at or below each x, clipped, and the weight of the one above."""
        position = np.clip(np.asarray(x) / self.width - self.first - self.shift, 0.0, self.count - 1.0)
        cell = np.minimum(position.astype(np.int64), self.count - 2)
        return cell, position - cell

    def nearest(self, x: Array) -> npt.NDArray[np.int64]:
        """Return the cell that holds each x, clipped."""
        return np.clip(
            np.floor(np.asarray(x) / self.width + (0.5 - self.shift)).astype(np.int64) - self.first, 0, self.count - 1
        )

    def read(self, table: Array, x: Array) -> Array:
        """Return a table (cells,) at each x, linear between centres."""
        cell, weight = self.place(x)
        return np.asarray(table[cell] * (1.0 - weight) + table[cell + 1] * weight, dtype=np.float64)


@dataclass(frozen=True)
class Policy:
    """Plans for the draws `begin` to `end`, a row for each multiplier: tables of shape (draws + 1, rows, cells).

    `action` (draws, rows, cells) indexes the candidate jackpots. Before each draw, `value` is expected value to the
    horizon's end, `kept` the probability that every test left in the named period is kept, `later` the same for the
    named period after it.
    """

    begin: int
    multiplier: Array
    action: Actions
    value: Array
    kept: Array
    later: Array

    def row(self, row: int) -> Policy:
        """Return the policy of one multiplier."""
        at = slice(row, row + 1)
        return Policy(
            self.begin,
            self.multiplier[at],
            self.action[:, at],
            self.value[:, at],
            self.kept[:, at],
            self.later[:, at],
        )


@dataclass
class Programme:
    """Backward induction over `stages` for candidate jackpots.

    `attainable` (draws + 1, rows, cells) is the highest probability that any policy has of keeping every test that is
    left in the named period; `restoring` (draws, rows, cells) the jackpots that reach it. Among equally confident
    ones they keep most of the tests, and then most of the value. `rows` is 1, or one a run where drops differ.
    """

    stages: Sequence[Stage]
    cells: Cells
    attainable: Array = field(init=False)
    restoring: Actions = field(init=False)
    score: Array = field(init=False)

    def __post_init__(self) -> None:
        """Solve for the most confident policy."""
        rows = max(np.size(stage.drop) for stage in self.stages)
        shape = (len(self.stages) + 1, rows, self.cells.count)
        kernels: dict[tuple[int, int], _Kernel] = {}
        for stage in self.stages:
            alike = id(stage.increment), id(stage.chance)
            kernels[alike] = kernels.get(alike) or _kernel(stage, self.cells)
        self._kernels = [kernels[id(stage.increment), id(stage.chance)] for stage in self.stages]
        self._known: dict[int, Array] = {}
        self._unpaid: dict[tuple[float, int, int, float | None, bool], Policy] = {}
        self.attainable = np.ones(shape)
        self.restoring = np.zeros((len(self.stages), rows, self.cells.count), dtype=np.int16)
        self.score = np.ones(shape)
        self.test_weight = _EACH_TEST / (sum(stage.tested for stage in self.stages) or 1)
        for t in range(len(self.stages) - 1, -1, -1):
            stage = self.stages[t]
            kept, later = self.score_kept(t + 1, stage), self.score_later(t + 1, stage)
            share = _share_kept(stage, self.cells)
            chance = _after(stage, self.cells, kept) * share
            value = chance + _after(stage, self.cells, later, clip=False)
            if stage.tested:
                value = value + self.test_weight * share
            both = np.concatenate([np.broadcast_to(one, shape[1:]) for one in (value, chance)])
            spread = _before(stage, self.cells, _convolve(both, self._kernels[t]))
            values, chances = _allowed(stage, spread[:, :rows]), _allowed(stage, spread[:, rows:])
            if rows == 1:
                self._known[t] = chances.copy()
            best = values.max(axis=0)
            close = values >= best - _TIE
            action = np.where(close, stage.reward[:, None, None], -np.inf).argmax(axis=0)
            self.restoring[t] = action
            self.score[t] = best
            self.attainable[t] = np.take_along_axis(chances, action[None], axis=0)[0]

    def forget(self) -> None:
        """Let go of what can be computed again: most of the memory of a programme that may never be solved again."""
        self._known.clear()
        for kernel in self._kernels:
            for name in ("spectrum", "offsets"):
                vars(kernel).pop(name, None)

    def of_rows(self, rows: npt.NDArray[np.int64]) -> Programme:
        """Return the programme of some of its rows."""
        part = copy.copy(self)
        part.stages = [
            replace(stage, drop=stage.drop[rows]) if isinstance(stage.drop, np.ndarray) else stage
            for stage in self.stages
        ]
        part.attainable, part.score = self.attainable[:, rows], self.score[:, rows]
        part.restoring = self.restoring[:, rows]
        return part

    def score_kept(self, t: int, stage: Stage) -> Array:
        """Return what the score before draw t counts only if the test before it was kept."""
        return np.ones_like(self.attainable[t]) if stage.last else self.attainable[t]

    def score_later(self, t: int, stage: Stage) -> Array:
        """Return what it counts in any case: single tests, and the named periods to come."""
        later = _NEXT_PERIOD * self.score[t] if stage.last else self.score[t] - self.attainable[t]
        return np.asarray(later, dtype=np.float64)

    def solve(
        self,
        multiplier: Array,
        confidence: float,
        begin: int,
        end: int,
        tail: Policy | None = None,
        *,
        restore: bool = True,
        as_confident: float = AS_CONFIDENT,
    ) -> Policy:
        """Return the policies for draws `begin` to `end`, one named period, that maximise value + multiplier * P(kept).

        After it the one-row policy `tail` is followed, and its promise is worth what its own multiplier says. With
        `restore` they announce nothing that brings the attainable below `confidence`, and where it is or comes below
        that anyway the jackpot worth most of those that lack no more than a share `as_confident` of the most; without,
        they are the optimum over all policies that depend on (draw, x) alone. Where the programme has a row a run, so
        has the multiplier.
        """
        rows, count, draws = len(multiplier), self.cells.count, end - begin
        shape = (draws + 1, rows, count)
        policy = Policy(
            begin,
            multiplier,
            np.zeros((draws, rows, count), dtype=np.int16),
            np.zeros(shape),
            np.ones(shape),
            np.zeros(shape),
        )
        weight, later_weight = multiplier[:, None], 0.0
        if tail is not None:
            policy.value[-1], policy.later[-1] = tail.value[0, 0], tail.kept[0, 0]
            later_weight = float(tail.multiplier[0])
        for t in range(draws - 1, -1, -1):
            stage = self.stages[begin + t]
            parts = [_after(stage, self.cells, policy.value[t + 1], clip=False)]
            parts.append(_after(stage, self.cells, policy.kept[t + 1]) * _share_kept(stage, self.cells))
            if tail is not None:
                parts.append(_after(stage, self.cells, policy.later[t + 1], clip=False))
            together = np.concatenate([np.broadcast_to(one, shape[1:]) for one in parts])
            spread = _before(stage, self.cells, _convolve(together, self._kernels[begin + t]))
            tables = [spread[:, rows * i : rows * (i + 1)] for i in range(len(parts))]
            tables[0] = tables[0] + stage.reward[:, None, None]
            objective = tables[0] + weight * tables[1] + (later_weight * tables[2] if tail is not None else 0.0)
            objective = _allowed(stage, objective)
            if restore:
                chance = self._chances(begin + t)
                best = chance.max(axis=0)
                least = np.minimum(confidence, (1.0 - as_confident) * best)
                objective = np.where(chance >= least - _TIE, objective, -np.inf)
            action = objective.argmax(axis=0)
            if restore:
                action = np.where(best > LOST, action, self.restoring[begin + t])
            policy.action[t] = action
            for target, table in zip((policy.value, policy.kept, policy.later), tables, strict=False):
                target[t] = np.take_along_axis(table, action[None], axis=0)[0]
        return policy

    def unpaid(
        self, confidence: float, begin: int, end: int, tail: Policy | None = None, *, restore: bool = True
    ) -> Policy:
        """Return what `solve` does at the multiplier 0, asked for again with each other x."""
        key = confidence, begin, end, None if tail is None else float(tail.multiplier[0]), restore
        if key not in self._unpaid:
            self._unpaid[key] = self.solve(np.zeros(1), confidence, begin, end, tail, restore=restore)
        return self._unpaid[key]

    def lagrangian(self, multiplier: Array, begin: int, end: int, beyond: Array | None = None) -> Array:
        """Return the most that value + multiplier * P(kept) can be before draw `begin`, (rows, cells).

        It is over all policies for one named period, those that know of a breach included, which then seek value
        alone; `beyond` (cells,) is the same for what follows draw `end`. The least over multipliers of this, less
        multiplier * confidence, bounds the value of any policy that keeps the promise, a randomised one too (Everett
        1963). For a programme with one row.
        """
        broken = np.zeros((1, self.cells.count)) if beyond is None else beyond[None]
        kept = multiplier[:, None] + broken
        for t in range(end - 1, begin - 1, -1):
            stage = self.stages[t]
            lost = _after(stage, self.cells, broken, clip=False)
            gained = _after(stage, self.cells, kept - broken) * _share_kept(stage, self.cells)
            spread = _before(stage, self.cells, _convolve(np.concatenate([lost, gained]), self._kernels[t]))
            after = spread[:, :1] + stage.reward[:, None, None]
            broken, kept = (_allowed(stage, one).max(axis=0) for one in (after, after + spread[:, 1:]))
        return np.asarray(kept, dtype=np.float64)

    def through(self, stage: Stage, table: Array, *, tested: bool) -> Array:
        """Return a table (cells,) of x before a draw whose one jackpot is fixed, from the table after it.

        With `tested` it counts only where the test after the draw is kept.
        """
        after = _after(stage, self.cells, table[None], clip=tested)
        if tested:
            after = after * _share_kept(stage, self.cells)
        return np.asarray(_before(stage, self.cells, _convolve(after, _kernel(stage, self.cells)))[0, 0])

    def _chances(self, t: int) -> Array:
        """Return the attainable probability after each jackpot at draw t, shape (jackpots, rows, cells)."""
        if t in self._known:
            return self._known[t]
        stage = self.stages[t]
        kept = self.score_kept(t + 1, stage)
        after = _after(stage, self.cells, kept) * _share_kept(stage, self.cells)
        spread = _convolve(np.broadcast_to(after, kept.shape), self._kernels[t])
        return _allowed(stage, _before(stage, self.cells, spread))


def _allowed(stage: Stage, table: Array) -> Array:
    """Return a table (jackpots, rows, cells) with nothing to be had from jackpots that may not be announced."""
    return table if stage.allowed is None else np.where(stage.allowed[:, None, None], table, -np.inf)


def _after(stage: Stage, cells: Cells, table: Array, *, clip: bool = True) -> Array:
    """Return a table of x before the next draw as one of x + increment; `clip` reads it within the test's limits."""
    if stage.resets:
        at = np.full((1, cells.count), 0.0)
    else:
        at = cells.centres - np.reshape(stage.drop, (-1, 1))
        if clip:
            at = np.clip(at, stage.low, stage.high)
    cell, weight = cells.place(at)
    if len(cell) == 1:
        low, high = np.take(table, cell[0], axis=1), np.take(table, cell[0] + 1, axis=1)
    else:
        table = np.broadcast_to(table, (len(cell), table.shape[1]))
        low, high = np.take_along_axis(table, cell, axis=1), np.take_along_axis(table, cell + 1, axis=1)
    return np.asarray(low * (1.0 - weight) + high * weight, dtype=np.float64)


def _before(stage: Stage, cells: Cells, table: Array) -> Array:
    """Return a table of decay * x as one of x."""
    if stage.decay == 1.0:
        return table
    cell, weight = cells.place(stage.decay * cells.centres)
    low, high = np.take(table, cell, axis=-1), np.take(table, cell + 1, axis=-1)
    return np.asarray(low * (1.0 - weight) + high * weight, dtype=np.float64)


def _share_kept(stage: Stage, cells: Cells) -> Array:
    """Return the part of each cell of x + increment that keeps the test, (rows or 1, cells)."""
    at = cells.centres - np.reshape(stage.drop, (-1, 1))
    above = np.clip((at - stage.low) / cells.width + 1.0 - cells.shift, 0.0, 1.0)
    below = np.clip((stage.high - at) / cells.width + 1.0 - cells.shift, 0.0, 1.0)
    return np.asarray(np.maximum(above + below - 1.0, 0.0), dtype=np.float64)


@dataclass(frozen=True)
class _Kernel:
    """Each jackpot's law over shifts of whole cells, `mass` (jackpots, shifts), the first of them `lowest`."""

    mass: Array
    lowest: int
    count: int
    """Of the cells that are shifted."""

    @property
    def below(self) -> int:
        """How many cells below the first are reached."""
        return max(-self.lowest, 0)

    @property
    def above(self) -> int:
        """How many cells above the last are reached."""
        return max(self.lowest + len(self.mass[0]) - 1, 0)

    @cached_property
    def offsets(self) -> list[list[tuple[int, float]]]:
        """Of each jackpot the shifts that it makes and their chances."""
        return [[(int(k) + self.lowest, float(row[k])) for k in np.flatnonzero(row)] for row in self.mass]

    @cached_property
    def spectrum(self) -> npt.NDArray[np.complex128] | None:
        """The conjugate transform of the law, (jackpots, frequencies); None where shift by shift is as fast."""
        if np.count_nonzero(self.mass) <= _FEW_SHIFTS * len(self.mass):
            return None
        start = self.lowest + self.below
        placed = np.zeros((len(self.mass), start + self.mass.shape[1]))
        placed[:, start:] = self.mass
        return np.asarray(np.conj(np.fft.rfft(placed, self.size)), dtype=np.complex128)

    @cached_property
    def size(self) -> int:
        """Of the transforms: the next product of 2s and one 3 or 5 that no shift goes round."""
        least = self.count + self.below + self.above
        return min(odd << max(math.ceil(math.log2(least / odd)), 0) for odd in (1, 3, 5))


def _kernel(stage: Stage, cells: Cells) -> _Kernel:
    """Return each jackpot's increments as shifts of whole cells: linear interpolation, and so exact in the mean."""
    position = stage.increment / cells.width
    whole = np.floor(position)
    part = position - whole
    shift = np.clip(whole, -cells.count, cells.count).astype(np.int64)
    lowest, jackpots = int(shift.min()), position.shape[1]
    size = int(shift.max()) + 2 - lowest
    place = (shift - lowest + size * np.arange(jackpots)).ravel()
    mass = np.bincount(place, (stage.chance * (1.0 - part)).ravel(), jackpots * size)
    mass += np.bincount(place + 1, (stage.chance * part).ravel(), jackpots * size)
    mass = np.where(mass > _LEAST_CHANCE, mass, 0.0).reshape(jackpots, size)
    return _Kernel(mass / mass.sum(axis=1, keepdims=True), lowest, cells.count)


def _convolve(table: Array, kernel: _Kernel) -> Array:
    """Return the expectation over the increment, shape (jackpots, rows, cells); beyond its ends a table is level."""
    rows, count = table.shape
    below, above, spectrum = kernel.below, kernel.above, kernel.spectrum
    padded = np.empty((rows, below + count + above))
    padded[:, :below], padded[:, below : below + count] = table[:, :1], table
    padded[:, below + count :] = table[:, -1:]
    result = np.empty((len(kernel.mass), rows, count))
    if spectrum is not None:
        transformed = np.fft.rfft(padded, kernel.size)
        step = max(_AT_ONCE // (rows * kernel.size), 1)
        for first in range(0, len(result), step):
            part = slice(first, first + step)
            result[part] = np.fft.irfft(transformed * spectrum[part, None, :], kernel.size)[..., :count]
        return result
    share = np.empty((rows, count))
    for target, shifts in zip(result, kernel.offsets, strict=True):
        for i, (offset, weight) in enumerate(shifts):
            view = padded[:, below + offset : below + offset + count]
            if i == 0:
                np.multiply(view, weight, out=target)
            else:
                np.multiply(view, weight, out=share)
                target += share
    return result

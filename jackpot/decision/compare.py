"""Policies side by side: the runs of a shard, and what all shards together say, with intervals.

A shard's runs depend on its number and the seed alone, so that the figures do not depend on how many processes shared
the work.

The mathematics: docs/decision.md, "Policies compared".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal

import numpy as np
from pydantic import Field

from ..canonical import rounded
from ..demand.base import Demand
from ..errors import InputError, Problem
from ..market.schema import Market
from ..records import IsoDate, Record
from .plan import candidates
from .simulate import RunFigures, simulate_runs
from .situation import Array
from .solution import Solution

RUNS_A_SHARD = 100
MOST_RUNS = 20_000
CONSTANT = "constant "
_MOST_DRAWS = 1_040
_ALWAYS = ("plan", "seed_rule", "last_jackpot", "history", "clairvoyant")
_TWO_SIDED_95 = NormalDist().inv_cdf(0.975)


class PolicyRuns(Record):
    """What a policy made of each run of a shard; `breach` has a list a period. Money in units of currency."""

    value: tuple[float, ...]
    breach: tuple[tuple[float, ...], ...]
    silent: tuple[float, ...]
    restoring: tuple[float, ...]
    lowest: tuple[float, ...]
    attainable: tuple[float, ...]


class ShardRuns(Record):
    """The runs of one shard, by policy."""

    shard: int
    draws: int
    policies: dict[str, PolicyRuns]


class Estimate(Record):
    """A figure over all runs with its 95% interval; the ends are None where one run gives none."""

    value: float
    low_95: float | None
    high_95: float | None


class PolicyFigures(Record):
    """One policy over all runs. Money in units of currency, over all draws of a run."""

    name: str
    jackpot: float | None = Field(default=None, description="Of a constant policy.")
    value: Estimate
    regret: Estimate = Field(description="The clairvoyant's value less this one's, run by run.")
    breach: tuple[Estimate, ...] = Field(description="Share of runs with a breach, by named period (Wilson intervals).")
    attainable: tuple[float, ...] = Field(description="Highest confidence attainable at each period's start.")
    no_answer: float = Field(description="Share of runs with a draw without an answer.")
    restoring: float = Field(description="Share of draws.")
    lowest_cash_change: tuple[float, float, float] = Field(
        description="1%, 5% and 50% quantiles over runs of the lowest change of cash since the start."
    )


class PolicyReport(Record):
    """Policies compared, best constant included. The clairvoyant knows sales before they happen, and not who wins."""

    schema_version: Literal["1"] = "1"
    market: str
    currency: str
    kind: Literal["simulated", "backtest"]
    luck: Literal["game", "happened"]
    first_draw: IsoDate
    draws: int
    runs: int
    seed: int
    confidence: float | None = Field(description="That the payout ratio promises.")
    policies: tuple[PolicyFigures, ...]


def shards(runs: int, size: int = RUNS_A_SHARD) -> list[str]:
    """Return the shards of so many runs, each as `number:runs`; raise InputError for a number that cannot be run."""
    if not 0 < runs <= MOST_RUNS:
        raise InputError(
            Problem("no such number of runs", field="runs", found=str(runs), allowed=f"1 to {MOST_RUNS:,}")
        )
    return [f"{i}:{min(size, runs - first)}" for i, first in enumerate(range(0, runs, size))]


def parse_shard(text: str) -> tuple[int, int]:
    """Return the number of a shard and how many runs it has; raise InputError where it is none."""
    number, _, runs = text.partition(":")
    if not (number.isdecimal() and runs.isdecimal() and 0 < int(runs) <= MOST_RUNS):
        raise InputError(Problem("no such shard", field="shard", found=text, allowed="number:runs, e.g. 0:100"))
    return int(number), int(runs)


def simulate_shard(solved: Solution, truth: Demand, shard: str, draws: int, seed: int) -> ShardRuns:
    """Return every policy's runs of one shard, from the situation that is solved, with sales drawn from `truth`.

    A run has `draws` draws, at most (and with 0) all that there is a plan for: the named period and a horizon.
    """
    number, runs = parse_shard(shard)
    outlook = solved.constraints.outlook
    plan = None if outlook.ratio is None else outlook.ratio.plan
    jackpots = candidates(solved.grid) if plan is None else plan.ahead.jackpots
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    draws = min(
        draws or _MOST_DRAWS, solved.situation.market.decision.horizon_draws if plan is None else len(plan.ahead.dates)
    )
    found = simulate_runs(solved.situation, truth, jackpots, policies(jackpots), runs, draws, own, plan)
    return ShardRuns(shard=number, draws=draws, policies={name: written(one) for name, one in found.items()})


def policies(jackpots: Array) -> dict[str, float | str]:
    """Return the policies that are compared, and a constant at each jackpot for the best of them."""
    return {name: name for name in _ALWAYS} | {f"{CONSTANT}{jackpot:.12g}": float(jackpot) for jackpot in jackpots}


def report(
    market: Market,
    parts: Sequence[ShardRuns],
    seed: int,
    kind: Literal["simulated", "backtest"],
    luck: Literal["game", "happened"],
    first_draw: str,
) -> PolicyReport:
    """Return what all shards together say, in whichever order they come; raise InputError where one is missing."""
    ordered = sorted(parts, key=lambda part: part.shard)
    if [part.shard for part in ordered] != list(range(len(ordered))) or not ordered:
        raise InputError(Problem("shards are missing", found=str([part.shard for part in ordered])))
    rule = market.regulation.payout_ratio
    names = sorted(
        ordered[0].policies, key=lambda name: (_ALWAYS.index(name) if name in _ALWAYS else len(_ALWAYS), name)
    )
    found = {name: _joined([part.policies[name] for part in ordered]) for name in names}
    allowed = 1.0 if rule is None else 1.0 - rule.confidence
    constants = {name: one for name, one in found.items() if name.startswith(CONSTANT)}
    shown = {name: one for name, one in found.items() if name not in constants}
    if constants:
        shown["constant"] = constants[best_constant(constants, allowed)]
    at = {"constant": float(best_constant(constants, allowed).removeprefix(CONSTANT))} if constants else {}
    seer = found["clairvoyant"].value
    return PolicyReport(
        market=market.market,
        currency=market.currency,
        kind=kind,
        luck=luck,
        first_draw=first_draw,
        draws=ordered[0].draws,
        runs=len(seer),
        seed=seed,
        confidence=None if rule is None else rule.confidence,
        policies=tuple(_figures(name, one, seer, at.get(name)) for name, one in shown.items()),
    )


def best_constant(constants: Mapping[str, RunFigures], allowed: float) -> str:
    """Return the constant worth most among those that breach in no more runs than allowed, else the safest."""

    def rank(name: str) -> tuple[float, float]:
        worst = float(constants[name].breach.mean(axis=0).max(initial=0.0))
        return -max(worst - allowed, 0.0), float(constants[name].value.mean())

    return max(constants, key=rank)


def written(one: RunFigures) -> PolicyRuns:
    """Return figures as they are written, so that shards of one process and of many are put together from the same."""
    return PolicyRuns.model_validate(
        rounded(
            {
                "value": one.value.tolist(),
                "breach": one.breach.T.tolist(),
                "silent": one.silent.tolist(),
                "restoring": one.restoring.tolist(),
                "lowest": one.lowest.tolist(),
                "attainable": one.attainable,
            }
        )
    )


def _joined(parts: Sequence[PolicyRuns]) -> RunFigures:
    counts = [len(part.value) for part in parts]
    reached = [np.average(column, weights=counts) for column in zip(*(part.attainable for part in parts), strict=True)]
    return RunFigures(
        value=np.concatenate([part.value for part in parts]),
        breach=np.concatenate(
            [np.asarray(part.breach, dtype=np.float64).T.reshape(len(part.value), -1) for part in parts]
        ),
        silent=np.concatenate([part.silent for part in parts]),
        restoring=np.concatenate([part.restoring for part in parts]),
        lowest=np.concatenate([part.lowest for part in parts]),
        attainable=tuple(float(one) for one in reached),
    )


def _figures(name: str, one: RunFigures, seer: Array, jackpot: float | None) -> PolicyFigures:
    low, middle, high = np.quantile(one.lowest, (0.01, 0.05, 0.5))
    return PolicyFigures(
        name=name,
        jackpot=jackpot,
        value=_mean(one.value),
        regret=_mean(seer - one.value),
        breach=tuple(_share(column) for column in one.breach.T),
        attainable=one.attainable,
        no_answer=float(one.silent.mean()),
        restoring=float(one.restoring.mean()),
        lowest_cash_change=(float(low), float(middle), float(high)),
    )


def _mean(values: Array) -> Estimate:
    """Return a mean with its interval by Student's t."""
    from scipy.special import stdtrit

    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Estimate(value=mean, low_95=None, high_95=None)
    half = float(stdtrit(count - 1, 0.975) * values.std(ddof=1) / math.sqrt(count))
    return Estimate(value=mean, low_95=mean - half, high_95=mean + half)


def _share(happened: Array) -> Estimate:
    """Return a share with its interval (Wilson 1927)."""
    count, share, z = len(happened), float(happened.mean()), _TWO_SIDED_95
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Estimate(value=share, low_95=max(middle - half, 0.0), high_95=min(middle + half, 1.0))

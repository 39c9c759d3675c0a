"""What a question may change about a situation, and the situation so changed.

The mathematics: docs/decision.md, "What if".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, ValidationError

from ..demand.base import Demand, Elasticity
from ..errors import InputError, Problem
from ..market.schema import Market
from ..records import Record
from .situation import Array, Situation

Money = Annotated[float, Field(gt=0, le=1e15)]
Share = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(gt=0, le=10)]


class Changes(Record):
    """What is changed; what is None or empty stays as it is. Money in units of currency."""

    jackpot: tuple[Money, ...] = Field(
        default=(), max_length=52, description="Announced for this draw, and for the draws after it; then the plan."
    )
    cash: Annotated[float, Field(ge=-1e15, le=1e15)] | None = Field(default=None, description="Cash before the draw.")
    floor: Share | None = Field(default=None, description="Of the payout ratio.")
    ceiling: Share | None = Field(default=None, description="Of the payout ratio.")
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Of the payout ratio's promise; of the cash floor's where there is no ratio."
    )
    prize_share: Share | None = Field(default=None, description="Expected secondary prizes as a share of sales.")
    elasticity: Factor | None = Field(
        default=None, description="Times the elasticity; sales at the last jackpot stay as they are."
    )
    level: Factor | None = Field(default=None, description="Times the sales of every draw ahead.")

    @property
    def replans(self) -> bool:
        """Whether a new plan is needed."""
        return any(
            one is not None
            for one in (self.floor, self.ceiling, self.confidence, self.prize_share, self.elasticity, self.level)
        )

    @property
    def given(self) -> dict[str, Any]:
        """What is changed, by name."""
        return self.model_dump(mode="json", exclude_defaults=True)


def parse_changes(words: Sequence[str]) -> Changes:
    """Return the changes of words such as "cash=25e6" and "jackpot=10e6,12e6"; raise InputError with each problem."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    for word in words:
        name, _, text = word.partition("=")
        if name not in Changes.model_fields:
            near = difflib.get_close_matches(name, Changes.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "write NAME=VALUE"
            allowed = ", ".join(Changes.model_fields)
            problems.append(
                Problem("nothing of that name can be changed", "--set", found=word, allowed=allowed, hint=hint)
            )
        elif name in found:
            problems.append(Problem("set twice", "--set", name, found=word, hint="give each name once"))
        else:
            try:
                numbers = [float(part.replace("_", "")) for part in text.split(",")]
                found[name] = tuple(numbers) if name == "jackpot" else numbers[0] if len(numbers) == 1 else numbers
            except ValueError:
                problems.append(Problem("not a number", "--set", name, found=text, allowed="e.g. 12500000 or 12.5e6"))
    if problems:
        raise InputError(problems)
    try:
        return Changes.model_validate(found)
    except ValidationError as error:
        raise InputError(_problems(error)) from None


def _problems(error: ValidationError) -> Iterator[Problem]:
    for one in error.errors(include_url=False):
        name = ".".join(str(part) for part in one["loc"])
        if one["type"] == "too_long":
            found, most = one["ctx"]["actual_length"], one["ctx"]["max_length"]
            yield Problem("too many values", "--set", name, found=f"{found}", allowed=f"at most {most}")
            continue
        yield Problem(one["msg"].lower(), "--set", name, found=str(one["input"]))


def changed(situation: Situation, changes: Changes) -> Situation:
    """Return the situation with the changes but for its jackpots; raise InputError where one has nothing to change."""
    market = _market(situation.market, changes, situation.price)
    demand = situation.demand
    if changes.elasticity is not None or changes.level is not None:
        demand = Changed(demand, changes.elasticity or 1.0, changes.level or 1.0, situation.last_jackpot)
    cash = situation.cash_now if changes.cash is None else changes.cash
    return replace(situation, market=market, demand=demand, cash_now=cash)


def _market(market: Market, changes: Changes, price: float) -> Market:
    rule, cash, game = market.regulation.payout_ratio, market.cash, market.game
    lacking = [
        (name, what)
        for name, value, there, what in (
            ("floor", changes.floor, rule, "payout ratio"),
            ("ceiling", changes.ceiling, rule, "payout ratio"),
            ("cash", changes.cash, cash, "cash floor"),
            ("confidence", changes.confidence, rule or cash, "promise with a confidence"),
        )
        if value is not None and there is None
    ]
    if lacking:
        raise InputError(
            Problem(f"the market has no {what} that this could change", market.market, name) for name, what in lacking
        )
    updates: dict[str, Any] = {}
    if rule is not None:
        given = {"floor": changes.floor, "ceiling": changes.ceiling, "confidence": changes.confidence}
        new = rule.model_copy(update={name: value for name, value in given.items() if value is not None})
        if new.floor is not None and new.ceiling is not None and new.floor > new.ceiling:
            raise InputError(
                Problem(
                    "the floor is over the ceiling",
                    market.market,
                    "floor",
                    found=f"{new.floor:g}",
                    allowed=f"<= {new.ceiling:g}",
                )
            )
        updates["regulation"] = market.regulation.model_copy(update={"payout_ratio": new})
    elif cash is not None and changes.confidence is not None:
        updates["cash"] = cash.model_copy(update={"confidence": changes.confidence})
    if changes.prize_share is not None:
        tiers = market.expected_secondary_share(price) - game.secondary_share_of_sales
        most = 1.0 - market.costs.share_of_sales - (game.pool.share_of_sales if game.pool else 0.0)
        if not tiers <= changes.prize_share < most:
            raise InputError(
                Problem(
                    "prizes of that share do not fit the game",
                    market.market,
                    "prize_share",
                    found=f"{changes.prize_share:g}",
                    allowed=f"from {tiers:.6g}, what its tiers cost, to below {most:.6g}, what costs leave",
                )
            )
        updates["game"] = game.model_copy(update={"secondary_share_of_sales": changes.prize_share - tiers})
    return market.model_copy(update=updates)


class Changed(Demand):
    """A demand whose elasticity and level are multiplied: S(J) -> level * S(J0) * (S(J) / S(J0))^elasticity."""

    def __init__(self, demand: Demand, elasticity: float, level: float, reference: float) -> None:
        self.demand, self.factor, self.level = demand, elasticity, level
        self.reference = np.array([reference])
        self.largest_seen, self.draws_seen = demand.largest_seen, demand.draws_seen

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales, shape (d, k)."""
        return self._of(self.demand.mean(jackpots, dates), self.demand.mean(self.reference, dates))

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k)."""
        middle = self.demand.mean(self.reference, dates)
        return self._of(self.demand.quantiles(jackpots, dates, q), middle[None])

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k)."""
        both = self.demand.sample(np.append(jackpots, self.reference), dates, samples, seed)
        return self._of(both[..., :-1], both[..., -1:])

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot with its 90% band."""
        return [
            Elasticity(one.jackpot, one.mean * self.factor, one.low * self.factor, one.high * self.factor)
            for one in self.demand.elasticity(jackpots)
        ]

    def _of(self, sales: Array, reference: Array) -> Array:
        return np.asarray(self.level * reference * (sales / reference) ** self.factor, dtype=np.float64)

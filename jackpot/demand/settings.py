"""What may be tuned: factors on the default's settings, all of them 1 in the default.

A factor is the same in every game: what it multiplies is measured in standard deviations of the game's own noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from ..errors import InputError, Problem

SPACE: Final[dict[str, tuple[float, float]]] = {
    "slope_speed": (0.25, 4.0),
    "weekday_speed": (0.25, 4.0),
    "calendar_speed": (0.25, 4.0),
    "level_speed": (0.25, 4.0),
    "prior_spread": (0.25, 4.0),
    "clip": (0.6, 2.0),
    "memory_of_weights": (0.25, 4.0),
}
"""Smallest and largest factor that tuning tries."""

EXTREME: Final = 100.0
"""No factor beyond this, or under its inverse, can be loaded."""


@dataclass(frozen=True)
class Settings:
    """Factors on the speeds of change, the spread of priors, the robust clip and the memory of the members' weights."""

    slope_speed: float = 1.0
    """How fast the jackpot curve drifts."""
    weekday_speed: float = 1.0
    """How fast weekdays drift, and what they add to the curve."""
    calendar_speed: float = 1.0
    """How fast all other coefficients drift: gap, season, calendar, memory."""
    level_speed: float = 1.0
    """How fast the level drifts."""
    prior_spread: float = 1.0
    """Prior standard deviation of all coefficients but the curve's, whose prior was learned from other games."""
    clip: float = 1.0
    """Where errors begin to be outliers."""
    memory_of_weights: float = 1.0
    """How long the members' weights remember."""

    def __post_init__(self) -> None:
        for name, factor in self.factors.items():
            if not (math.isfinite(factor) and 1 / EXTREME <= factor <= EXTREME):
                raise InputError(
                    Problem("no such factor", field=name, found=str(factor), allowed=f"{1 / EXTREME:g} to {EXTREME:g}")
                )

    @property
    def factors(self) -> dict[str, float]:
        """Return each factor by its name."""
        return asdict(self)

    @classmethod
    def of(cls, factors: Mapping[str, Any]) -> Self:
        """Return settings with these factors, 1 where none is given; raise InputError for a name that is none."""
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(factors) - set(known))
        if unknown:
            raise InputError(Problem("no such setting", field=unknown[0], allowed=", ".join(known)))
        return cls(**{name: float(factor) for name, factor in factors.items()})

    @property
    def changed(self) -> dict[str, float]:
        """Return the factors that are not the default's: what a model's file says."""
        return {name: factor for name, factor in self.factors.items() if factor != 1.0}

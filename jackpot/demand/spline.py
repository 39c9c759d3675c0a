"""`spline`: a monotone spline of the log jackpot with season, drifting level and AR(1) errors, recency-weighted.

One member of the state-space regression: every coefficient forgets at one slow pace, which is least squares weighted by
recency (a local-constant model, West and Harrison 1997, ch. 6), without the average over settings.
"""

from __future__ import annotations

from typing import ClassVar

from .state_space import StateSpaceModel


class SplineModel(StateSpaceModel):
    """A monotone spline in log jackpot with calendar and memory, on a drifting level with AR(1) errors."""

    name: ClassVar[str] = "spline"
    errors: ClassVar[tuple[tuple[float, float, float], ...]] = ((0.4, 0.8, 0.1),)
    tempi: ClassVar[tuple[float, ...]] = (0.3,)

"""The demand models that a market file may name: a new one is a file in jackpot/demand, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

MODELS: Final[dict[str, str]] = {
    "combination": "combination:CombinationModel",
    "state_space": "state_space:StateSpaceModel",
    "boosted_state_space": "boosted:BoostedModel",
    "boosting": "boosting:BoostingModel",
    "spline": "spline:SplineModel",
    "log_log_ols": "log_log:LogLogModel",
}
"""Name -> module of jackpot/demand, and class."""

if TYPE_CHECKING:
    ModelName = str
else:
    ModelName = Literal[tuple(MODELS)]

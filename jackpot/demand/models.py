"""Demand models by name: a new one is a file and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from ..errors import InputError, Problem
from .base import DemandModel
from .settings import Settings

MODELS: Final[dict[str, str]] = {
    "combination": "combination:CombinationModel",
    "state_space": "state_space:StateSpaceModel",
    "boosted_state_space": "boosted:BoostedModel",
    "boosting": "boosting:BoostingModel",
    "spline": "spline:SplineModel",
    "log_log_ols": "log_log:LogLogModel",
    "naive": "naive:NaiveModel",
    "seasonal_naive": "naive:SeasonalNaiveModel",
}
"""Name in market files and records -> module and class."""


def model_class(name: str) -> type[DemandModel]:
    """Return a model's class; raise InputError for a name that is not in MODELS."""
    if name not in MODELS:
        raise InputError(
            Problem("no such demand model", field="demand.model", found=name, allowed=", ".join(sorted(MODELS)))
        )
    module, attribute = MODELS[name].split(":")
    return cast("type[DemandModel]", getattr(import_module(f".{module}", __package__), attribute))


def new_model(name: str, settings: Settings | None = None) -> DemandModel:
    """Return an unfitted model; raise InputError for a name not in MODELS, or settings it does not have."""
    return model_class(name).tuned(settings or Settings())

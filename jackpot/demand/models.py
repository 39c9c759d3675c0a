"""Demand models by the name that stands in market files and records."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from ..errors import InputError, Problem
from ..market.demand_models import MODELS
from .base import DemandModel
from .settings import Settings

ALL: Final[dict[str, str]] = {
    **MODELS,
    "naive": "naive:NaiveModel",
    "seasonal_naive": "naive:SeasonalNaiveModel",
}
"""With the naive forecasts, which know nothing of the jackpot: they are beaten, and decide nothing."""


def model_class(name: str) -> type[DemandModel]:
    """Return a model's class; raise InputError for a name that is not in ALL."""
    if name not in ALL:
        raise InputError(
            Problem("no such demand model", field="demand.model", found=name, allowed=", ".join(sorted(ALL)))
        )
    module, attribute = ALL[name].split(":")
    return cast("type[DemandModel]", getattr(import_module(f".{module}", __package__), attribute))


def new_model(name: str, settings: Settings | None = None) -> DemandModel:
    """Return an unfitted model; raise InputError for a name not in ALL, or settings it does not have."""
    return model_class(name).tuned(settings or Settings())

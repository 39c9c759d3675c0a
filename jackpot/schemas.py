"""The JSON Schemas that are published: of the files that a user writes and of the records that a run leaves."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from .cash import CashFigures
from .environment import Environment
from .market.schema import Market
from .records import Checks, Evaluation, Gates, Metadata, Monitor, Recommendation, Tuning
from .scoring.contract import Manifest
from .system_test.contract import Report


def schemas() -> dict[str, dict[str, Any]]:
    """Return each schema by its name, in a fixed order."""
    models: dict[str, type[BaseModel]] = {
        "market": Market,
        "environment": Environment,
        "cash": CashFigures,
        "recommendation": Recommendation,
        "metadata": Metadata,
        "evaluation": Evaluation,
        "checks": Checks,
        "tuning": Tuning,
        "gates": Gates,
        "monitor": Monitor,
        "manifest": Manifest,
        "system-test": Report,
    }
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: {**draft, **model.model_json_schema()} for name, model in models.items()}

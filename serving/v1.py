"""KServe's V1 protocol: `:predict` and `:explain`, one JSON object per instance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson

from .columns import FIELDS, LEVELS, NOT_ASKED, check_count, dates_of, jackpots_of, levels_of, only
from .refusal import Refusal
from .settings import Settings
from .version import Forecast, Question, Version

WHERE = "instances[{}].{}"


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body; raise Refusal where it is none."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, "json", f"the body is no JSON: {str(error)[:100]}", allowed="a JSON object") from None
    if type(document) is not dict:
        raise Refusal(422, "type", "the body is no object", found=document, allowed="a JSON object")
    return document


def question(body: bytes, settings: Settings, most: int) -> Question:
    """Return what a V1 body asks; raise Refusal at the first thing in it that cannot be asked."""
    document = json_object(body)
    only(document, ("instances", "quantiles"), "")
    instances = document.get("instances")
    if type(instances) is not list:
        raise Refusal(422, "type", "not an array", field="instances", found=instances, allowed="an array of objects")
    check_count(len(instances), most, "instances")
    try:
        jackpots = [one["jackpot"] for one in instances]
        dates = [one["draw_date"] for one in instances]
        whole = sum(map(len, instances)) == len(FIELDS) * len(instances)
    except (KeyError, TypeError, IndexError):
        whole = False
    if not whole:
        _find_fault(instances)
    levels = levels_of(document["quantiles"], "quantiles", settings) if "quantiles" in document else LEVELS
    return Question(jackpots_of(jackpots, WHERE), dates_of(dates, WHERE), levels, WHERE)


def _find_fault(instances: list[Any]) -> None:
    for row, one in enumerate(instances):
        only(one, FIELDS, f"instances[{row}]", NOT_ASKED)
        for name in FIELDS:
            if name not in one:
                raise Refusal(422, "missing_field", "missing", field=WHERE.format(row, name), allowed=", ".join(FIELDS))


def answer(version: Version, asked: Question, forecast: Forecast) -> bytes:
    """Return the body of a prediction: one object an instance, then what they are from."""
    names = [f"{level:g}" for level in asked.levels]
    predictions = [
        {"mean": mean, "median": median, "quantiles": dict(zip(names, quantiles, strict=True)),
         "elasticity": elasticity, "extrapolated": extrapolated}
        for mean, median, quantiles, elasticity, extrapolated in zip(
            forecast.mean.tolist(), forecast.median.tolist(), forecast.quantiles.T.tolist(),
            forecast.elasticity.tolist(), forecast.extrapolated.tolist(), strict=True,
        )
    ]  # fmt: skip
    return orjson.dumps({"predictions": predictions, **version.origin})


def explanation(version: Version, asked: Question) -> bytes:
    """Return the body of an explanation: for each instance the parts of its forecast, and the curve it lies on."""
    return orjson.dumps(
        {
            "explanations": [
                _explained(version, float(jackpot), date)
                for jackpot, date in zip(asked.jackpots.tolist(), asked.dates, strict=True)
            ],
            **version.origin,
        }
    )


def _explained(version: Version, jackpot: float, date: str) -> dict[str, Any]:
    found = version.parts(jackpot, date)
    curve, at = version.curve(date), version.shown_jackpots
    mean, (low, high) = curve(at, LEVELS)
    (elasticity,) = version.demand.elasticity(np.array([jackpot]))
    return {
        "parts": [{"name": name, "log_effect": effect, "factor": math.exp(effect)} for name, effect in found.items()],
        "elasticity": {"mean": elasticity.mean, "low_90": elasticity.low, "high_90": elasticity.high},
        "curve": [
            {"jackpot": j, "mean": m, "low_90": a, "high_90": b, "extrapolated": j > version.largest_seen}
            for j, m, a, b in zip(at.tolist(), mean.tolist(), low.tolist(), high.tolist(), strict=True)
        ],
    }

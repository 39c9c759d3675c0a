"""From values that a client sent to columns that can be forecast, whatever protocol they came by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from jackpot.demand.base import Array

from .refusal import Refusal
from .settings import Settings

FIELDS: Final = ("jackpot", "draw_date")
LEVELS: Final = (0.05, 0.95)
"""Quantiles of an answer where none are asked for: the 90% interval."""
NOT_ASKED: Final = "jackpot, draw_date (special draws and prices are the market file's, by date)"


def check_count(count: int, most: int, field: str) -> None:
    """Raise Refusal unless there is at least one row, and at most so many."""
    if count == 0:
        raise Refusal(422, "instances", "nothing is asked", field=field, allowed=f"1 to {most:,}")
    if count > most:
        raise Refusal(413, "instances", "too many at once", field=field, found=count, allowed=f"1 to {most:,}")


def jackpots_of(values: Sequence[Any], where: str) -> Array:
    """Return numbers as an array; raise Refusal at the first that is none. JSON's integers are numbers."""
    if not set(map(type, values)) <= {int, float}:
        row = next(i for i, value in enumerate(values) if type(value) not in (int, float))
        raise Refusal(422, "type", "not a number", field=where.format(row, "jackpot"), found=values[row],
                      allowed="a number in units of currency")  # fmt: skip
    return np.array(values, dtype=np.float64)


def dates_of(values: Sequence[Any], where: str) -> list[str]:
    """Return texts; raise Refusal at the first that is none. Whether they are dates the version says."""
    if set(map(type, values)) != {str}:
        row = next(i for i, value in enumerate(values) if type(value) is not str)
        raise Refusal(422, "type", "not a text", field=where.format(row, "draw_date"), found=values[row],
                      allowed="a date as YYYY-MM-DD")  # fmt: skip
    return list(values)


def levels_of(values: Any, field: str, settings: Settings) -> tuple[float, ...]:
    """Return the levels of quantiles asked for; raise Refusal unless they are a few numbers between 0 and 1."""
    allowed = f"1 to {settings.max_quantiles} different numbers between 0.001 and 0.999"
    if not isinstance(values, list) or not 1 <= len(values) <= settings.max_quantiles:
        raise Refusal(422, "quantiles", "not the quantiles of a forecast", field=field, found=values, allowed=allowed)
    for level in values:
        if type(level) not in (int, float) or not math.isfinite(level) or not 0.001 <= level <= 0.999:
            raise Refusal(422, "quantiles", "not the level of a quantile", field=field, found=level, allowed=allowed)
    if len(set(values)) < len(values):
        raise Refusal(422, "quantiles", "the same level twice", field=field, found=values, allowed=allowed)
    return tuple(float(level) for level in values)


def levels_of_text(text: Any, field: str, settings: Settings) -> tuple[float, ...]:
    """Return the levels in a text such as `0.1,0.9`: parameters of the V2 protocol are no lists."""
    try:
        values = [float(part) for part in text.split(",", settings.max_quantiles)]
    except (AttributeError, ValueError):
        raise Refusal(422, "quantiles", "not the quantiles of a forecast", field=field, found=text,
                      allowed="a text such as 0.1,0.9") from None  # fmt: skip
    return levels_of(values, field, settings)


def only(found: Any, allowed: Sequence[str], where: str, also: str = "") -> None:
    """Raise Refusal unless `found` is an object with no key but those allowed."""
    if type(found) is not dict:
        raise Refusal(422, "type", "not an object", field=where, found=found, allowed="an object")
    unknown = [key for key in found if key not in allowed]
    if unknown:
        field = f"{where}.{unknown[0][:40]}" if where else unknown[0][:40]
        raise Refusal(422, "unknown_field", "no such field", field=field, found=found[unknown[0]],
                      allowed=also or ", ".join(allowed))  # fmt: skip

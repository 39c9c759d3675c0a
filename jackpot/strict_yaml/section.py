"""What every section of a strict file is: frozen, closed to unknown keys, and able to say what contradicts itself."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

FIRST_DATE, LAST_DATE = dt.date(1900, 1, 1), dt.date(2200, 12, 31)
"""Dates of a market file lie between these: tables count time in nanoseconds, which end in 1677 and 2262."""

KeyPath = tuple[str | int, ...]
"""Where something stands in a file: keys, and indices into lists."""


def _iso_date(value: Any) -> Any:
    """Admit a date or its ISO text, where pydantic alone would also take a number of seconds for one."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            value = dt.date.fromisoformat(value)
        except ValueError as error:
            raise PydanticCustomError("date", "there is no such date: {why}", {"why": str(error)}) from None
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise PydanticCustomError("date", "this is not a date")
    if not FIRST_DATE <= value <= LAST_DATE:
        raise PydanticCustomError("date", "a date here lies between 1900 and 2200")
    return value


Date = Annotated[dt.date, BeforeValidator(_iso_date)]


class Section(BaseModel):
    """A part of the file: frozen, and it refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Yield what does not fit together in a section whose values are fine one by one: (its key, why)."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = list(self.contradictions())
        if found:
            text = "; ".join(message for _, message in found)
            raise PydanticCustomError("contradiction", "{text}", {"text": text, "contradictions": found})
        return self

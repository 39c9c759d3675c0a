"""The operator's cash: an input by URI, kept access-restricted, never in a market file, a log or a KFP artifact."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .canonical import sha256
from .errors import InputError, Problem

EXAMPLE = '{"currency": "GBP", "as_of": "2026-01-31", "cash": 60000000, "salt": "16 random letters or more"}'


def _day(text: str) -> str:
    dt.date.fromisoformat(text)
    return text


class CashFigures(BaseModel):
    """A cash file: JSON. `salt` is any random text: without it the figure could be guessed from the file's hash."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    schema_version: Literal["1"] = "1"
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    as_of: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]
    cash: Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False, strict=True)]
    salt: Annotated[str, Field(min_length=16, max_length=200)]


@dataclass(frozen=True)
class Cash:
    """Validated cash figures with the hash that records name them by, and the bytes to be kept for replay."""

    figures: CashFigures
    sha256: str
    data: bytes


@dataclass(frozen=True)
class CashOutlook:
    """Cash ahead at the recommended jackpot. Restricted: shown in the report alone.

    `fan` has one row a draw: `draw_date`, and `p05`, `p25`, `p50`, `p75`, `p95` of cash after it, in currency.
    """

    currency: str
    cash_now: float
    floor: float
    confidence: float
    probability_kept: float
    fan: pd.DataFrame


def read_cash(data: bytes, name: str, currency: str) -> Cash:
    """Return the cash figures in a file's bytes; raise InputError, without repeating any figure, where they are bad."""
    try:
        figures = CashFigures.model_validate_json(data)
    except ValidationError as error:
        raise InputError(
            Problem(
                detail["msg"],
                where=name,
                field=".".join(str(part) for part in detail["loc"]),
                allowed=EXAMPLE,
            )
            for detail in error.errors(include_input=False, include_url=False)
        ) from None
    if figures.currency != currency:
        raise InputError(Problem("the cash is in another currency", name, "currency", None, figures.currency, currency))
    return Cash(figures, sha256(data), data)

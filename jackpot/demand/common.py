"""What every demand model asks of a history, and the digits that it keeps."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..canonical import SIGNIFICANT_DIGITS
from ..errors import InputError, Problem
from .base import Array

SMALLEST_HISTORY: Final = 10
"""Ordinary draws that a demand model needs."""


def ordinary(draws: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which draws are no declared specials, shape (n,)."""
    flags: npt.NDArray[np.bool_] = (draws["special"].to_numpy(dtype=object) == "").astype(bool)
    return flags


def check_history(draws: pd.DataFrame) -> None:
    """Raise InputError where a history is too short to learn from, or not in order with positive, finite figures."""
    usable = int(ordinary(draws).sum())
    if usable < SMALLEST_HISTORY:
        raise InputError(
            Problem(
                "the history is too short to forecast sales from",
                found=f"{usable} ordinary draws",
                allowed=f"at least {SMALLEST_HISTORY}",
                hint="add earlier draws to the history, or move `as_of` to a later date",
            )
        )
    check_figures(draws)


def check_figures(draws: pd.DataFrame) -> None:
    """Raise InputError where a history is not in order of date, each once, with positive, finite figures."""
    for column in ("sales", "jackpot"):
        figures = draws[column].to_numpy(float)
        bad = np.flatnonzero(~(np.isfinite(figures) & (figures > 0)))
        if len(bad):
            raise InputError(
                Problem(
                    f"{len(bad)} draws cannot be used",
                    field=column,
                    row=int(bad[0]) + 2,
                    found=str(figures[bad[0]]),
                    allowed="a finite amount above 0",
                )
            )
    dates = pd.DatetimeIndex(draws["draw_date"])
    if not (dates.is_monotonic_increasing and dates.is_unique):
        raise InputError(
            Problem("draws are not in order of date, each once", field="draw_date", hint="sort the history by date")
        )


def significant(values: npt.ArrayLike) -> Array:
    """Return values at the digits that records keep, so that a stored model is the fitted one to the last bit."""
    return np.array([float(f"{value:.{SIGNIFICANT_DIGITS}g}") for value in np.ravel(values)]).reshape(np.shape(values))

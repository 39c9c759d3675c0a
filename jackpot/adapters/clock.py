"""The clock: the time of day, for what records when it happened, and budgets of seconds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable


def now() -> str:
    """Return this second as ISO 8601 in UTC."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat()


def after(seconds: float) -> Callable[[], bool]:
    """Return what says whether so many seconds have passed since this call."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end

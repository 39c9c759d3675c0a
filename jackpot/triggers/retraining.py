"""When a retraining may start: not too soon after the last, and not too often a year."""

from __future__ import annotations

import datetime as dt

from ..audit import AuditLog
from ..market.schema import Monitoring
from .claims import claimed
from .keys import RETRAIN


def may_retrain(log: AuditLog, market: str, settings: Monitoring, now: dt.datetime) -> str:
    """Return why no retraining may start now; empty where it may.

    Every key that was claimed counts, whatever came of it: a retraining that fails is no reason for another.
    """
    past = [dt.datetime.fromisoformat(entry.at) for entry in claimed(log, f"{RETRAIN}/{market}/")]
    if past:
        ready = past[-1] + dt.timedelta(days=settings.retrain_cooldown_days)
        if now < ready:
            return f"the last retraining began on {past[-1]:%Y-%m-%d}; the next may on {ready:%Y-%m-%d}"
    year = [at for at in past if now - at < dt.timedelta(days=365)]
    if len(year) >= settings.retrains_a_year:
        return f"{len(year)} retrainings began within a year, and {settings.retrains_a_year} are allowed"
    return ""

"""Jackpot Optimiser: what a lottery should announce for its next draw. `jackpot.api` has each stage by itself."""

from __future__ import annotations

from typing import Any

_API = ("load_market", "read_week", "fit", "backtest", "recommend", "champion_tuning", "report_html")

__all__ = list(_API)


def __getattr__(name: str) -> Any:
    # Late: a step of the pipeline imports this package and pays for what it uses alone.
    if name not in _API:
        raise AttributeError(f"module 'jackpot' has no attribute {name!r}")
    from . import api

    return getattr(api, name)

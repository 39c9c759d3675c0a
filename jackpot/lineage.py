"""Where a recommendation comes from: hashes of inputs, and what ran."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CodeVersion:
    """The code and environment that ran: commit, whether the tree was clean, image digest, hash of the lock."""

    commit: str | None
    dirty: bool | None
    image: str | None
    lock_sha256: str | None
    python: str


def recommendation_prefix(market: str, draw_date: str, snapshot_sha256: str, recommendation_sha256: str) -> str:
    """Return the key under which a recommendation is kept: market, draw, data, then the recommendation itself."""
    return f"recommendations/{market}/{draw_date}/{snapshot_sha256[:16]}/{recommendation_sha256[:16]}"

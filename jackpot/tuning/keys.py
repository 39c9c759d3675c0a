"""Where tunings lie in the store: trials under their study, and the outcome beside them under a name of its content."""

from __future__ import annotations

from ..canonical import sha256
from ..records import Tuning
from ..store import Store


def market_prefix(market: str) -> str:
    """Return the key under which all that was tuned for a market is kept."""
    return f"tuning/{market}"


def study_prefix(market: str, snapshot: str, study: str) -> str:
    """Return the key under which the trials of a study of a snapshot are kept."""
    return f"{market_prefix(market)}/{snapshot[:16]}/{study}"


def tuning_key(tuning: Tuning) -> str:
    """Return where the outcome of a tuning is kept."""
    prefix = study_prefix(tuning.market, tuning.snapshot, tuning.study)
    return f"{prefix}/tuning-{sha256(tuning.to_bytes())[:16]}.json"


def read_tuning(store: Store, key: str) -> Tuning:
    """Return an outcome that was kept."""
    return Tuning.model_validate_json(store.read(key))

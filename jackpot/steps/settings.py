"""champion_settings: the settings of a week without tuning, those of the champion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import JackpotError
from ..ports import RegisteredModel
from ..records import Evaluation, Tuning
from ..store import Store
from ..tuning.keys import market_prefix, read_tuning, tuning_key

if TYPE_CHECKING:
    from .week import Week


def ever_tuned(market: str, store: Store) -> bool:
    """Return whether anything was ever tuned for a market; where not, its champion has the default's settings."""
    return next(iter(store.keys(market_prefix(market))), None) is not None


def champion_tuning(week: Week, champion: Callable[[], RegisteredModel | None]) -> Tuning | None:
    """Return the tuning behind the champion's settings; None: the default's.

    A champion that cannot be loaded is for the evaluation to tell of. A tuning that has seen draws of the test window
    (its share may have grown since) is not gone by: the evaluation would flatter it.
    """
    from .tuning import study_of

    try:
        found = champion()
    except JackpotError:
        return None
    if found is None or found.as_of > week.checks.as_of:
        return None
    tuning = Evaluation.model_validate_json(found.files["evaluation.json"]).tuning
    if tuning is None or tuning.model != week.market.demand.model:
        return None
    return None if (tuning.last_draw or "") > (study_of(week).last_draw or "") else tuning


def champion_settings(week: Week, store: Store, champion: Callable[[], RegisteredModel | None]) -> str:
    """Return the key of the tuning behind the champion's settings, kept in the store; empty: the default's."""
    tuning = champion_tuning(week, champion)
    if tuning is None:
        return ""
    store.put_new(tuning_key(tuning), tuning.to_bytes())
    return tuning_key(tuning)


def settings_of(store: Store, key: str) -> Tuning | None:
    """Return the tuning under a key that a step before gave; None for no key: the default's settings."""
    return read_tuning(store, key) if key else None

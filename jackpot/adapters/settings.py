"""The settings of a market's champion, for who fits a model outside a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import JackpotError
from ..steps.settings import champion_tuning, ever_tuned

if TYPE_CHECKING:
    from ..records import Tuning
    from ..steps.week import Week
    from .places import Places


def champions_tuning(week: Week, places: Places) -> Tuning | None:
    """Return the tuning behind the settings of a market's champion in an environment; None: the default's.

    The registry is opened only where something was ever tuned. Out of reach, there is no champion.
    """
    from ..promotion.versions import load_champion

    market = week.market.market
    try:
        if not ever_tuned(market, places.store):
            return None
    except JackpotError:
        return None
    return champion_tuning(
        week, lambda: load_champion(places.audit(market), week.model_name, places.store, places.registry)
    )

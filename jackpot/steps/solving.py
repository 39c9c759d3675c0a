"""A week solved, for questions after the recommendation: what if, and how far it hangs on its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ports import Files
from .model_in_use import ModelInUse
from .week import Week

if TYPE_CHECKING:
    from ..cash import Cash
    from ..decision.solution import Solution
    from ..records import Tuning


def solve_week(
    week: Week, cash: Cash | None, in_use: ModelInUse | None = None, tuning: Tuning | None = None
) -> Solution:
    """Return the solution of the week's decision, with the model in use or, without one, a model fitted here.

    The latter has the settings of `tuning`; without one, the default's.
    """
    from ..decision.situation import situate
    from ..decision.solution import solve
    from ..demand.models import new_model
    from ..demand.settings import Settings
    from ..demand.storage import load_model, model_files

    market, draws = week.market, week.history.draws
    if in_use is None:
        settings = Settings.of(tuning.settings) if tuning else None
        files: Files = model_files(new_model(market.demand.model, settings).fit(draws, market))
    else:
        files = in_use.files
    demand = load_model(files).condition(draws, market)
    return solve(situate(market, week.history, demand, week.as_of, cash))

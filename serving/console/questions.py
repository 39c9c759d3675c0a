"""What-if questions, answered by the decision engine itself: as `jackpot what-if` does, to the last digit."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jackpot.adapters.places import Places
from jackpot.errors import InputError, Problem
from jackpot.market.loading import load_market

if TYPE_CHECKING:
    from jackpot.decision.changes import Changes
    from jackpot.decision.solution import Solution

MARKETS_KEPT: Final = 8
CIRCUMSTANCES_KEPT: Final = 16
POINTS: Final = 61
CURVE: Final = ("jackpot", "expected_value", "value_low_90", "value_high_90")


class Week(NamedTuple):
    """A market's week as it was recommended for."""

    market: str
    as_of: str
    recommendation: str
    """Its key: corrected data of the same day make another."""


class Questions:
    """Solves each market's week once, in the background, and answers from it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._solved: OrderedDict[Week, Future[Solution]] = OrderedDict()
        self._under: OrderedDict[tuple[Week, str], tuple[Solution, dict[str, list[float]]]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "solve")

    def prepare(self, week: Week) -> Future[Solution]:
        """Begin to solve a market's week, or return the solving that has begun."""
        with self._lock:
            future = self._solved.pop(week, None)
            if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
                future = self._pool.submit(self._solve, week)
            self._solved[week] = future
            while len(self._solved) > MARKETS_KEPT:
                self._solved.popitem(last=False)
            return future

    def answer(self, week: Week, changes: Changes, with_cash: bool) -> dict[str, Any]:
        """Return the answer as `jackpot what-if --json` gives it, and beside it the value's curve and the cash's fan.

        Who may not see cash gets none of its figures. Raises InputError where the question is none that can be asked,
        or not by this person.
        """
        from jackpot.canonical import rounded
        from jackpot.decision.cash_floor import cash_outlook
        from jackpot.decision.what_if import what_if

        if changes.cash is not None and not with_cash:
            raise InputError(Problem("cash figures are for those who decide", field="cash", allowed="other changes"))
        solved = self.prepare(week).result()
        after, curve = self._circumstances(week, changes, solved)
        found = what_if(solved, changes, after)
        told = found.model_dump(mode="json")
        fan = None
        if with_cash and len(found.answer.jackpots) == 1:
            look = cash_outlook(after.situation, after.constraints.outlook, found.answer.jackpots[0])
            if look is not None:
                dates = [str(date)[:10] for date in look.fan["draw_date"]]
                fan = {"floor": look.floor, "draw_date": dates, **look.fan.drop(columns="draw_date").to_dict("list")}
        if not with_cash:
            for side in ("recommendation", "answer"):
                told[side]["breaks"] = [name for name in told[side]["breaks"] if not name.startswith("cash")]
        answer: dict[str, Any] = rounded({"what_if": told, "curve": curve, "cash": fan})
        return answer

    def _circumstances(self, week: Week, changes: Changes, solved: Solution) -> tuple[Solution, dict[str, list[float]]]:
        """Return the solution under the changes but for the jackpot, and its curve; the ones asked last are kept."""
        from jackpot.decision.value import values
        from jackpot.decision.what_if import under

        others = changes.model_copy(update={"jackpot": ()})
        key = (week, others.model_dump_json())
        with self._lock:
            known = self._under.pop(key, None)
        if known is None:
            after = under(solved, others)
            grid = after.grid
            table = values(after.situation, grid.jackpots(grid.spread(0, grid.last, POINTS)))
            known = (after, {name: table[name].tolist() for name in CURVE})
        with self._lock:
            self._under[key] = known
            while len(self._under) > CIRCUMSTANCES_KEPT:
                self._under.popitem(last=False)
        return known

    def _solve(self, asked: Week) -> Solution:
        from jackpot.history.as_of import resolve_as_of
        from jackpot.steps.preprocess import read_source
        from jackpot.steps.solving import solve_week
        from jackpot.steps.weekly import week_in_memory

        loaded, places = load_market(asked.market), self._places
        source = read_source(loaded, "", places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, resolve_as_of(asked.as_of))
        return solve_week(week, places.cash(loaded.market, "", week.synthetic))

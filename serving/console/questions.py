"""What-if questions, answered by the decision engine itself: as `jackpot what-if` does, to the last digit.

They have threads of their own, so that pages never wait for them; and a question that takes a new plan never stands in
the way of one that does not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from jackpot.adapters.places import Places
from jackpot.errors import InputError, Problem
from jackpot.market.loading import load_market

from .desk import Kept

if TYPE_CHECKING:
    from jackpot.decision.changes import Changes
    from jackpot.decision.solution import Solution

log = logging.getLogger("console")

MARKETS_KEPT: Final = 8
CIRCUMSTANCES_KEPT: Final = 16
ANSWERS_KEPT: Final = 256
"""A few tens of KB each; the first question of a page is everybody's."""
AT_ONCE: Final = {False: 2, True: 1}
"""Questions at work, by whether they take a new plan."""
POINTS: Final = 61
FORESEEN: Final = (0.5, 0.33, 0.22, 0.15, 0.1, 0.066)
"""Of the cash over its floor; the first such question takes up to a second, those after it a tenth."""
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
        self._under: Kept[tuple[Week, str], Solution] = Kept(CIRCUMSTANCES_KEPT)
        self._curves: Kept[tuple[Week, str], dict[str, list[float]]] = Kept(CIRCUMSTANCES_KEPT)
        self._answers: Kept[tuple[Week, str, bool], bytes] = Kept(ANSWERS_KEPT)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "solve")
        self._turns = {replans: asyncio.Semaphore(number) for replans, number in AT_ONCE.items()}
        self._thinkers = ThreadPoolExecutor(sum(AT_ONCE.values()), "what-if")
        self.asked: Counter[str] = Counter()
        """Questions by what answered them: the plan as it stands, a new one, or an answer that was there."""

    def prepare(self, week: Week) -> Future[Solution]:
        """Begin to solve a market's week, or return the solving that has begun."""
        with self._lock:
            future = self._solved.pop(week, None)
            if future is None or (future.done() and (future.cancelled() or future.exception() is not None)):
                future = self._pool.submit(self._solve, week)
                # Not before other markets' weeks, which may wait already.
                future.add_done_callback(lambda solved: self._pool.submit(self._foresee, solved))
            self._solved[week] = future
            while len(self._solved) > MARKETS_KEPT:
                self._solved.popitem(last=False)
            return future

    async def answer(
        self, week: Week, changes: Changes, with_cash: bool, gone: Callable[[], Awaitable[bool]]
    ) -> bytes | None:
        """Return the answer as `jackpot what-if --json` gives it, and beside it the value's curve and the cash's fan.

        Who may not see cash gets none of its figures. None where `gone` says that nobody waits for it any more when
        its turn comes. Raises InputError where the question is none that can be asked, or not by this person.
        """
        if changes.cash is not None and not with_cash:
            raise InputError(Problem("cash figures are for those who decide", field="cash", allowed="other changes"))
        key = (week, changes.model_dump_json(), with_cash)
        known = self._answers.get(key)
        if known is not None:
            self.asked["kept answer"] += 1
            return known
        # Shielded: whoever else asks about this week waits for the same solving.
        solved = await asyncio.shield(asyncio.wrap_future(self.prepare(week)))
        async with self._turns[changes.replans]:
            if await gone():
                return None
            self.asked["new plan" if changes.replans else "kept plan"] += 1
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thinkers, self._answer, week, changes, with_cash, solved)
        return self._answers.get_or(key, lambda: found)

    def _answer(self, week: Week, changes: Changes, with_cash: bool, solved: Solution) -> bytes:
        from jackpot.canonical import rounded
        from jackpot.decision.cash_floor import cash_outlook
        from jackpot.decision.what_if import what_if

        after = self._circumstances(week, changes, solved)
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
        answer = rounded({"what_if": told, "curve": self._curve(week, changes, after), "cash": fan})
        return json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()

    def _circumstances(self, week: Week, changes: Changes, solved: Solution) -> Solution:
        """Return the solution under the changes but for the jackpot; the ones asked last are kept."""
        from jackpot.decision.what_if import under

        others = changes.model_copy(update={"jackpot": ()})
        return self._under.get_or((week, others.model_dump_json()), lambda: under(solved, others))

    def _curve(self, week: Week, changes: Changes, after: Solution) -> dict[str, list[float]]:
        """Return a draw's value by jackpot, which cash has no part in."""

        def made() -> dict[str, list[float]]:
            from jackpot.decision.value import values

            grid = after.grid
            table = values(after.situation, grid.jackpots(grid.spread(0, grid.last, POINTS)))
            return {name: table[name].tolist() for name in CURVE}

        others = changes.model_copy(update={"jackpot": (), "cash": None})
        return self._curves.get_or((week, others.model_dump_json()), made)

    def _foresee(self, future: Future[Solution]) -> None:
        """Ask about cash that would bind before anybody does: the plans that it takes stay with the solution."""
        from jackpot.decision.changes import Changes
        from jackpot.decision.what_if import under

        if future.exception() is not None:
            return
        solved = future.result()
        rule, cash = solved.situation.market.cash, solved.situation.cash_now
        if rule is None or cash is None:
            return
        try:
            for share in FORESEEN:
                under(solved, Changes(cash=rule.floor + share * max(cash - rule.floor, 0.0)))
        except Exception:
            # Whoever asks is told; nobody reads what this thread ends with.
            log.exception("cash could not be foreseen for %s", solved.situation.market.market)

    def _solve(self, asked: Week) -> Solution:
        from jackpot.adapters.settings import champions_tuning
        from jackpot.history.as_of import resolve_as_of
        from jackpot.steps.preprocess import read_source
        from jackpot.steps.solving import solve_week
        from jackpot.steps.weekly import week_in_memory

        loaded, places = load_market(asked.market), self._places
        source = read_source(loaded, "", places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, resolve_as_of(asked.as_of))
        # Opened anew: a registry that did not answer once is given up for as long as it is open.
        tuning = champions_tuning(week, Places(places.environment, places.root))
        return solve_week(week, places.cash(loaded.market, "", week.synthetic), tuning=tuning)

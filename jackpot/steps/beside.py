"""What two versions would have recommended over the last year: each draw decided as of its day, with either."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import InputError, Problem
from ..ports import RegisteredModel
from ..records import IsoDate, Record, Sha256, Status

if TYPE_CHECKING:
    import pandas as pd

    from ..decision.situation import Situation
    from ..decision.solution import Solution
    from ..demand.base import DemandModel
    from ..history.contract import History

YEAR: Final = dt.timedelta(days=365)
MOST: Final = 106
"""Draws decided at most: two a week for a year. Of more, every second, third and so on is."""
LEAST_BEFORE: Final = 30
"""Draws before the year at least, to fit either model to."""


class Side(Record):
    """What one version would have recommended; figures are of its own forecast, None where it recommends nothing."""

    status: Status
    jackpot: float | None
    expected_sales: float | None
    expected_value: float | None


class YearDraw(Record):
    """A draw of the year: what happened, and what either would have recommended for it."""

    draw_date: IsoDate
    announced: float
    sales: float
    jackpot_winners: int | None
    one: Side
    other: Side
    other_seen_by_one: float | None
    """The expected value of the other's jackpot by the one's forecast."""


class YearSums(Record):
    """The year's sums, over the draws for which both recommend a jackpot."""

    draws: int
    mean_difference: float | None
    """Mean absolute difference of the jackpots, in units of currency."""
    apart: int
    """Draws in which the jackpots differ by more than a step."""
    value_one: float
    value_other: float
    value_other_seen_by_one: float
    """Of the other's jackpots, by the one's forecast: the two sums before it are of different forecasts."""


class YearBeside(Record):
    """Two versions over a year, each with the announced past behind it: not with a past of its own choosing."""

    market: str
    currency: str
    step: float
    model_name: str
    one: str
    other: str
    one_sha256: Sha256
    other_sha256: Sha256
    same_settings: bool
    """Fitted to the same draws they are then the same model, and recommend the same."""
    fitted_before: IsoDate
    every: int
    """1: every draw of the year was decided; 2: every second, and so on."""
    draws: tuple[YearDraw, ...]
    sums: YearSums

    def words(self, write: Callable[[float], str]) -> tuple[str, ...]:
        """Return what the year says, in sentences; `write` is for amounts of money."""
        first, last = self.draws[0].draw_date, self.draws[-1].draw_date
        decided = "every draw" if self.every == 1 else f"one draw in {self.every}"
        head = f"From {first} to {last}, {decided} decided as of its day; both recommend for {self.sums.draws}."
        if self.same_settings:
            return (head, "Both have the same settings: fitted to the same draws, they recommend the same.")
        if self.sums.mean_difference is None:
            return (head,)
        return (
            head,
            f"They differ by {write(self.sums.mean_difference)} on average, and by more than a step of "
            f"{write(self.step)} in {self.sums.apart} of {self.sums.draws} draws.",
            f"{self.one} expects {write(self.sums.value_one)} of its jackpots and {self.other} "
            f"{write(self.sums.value_other)} of its own, each by its own forecast; by that of {self.one}, the jackpots "
            f"of {self.other} are worth {write(self.sums.value_other_seen_by_one)}.",
        )


def versions_beside(model_name: str, one: RegisteredModel, other: RegisteredModel) -> YearBeside:
    """Return what two versions would have recommended over the last year of the data of the one that saw more.

    Raises InputError where the history is too short.
    """
    from ..demand.storage import load_model
    from ..history.contract import History
    from ..history.snapshot import read_quarantine, read_snapshot
    from ..market.loading import parse_market

    newer = max((other, one), key=lambda version: version.as_of)
    market = parse_market(newer.files["market.yaml"], "market.yaml")
    draws = read_snapshot(newer.files["snapshot.parquet"], market)
    history = History(market, draws, (), read_quarantine(b""), "snapshot.parquet", None, None)
    return year_beside(history, model_name, one, load_model(one.files), other, load_model(other.files))


def year_beside(
    history: History,
    model_name: str,
    one: RegisteredModel,
    one_model: DemandModel,
    other: RegisteredModel,
    other_model: DemandModel,
) -> YearBeside:
    """Decide each draw of a history's last year with either model, as of that draw, without cash figures.

    The settings of either are fitted anew to the draws before the year, and conditioned on all before each draw: its
    own parameters have seen the year. The ledger is what it was. Raises InputError where fewer than 30 draws lie
    before the year's last.
    """
    from ..demand.models import new_model
    from ..evaluation.champion import same_settings

    market, draws = history.market, history.draws
    rows, every = _rows(draws, market.market)
    before, same = draws.iloc[: rows[0]], same_settings(one_model, other_model)
    fitted = [
        new_model(model.name, model.settings).fit(before, market)
        for model in ([one_model] if same else [one_model, other_model])
    ]
    found = tuple(_draw(history, row, fitted) for row in rows)
    return YearBeside(
        market=market.market,
        currency=market.currency,
        step=market.jackpot.step,
        model_name=model_name,
        one=one.version,
        other=other.version,
        one_sha256=one.sha256,
        other_sha256=other.sha256,
        same_settings=same,
        fitted_before=found[0].draw_date,
        every=every,
        draws=found,
        sums=sums(found, market.jackpot.step),
    )


def sums(draws: tuple[YearDraw, ...], step: float) -> YearSums:
    """Return a year's sums."""
    both = [draw for draw in draws if draw.one.jackpot is not None and draw.other.jackpot is not None]
    apart = [abs((draw.other.jackpot or 0.0) - (draw.one.jackpot or 0.0)) for draw in both]
    return YearSums(
        draws=len(both),
        mean_difference=sum(apart) / len(apart) if apart else None,
        apart=sum(difference > step * (1 + 1e-9) for difference in apart),
        value_one=sum(draw.one.expected_value or 0.0 for draw in both),
        value_other=sum(draw.other.expected_value or 0.0 for draw in both),
        value_other_seen_by_one=sum(draw.other_seen_by_one or 0.0 for draw in both),
    )


def year_key(model_name: str, one: str, one_sha256: str, other: str, other_sha256: str) -> str:
    """Return where a year is kept: by the two versions, whose files never change."""
    return f"years/{model_name}/{one}-{one_sha256[:16]}-{other}-{other_sha256[:16]}.json"


def _rows(draws: pd.DataFrame, market: str) -> tuple[list[int], int]:
    """Return the positions of the draws that are decided, and every which draw of the year they are."""
    days = draws["draw_date"]
    first = max(LEAST_BEFORE, int((days <= days.iloc[-1] - YEAR).sum())) if len(draws) else LEAST_BEFORE
    count = len(draws) - first
    if count < 1:
        raise InputError(
            Problem(
                "the history is too short to decide its last draws anew",
                market,
                found=f"{len(draws)} draws",
                allowed=f"more than {LEAST_BEFORE}",
                hint="compare the versions without --year",
            )
        )
    every = -(-count // MOST)
    return list(range(first, len(draws)))[::-every][::-1], every


def _draw(history: History, row: int, fitted: list[DemandModel]) -> YearDraw:
    import numpy as np
    import pandas as pd

    from ..decision.situation import situate
    from ..decision.solution import solve
    from ..decision.value import values

    market, draws, told = history.market, history.draws, history.draws.iloc[row]
    day, known = told["draw_date"].date(), draws.iloc[:row]

    def situation(model: DemandModel) -> Situation:
        past = replace(history, draws=known, next_jackpot=None)
        situated = situate(market, past, model.condition(known, market), day, None)
        # A draw that the calendar does not foresee was held all the same.
        return replace(situated, date=day, price=market.price_on(day))

    solved = [solve(situation(model)) for model in fitted]
    one, other = (_side(each) for each in (solved[0], solved[-1]))
    seen = None
    if other.jackpot is not None:
        seen = float(values(solved[0].situation, np.array([other.jackpot]))["expected_value"].iloc[0])
    winners = told["jackpot_winners"]
    return YearDraw(
        draw_date=day.isoformat(),
        announced=float(told["jackpot"]),
        sales=float(told["sales"]),
        jackpot_winners=None if pd.isna(winners) else int(winners),
        one=one,
        other=other,
        other_seen_by_one=seen,
    )


def _side(solved: Solution) -> Side:
    if solved.trouble is not None:
        return Side(status=solved.status, jackpot=None, expected_sales=None, expected_value=None)
    row = solved.optimum.table.loc[solved.shown]
    return Side(
        status=solved.status,
        jackpot=solved.jackpot,
        expected_sales=float(row["expected_sales"]),
        expected_value=float(row["expected_value"]),
    )

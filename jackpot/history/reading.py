"""An operator's file becomes a validated history: cut at the day, read, checked, nothing lost silently."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, Problem
from ..market.calendar import is_special
from ..market.schema import Columns, Market, PrizeColumns
from .as_of import resolve_as_of
from .cells import Bools, Fault, Floats, as_text, parse_dates, parse_numbers, shown
from .checks import check_calendar, check_jackpots, check_prizes, check_sales_scale
from .contract import DRAW_COLUMNS, DRIVERS, History
from .findings import Findings
from .source import Source
from .table import Table, read_table

__all__ = ["read_history", "resolve_as_of"]


def read_history(source: Source, market: Market, as_of: dt.date | None = None) -> History:
    """Return the draws of a file dated before `as_of` (all of them where it is None) in the form of the contract.

    Later rows are cut before anything else is looked at, so that nothing in them, not even damage, changes the
    result; rows before `history.starts` are left out too. Where no row is left there is no draw, which only a market
    whose `history.starts_empty` says so may have. A bad row is put aside with a warning; InputError, with
    every problem by row and column, where the file cannot be read, columns are missing, the same day stands there
    twice with different figures, more than 5% of the rows are at fault, or one of the last 4.
    """
    form, names = market.history, market.history.columns
    table = read_table(source, form)
    _require_columns(table, source.uri, names)
    try:
        dates = parse_dates(table.cells[names.draw_date], form, market.calendar.time_zone)
    except ValueError as error:
        allowed = "e.g. %Y-%m-%d"
        found = f"{form.date_format!r}: {error}"
        problem = Problem("no such date format", source.uri, "history.date_format", None, found, allowed)
        raise InputError(problem) from None
    kept, placed = _cut(dates.values, as_of, form.starts)
    if not kept.any():
        if form.starts_empty:
            return _no_draws(source, market, table)
        raise InputError(_nothing_left(source.uri, names.draw_date, dates.values, as_of, form.starts))

    order = np.flatnonzero(kept)[np.argsort(placed[kept].to_numpy(), kind="stable")]
    in_file = np.sort(order)
    table = table.take(order)
    date = dates.values.iloc[order].reset_index(drop=True)
    findings = Findings(source.uri, table.row)
    findings.warnings += table.warnings
    texts = _Texts(table)
    findings.bad(
        Fault(dates.fault.mask[order], dates.fault.message, dates.fault.allowed, dates.fault.hint),
        names.draw_date,
        texts[names.draw_date],
    )
    _check_order(findings, placed.iloc[in_file].to_numpy(), in_file, order, names.draw_date, texts)
    _check_damage(findings, table, names, texts)

    values = {name: _column(table, name, market, findings, texts, need) for name, need in _needs(names)}
    _check_duplicates(findings, date, values, names.draw_date, texts)
    good = ~findings.unusable
    special = _specials(market, date.where(good))
    sales, jackpots = values[names.sales], values[names.jackpot]
    check_sales_scale(findings, market, sales, jackpots, special, good, texts[names.sales])
    if good.any():
        check_jackpots(findings, market, jackpots, good, texts[names.jackpot])

    reasons = findings.settle()
    usable = np.flatnonzero(~findings.unusable)
    if not len(usable):
        raise InputError(Problem("no row of the file can be used", source.uri))
    used = {name: column[usable] for name, column in values.items()}
    draws = _draws(market, names, used, date[usable], special[usable])
    rows = Findings(source.uri, table.row[usable])
    draws["draw"] = _draw_numbers(rows, names, values, usable, texts)
    check_prizes(rows, market, draws)
    check_calendar(rows, market, draws, date[findings.unusable], as_of)
    rows.settle()
    return History(
        market=market,
        draws=draws[[*DRAW_COLUMNS, *(name for name in draws.columns if name not in DRAW_COLUMNS)]],
        problems=(*findings.warnings, *rows.warnings),
        quarantined=_quarantined(table, reasons),
        source_uri=source.uri,
        source_version=source.version,
        next_jackpot=_next_jackpot(names, values, usable),
    )


def _no_draws(source: Source, market: Market, table: Table) -> History:
    """Return the history of a market before its first draw."""
    names, nobody = market.history.columns, np.empty(0)
    columns = {name: nobody for name, _ in _needs(names)}
    draws = _draws(market, names, columns, pd.Series([], dtype="datetime64[ns]"), np.array([], dtype=object))
    return History(
        market=market,
        draws=draws[[*DRAW_COLUMNS, *(name for name in draws.columns if name not in DRAW_COLUMNS)]],
        problems=table.warnings,
        quarantined=_quarantined(table, {}),
        source_uri=source.uri,
        source_version=source.version,
        next_jackpot=None,
    )


class _Texts(dict[str, list[str]]):
    """Columns as text, each made when a finding first asks for it."""

    def __init__(self, table: Table) -> None:
        self._cells = table.cells

    def __missing__(self, name: str) -> list[str]:
        self[name] = as_text(self._cells[name])
        return self[name]


def _needs(names: Columns) -> Iterator[tuple[str, str]]:
    """Yield each column of numbers that is read, and what it must hold."""
    yield names.sales, "positive"
    yield names.jackpot, "positive"
    for prizes in (names.jackpot_prizes, *names.tier_prizes.values()):
        yield from _prize_columns(prizes)
    drivers = (getattr(names, name) for name in DRIVERS)
    for money in (names.secondary_paid, names.pool, names.next_jackpot, *drivers):
        if money is not None:
            yield money, "optional"
    if names.draw is not None:
        yield names.draw, "number"


def _prize_columns(prizes: PrizeColumns | None) -> Iterator[tuple[str, str]]:
    if prizes is not None:
        for name, need in ((prizes.winners, "count"), (prizes.prize_each, "optional"), (prizes.paid, "optional")):
            if name is not None:
                yield name, need


def _require_columns(table: Table, where: str, names: Columns) -> None:
    header = list(table.cells.columns)
    problems = []
    for name in dict.fromkeys([names.draw_date, *(name for name, _ in _needs(names))]):
        if name not in header:
            near = difflib.get_close_matches(name.lower(), [other.lower() for other in header], 1)
            found = next((other for other in header if near and other.lower() == near[0]), "")
            hint = f"did you mean {shown(found)}?" if found else f"the file has: {', '.join(map(shown, header[:20]))}"
            problems.append(Problem("the column is missing", where, name, hint=f"{hint}; see history.columns"))
        elif header.count(name) > 1:
            problems.append(Problem("two columns have this name", where, name, row=1))
    if problems:
        raise InputError(problems)


def _cut(dates: pd.Series[Any], as_of: dt.date | None, starts: dt.date | None) -> tuple[Bools, pd.Series[Any]]:
    """Return which rows lie in the window, and the date by which each is placed.

    A row without a readable date stands where its neighbours do: outside, if both of them are.
    """
    before, after = dates.ffill(), dates.bfill()
    earlier, later = before.fillna(after), after.fillna(before)
    kept = np.ones(len(dates), dtype=bool)
    if as_of is not None:
        day = pd.Timestamp(as_of)
        kept &= ~((earlier >= day) & (later >= day)).to_numpy()
    if starts is not None:
        day = pd.Timestamp(starts)
        kept &= ~((earlier < day) & (later < day)).to_numpy()
    return kept, earlier


def _nothing_left(
    where: str, column: str, dates: pd.Series[Any], as_of: dt.date | None, starts: dt.date | None
) -> Problem:
    window = [f"before {as_of} (the day asked for)"] if as_of else []
    window += [f"from {starts} on (history.starts)"] if starts else []
    found = f"draws from {dates.min():%Y-%m-%d} to {dates.max():%Y-%m-%d}"
    return Problem("no draw lies in the window", where, column, None, found, " and ".join(window))


def _check_order(findings: Findings, placed: Any, in_file: Any, order: Any, column: str, texts: _Texts) -> None:
    if len(placed) > 1 and (placed[1:] <= placed[:-1]).all() and placed[0] > placed[-1]:
        findings.warnings.append(
            Problem("the newest draw comes first; rows were sorted", findings.where, column, severity="warning")
        )
        return
    late = placed < np.maximum.accumulate(placed)
    mask = np.isin(order, in_file[late])
    findings.warn(mask, "comes after a later draw; rows were sorted", column, texts[column])


def _check_damage(findings: Findings, table: Table, names: Columns, texts: _Texts) -> None:
    for damage in dict.fromkeys(table.damage[table.damage != ""]):
        mask = table.damage == damage
        hint = "was the file cut short?" if "fields" in damage and (mask & table.unterminated).any() else ""
        if "fields" in damage and not hint:
            hint = "a mark inside a cell? See history.delimiter and history.decimal"
        findings.bad(Fault(mask, damage, hint=hint), "", texts[names.draw_date])
    whole = table.damage == ""
    garbled = table.garbled & whole
    hint = "perhaps history.encoding: latin-1, cp1252 or utf-16"
    findings.warn(garbled, "holds bytes that the encoding does not know", "", texts[names.draw_date], hint=hint)
    if table.cells.columns[-1] in {names.draw_date, *(name for name, _ in _needs(names))}:
        message = "the file ends without a line break: its last cell may be cut short"
        findings.warn(table.unterminated & whole, message, table.cells.columns[-1], texts[table.cells.columns[-1]])


def _column(table: Table, name: str, market: Market, findings: Findings, texts: _Texts, need: str) -> Floats:
    """Return a column of numbers, money in units of the currency; note what is wrong with its cells."""
    numbers = parse_numbers(table.cells[name], market.history)
    whole = table.damage == ""
    required = need == "positive"
    values = numbers.values
    if need == "number":
        return values
    faults = [*numbers.faults, Fault(values < 0, "is negative", "0 or more")]
    if required:
        faults += [Fault(numbers.missing, "is missing"), Fault(values == 0, "is zero", "more than 0")]
    elif need == "count":
        faults.append(Fault(np.isfinite(values) & (values % 1 != 0), "is no whole number"))
    for fault in faults:
        mask = fault.mask & whole
        findings.bad(Fault(mask, fault.message, fault.allowed, fault.hint), name, texts[name], whole_row=required)
        values = np.where(mask, np.nan, values)
    if not required and (empty := numbers.missing & whole).any() and name != market.history.columns.next_jackpot:
        findings.warn(empty, "has no figure; it counts as unknown", name, texts[name])
    if need == "count" or market.history.money_unit == 1:
        return values
    return np.round(values * market.history.money_unit, market.currency_decimals)


def _check_duplicates(
    findings: Findings, date: pd.Series[Any], values: dict[str, Floats], column: str, texts: _Texts
) -> None:
    frame = pd.DataFrame({"date": date, **values})
    dated = frame["date"].notna()
    copy = frame.duplicated() & dated
    differs = (dated & ~copy & frame["date"].where(~copy).duplicated(keep=False)).to_numpy()
    message = "two draws on the same day with different figures"
    findings.error(differs, message, column, texts[column], hint="keep the row that is right")
    findings.bad(Fault(copy.to_numpy(), "repeats a draw, figure by figure"), column, texts[column], harmless=True)


def _specials(market: Market, dates: pd.Series[Any]) -> Any:
    return np.array(["" if date is pd.NaT else is_special(market, date.date()) for date in dates], dtype=object)


def _draws(
    market: Market, names: Columns, values: dict[str, Floats], date: pd.Series[Any], special: Any
) -> pd.DataFrame:
    """Return the contract's columns; the draw's number is filled in later."""
    size = len(date)
    unknown = np.full(size, np.nan)
    jackpot_winners, jackpot_paid = _prizes(names.jackpot_prizes, values, size, market.currency_decimals)
    draws: dict[str, Any] = {
        "draw": np.arange(1, size + 1, dtype=np.int64),
        "draw_date": date.reset_index(drop=True).astype("datetime64[ns]"),
        "jackpot": values[names.jackpot],
        "sales": values[names.sales],
        "special": pd.array(special, dtype="string"),
        "jackpot_winners": jackpot_winners,
        "jackpot_paid": jackpot_paid,
    }
    tiers = {
        tier.name: _prizes(names.tier_prizes[tier.name], values, size, market.currency_decimals)
        for tier in market.game.tiers
        if tier.name in names.tier_prizes
    }
    if names.secondary_paid is not None:
        draws["secondary_paid"] = values[names.secondary_paid]
    elif tiers and len(tiers) == len(market.game.tiers):
        draws["secondary_paid"] = np.round(sum(paid for _, paid in tiers.values()), market.currency_decimals)
    else:
        draws["secondary_paid"] = unknown
    draws["pool"] = values[names.pool] if names.pool is not None else unknown
    for name in DRIVERS:
        if (column := getattr(names, name)) is not None:
            draws[name] = values[column]
    for tier, (winners, paid) in tiers.items():
        draws[f"winners:{tier}"], draws[f"paid:{tier}"] = winners, paid
    return pd.DataFrame(draws)


def _prizes(prizes: PrizeColumns | None, values: dict[str, Floats], size: int, decimals: int) -> tuple[Any, Floats]:
    """Return winners (Int64) and what was paid to all of them."""
    unknown = np.full(size, np.nan)
    if prizes is None:
        return pd.array([pd.NA] * size, dtype="Int64"), unknown
    winners = values[prizes.winners] if prizes.winners is not None else unknown
    if prizes.paid is not None:
        paid = values[prizes.paid]
    else:
        each = values[prizes.prize_each or ""]
        # Where nobody won, what each would have had does not matter.
        paid = np.where(winners == 0, 0.0, np.round(winners * each, decimals))
    return pd.Series(winners).astype("Int64").array, paid


def _draw_numbers(findings: Findings, names: Columns, values: dict[str, Floats], usable: Any, texts: _Texts) -> Any:
    """Return the draws' numbers as the file gives them; where they do not rise by date, they are counted from 1."""
    counted = np.arange(1, len(usable) + 1, dtype=np.int64)
    if names.draw is None:
        return counted
    numbers = values[names.draw][usable]
    wrong = np.isnan(numbers) | (numbers % 1 != 0) | (np.diff(numbers, prepend=-np.inf) <= 0)
    found = [texts[names.draw][i] for i in usable]
    findings.warn(wrong, "does not rise by date; draws were numbered from 1", names.draw, found)
    return counted if wrong.any() else numbers.astype(np.int64)


def _next_jackpot(names: Columns, values: dict[str, Floats], usable: Any) -> float | None:
    if names.next_jackpot is None:
        return None
    value = float(values[names.next_jackpot][usable[-1]])
    return value if value > 0 else None


def _quarantined(table: Table, reasons: dict[int, str]) -> pd.DataFrame:
    positions = np.array(sorted(reasons, key=lambda i: table.row[i]), dtype=np.int64)
    rows = table.take(positions)
    head = pd.DataFrame({"row": rows.row, "reason": pd.Series([reasons[i] for i in positions], dtype=object)})
    text = {i: as_text(rows.cells.iloc[:, i]) for i in range(rows.cells.shape[1])}
    return pd.concat([head, pd.DataFrame(text, dtype=object).set_axis(rows.cells.columns, axis=1)], axis=1)

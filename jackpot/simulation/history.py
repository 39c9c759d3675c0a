"""A synthetic history in the form of the operator's own file, so that it is read as a real one would be."""

from __future__ import annotations

import csv
import io
import math

import pandas as pd

from ..canonical import json_bytes, sha256
from ..cash import CashFigures
from ..market.schema import Market, PrizeColumns
from .play import play, simulated_dates
from .truth import simulation_of


def synthetic_history(market: Market, *, draws: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """Return a simulated history under the market's own column names, one row a draw.

    For a CSV file every cell is text, with the file's date format, unit and marks; for Parquet dates and numbers,
    money in the file's unit. Prizes stand in the columns that `history.columns` names and in no other. `draws` and
    `seed` are the market file's where None. Raises InputError where the market has no `simulation` section.
    """
    source, columns = market.history, market.history.columns
    played = play(market, draws, seed)
    as_text = source.format == "csv"
    table: dict[str, pd.Series] = {}

    def count(column: str | None, values: pd.Series) -> None:
        if column:
            table[column] = values.astype("string") if as_text else values

    def money(column: str | None, values: pd.Series) -> None:
        if column:
            in_unit = values / source.money_unit
            table[column] = in_unit.map(lambda value: _money(value, market)) if as_text else in_unit

    def prizes(names: PrizeColumns, winners: pd.Series, paid: pd.Series) -> None:
        count(names.winners, winners)
        money(names.prize_each, (paid / winners.where(winners > 0)).astype("float64").fillna(0.0))
        money(names.paid, paid)

    count(columns.draw, played["draw"])
    table[columns.draw_date] = played["draw_date"].dt.strftime(source.date_format) if as_text else played["draw_date"]
    money(columns.sales, played["sales"])
    money(columns.jackpot, played["jackpot"])
    if columns.jackpot_prizes:
        prizes(columns.jackpot_prizes, played["jackpot_winners"], played["jackpot_paid"])
    for tier, names in columns.tier_prizes.items():
        prizes(names, played[f"winners:{tier}"], played[f"paid:{tier}"])
    money(columns.secondary_paid, played["secondary_paid"])
    money(columns.pool, played["pool"])
    money(columns.next_jackpot, played["next_jackpot"])
    return pd.DataFrame(table)


def synthetic_csv(market: Market, *, draws: int | None = None, seed: int | None = None) -> bytes:
    """Return `synthetic_history` as the bytes of the market's file: CSV by its delimiter and encoding, or Parquet."""
    table = synthetic_history(market, draws=draws, seed=seed)
    if market.history.format == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    text = io.StringIO()
    writer = csv.writer(text, delimiter=market.history.delimiter, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.itertuples(index=False))
    return text.getvalue().encode(market.history.encoding)


def synthetic_cash(market: Market) -> bytes | None:
    """Return a cash file as of the simulation's last draw; None where the market simulates no cash.

    Its salt comes from the seed: a synthetic figure hides nothing.
    """
    simulation = simulation_of(market)
    if simulation.cash == 0:
        return None
    figures = CashFigures(
        currency=market.currency,
        as_of=simulated_dates(market)[-1].isoformat(),
        cash=simulation.cash,
        salt=sha256(f"synthetic cash of {market.market}, seed {simulation.seed}".encode())[:32],
    )
    return json_bytes(figures.model_dump(mode="json"))


def _money(value: float, market: Market) -> str:
    """Write an amount in the file's unit, to the last decimal of the currency; nothing where there is none."""
    if math.isnan(value):
        return ""
    decimals = market.currency_decimals + round(math.log10(market.history.money_unit))
    marks = {",": market.history.thousands, ".": market.history.decimal}
    return "".join(marks.get(sign, sign) for sign in f"{value:,.{decimals}f}")

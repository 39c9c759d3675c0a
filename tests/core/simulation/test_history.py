"""A synthetic file reads back, cell by cell, as the history that was played; by seed, the same bytes."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from jackpot.canonical import sha256
from jackpot.cash import read_cash
from jackpot.history.reading import read_history
from jackpot.history.source import Source
from jackpot.market.schema import Market
from jackpot.simulation.history import synthetic_cash, synthetic_csv, synthetic_history
from jackpot.simulation.play import play

MarketOf = Callable[..., Market]
GAME = {
    "payout": "rollover",
    "jackpot_odds_one_in": 5e6,
    "pool": {"share_of_sales": 0.25},
    "tiers": [
        {"name": "5", "odds_one_in": 2e6, "prize": 20_000.0},
        {"name": "4", "odds_one_in": 1e3, "share_of_sales": 0.1},
    ],
}
COLUMNS = {
    "draw_date": "Datum",
    "sales": "Einsatz",
    "jackpot": "Jackpot; angekündigt",
    "draw": "Nr",
    "jackpot_prizes": {"winners": "g6", "prize_each": "q6"},
    "tier_prizes": {"5": {"winners": "g5", "prize_each": "q5"}, "4": {"winners": "g4", "paid": "p4"}},
    "secondary_paid": "übrige",
    "pool": "Topf",
    "next_jackpot": "nächster",
}
FORMATS: dict[str, dict[str, Any]] = {
    "plain": {},
    "German": {
        "delimiter": ";",
        "decimal": ",",
        "thousands": ".",
        "encoding": "latin-1",
        "date_format": "%d.%m.%Y",
    },
    "thousands, the delimiter among the marks": {"decimal": ",", "money_unit": 1000, "encoding": "utf-8-sig"},
    "millions": {"money_unit": 1_000_000, "thousands": " ", "delimiter": "\t"},
}


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_file_reads_back_by_the_market_s_own_section(market_of: MarketOf, form: dict[str, Any]) -> None:
    market = market_of(game=GAME, history={**form, "columns": COLUMNS})
    source, played = market.history, play(market)
    text = io.StringIO(synthetic_csv(market).decode(source.encoding), newline="")
    rows = list(csv.DictReader(text, delimiter=source.delimiter))
    assert list(rows[0]) == list(synthetic_history(market).columns)

    def money(column: str) -> pd.Series:
        cells = [row[column].replace(source.thousands, "") if source.thousands else row[column] for row in rows]
        return pd.Series([float(cell.replace(source.decimal, ".")) * source.money_unit for cell in cells])

    def same(read: pd.Series, truth: str, tolerance: float = 1e-6) -> None:
        assert read.to_numpy() == pytest.approx(played[truth].to_numpy(dtype=float), rel=1e-12, abs=tolerance)

    dates = pd.to_datetime([row["Datum"] for row in rows], format=source.date_format)
    assert list(dates) == played["draw_date"].tolist()
    assert [int(row["Nr"]) for row in rows] == played["draw"].tolist()
    same(money("Einsatz"), "sales")
    same(money(COLUMNS["jackpot"]), "jackpot")  # type: ignore[arg-type]
    same(money("Topf"), "pool")
    same(money("nächster"), "next_jackpot")
    same(money("übrige"), "secondary_paid")
    same(money("p4"), "paid:4")
    for winners, each, paid in (("g6", "q6", "jackpot_paid"), ("g5", "q5", "paid:5")):
        counts = pd.Series([float(row[winners]) for row in rows])
        assert counts.sum() > 0
        same(counts * money(each), paid, tolerance=0.005 * counts.max())


@pytest.mark.parametrize("form", [*FORMATS.values(), {"format": "parquet"}], ids=[*FORMATS, "Parquet"])
def test_reader_finds_nothing_wrong(market_of: MarketOf, form: dict[str, Any]) -> None:
    market = market_of(game=GAME, history={**form, "columns": COLUMNS}, jackpot={"start": 5e6, "step": 5e5})
    played = play(market)
    history = read_history(Source("synthetic", synthetic_csv(market)), market)
    assert history.problems == ()
    assert history.next_jackpot == played["next_jackpot"].iloc[-1]
    for name in ("draw_date", "jackpot", "sales", "jackpot_winners", "pool", "paid:4"):
        assert history.draws[name].tolist() == played[name].tolist(), name


def test_only_columns_that_the_market_names_are_written(market_of: MarketOf) -> None:
    assert list(synthetic_history(market_of())) == ["draw_date", "sales", "jackpot"]


def test_currency_without_decimals_is_written_without(market_of: MarketOf) -> None:
    table = synthetic_history(market_of(currency="JPY", currency_decimals=0), draws=5)
    assert table["sales"].str.fullmatch(r"\d+").all()


def test_parquet_holds_dates_and_numbers(market_of: MarketOf) -> None:
    market = market_of(game=GAME, history={"format": "parquet", "money_unit": 1000, "columns": COLUMNS})
    data = synthetic_csv(market)
    assert data == synthetic_csv(market)
    table, played = pd.read_parquet(io.BytesIO(data)), play(market)
    assert table["Datum"].tolist() == played["draw_date"].tolist()
    assert (table["Einsatz"] * 1000).tolist() == pytest.approx(played["sales"].tolist())
    assert table["g4"].tolist() == played["winners:4"].tolist()


def test_bytes_depend_on_the_seed_alone(market_of: MarketOf) -> None:
    market = market_of(game=GAME, history={"columns": COLUMNS})
    assert synthetic_csv(market) == synthetic_csv(market, seed=7, draws=120)
    assert synthetic_csv(market) != synthetic_csv(market, seed=8)


def test_bytes_are_those_of_every_machine(market_of: MarketOf) -> None:
    """A change here changes every synthetic history: it needs a line in the changelog."""
    prizes = {"jackpot_prizes": {"winners": "winners", "paid": "jackpot_paid"}, "secondary_paid": "secondary_paid"}
    by_policy = market_of(history={"columns": prizes})
    from_pool = market_of(game=GAME, history={"columns": COLUMNS})
    assert [sha256(synthetic_csv(market)) for market in (by_policy, from_pool)] == [
        "ec77f6335cc964e6d72ad20881e95429c518b8f760d17a9534c2393f8968fcb1",
        "87078de6cdfc7187a34f744400a90979c4e292f9541eaab6fdbfa80d272caf07",
    ]


def test_cash_file_is_valid_as_of_the_last_draw(market_of: MarketOf) -> None:
    market = market_of({"cash": 6e7})
    data = synthetic_cash(market)
    assert data is not None
    figures = read_cash(data, "cash.json", "GBP").figures
    assert figures.cash == 6e7
    assert figures.as_of == play(market)["draw_date"].iloc[-1].date().isoformat()
    assert synthetic_cash(market_of()) is None

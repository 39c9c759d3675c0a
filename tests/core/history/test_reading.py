"""What becomes of every fault of a file: an error, or a warning with the row put aside, by row and column."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from jackpot.errors import InputError, Problem
from jackpot.history.contract import DRAW_COLUMNS, History
from jackpot.history.reading import read_history
from jackpot.history.source import Source
from jackpot.market.schema import Market
from tests.strategies.history import csv_bytes, history_market, history_rows, parquet_bytes

ROWS = history_rows(60)
MARKET = history_market()
ROWS_BEGIN = dt.date(2025, 1, 1)


def read(data: bytes | pd.DataFrame, market: Market = MARKET, as_of: dt.date | None = None) -> History:
    data = csv_bytes(data, market) if isinstance(data, pd.DataFrame) else data
    return read_history(Source("tiny.csv", data, "v1"), market, as_of)


def refused(data: bytes | pd.DataFrame, market: Market = MARKET, as_of: dt.date | None = None) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        read(data, market, as_of)
    return list(caught.value.problems)


def with_cell(row: int, column: str, cell: object) -> bytes:
    """The file with another text in one cell; rows as a spreadsheet counts them."""
    lines = [line.split(",") for line in csv_bytes(ROWS).decode().splitlines()]
    lines[row - 1][lines[0].index(column)] = str(cell)
    return ("\n".join(map(",".join, lines)) + "\n").encode()


def test_a_sound_file_is_read_whole_and_without_a_word() -> None:
    history = read(ROWS)
    draws = history.draws
    assert history.problems == ()
    assert list(draws.columns) == [*DRAW_COLUMNS, "winners:5", "paid:5"]
    assert draws.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(["jackpot", "sales", "jackpot_paid", "secondary_paid", "pool", "paid:5"], "float64"),
        **dict.fromkeys(["jackpot_winners", "winners:5"], "Int64"),
        **{"draw": "int64", "draw_date": "datetime64[ns]", "special": "string"},
    }
    np.testing.assert_array_equal(draws["draw"], ROWS["number"])
    np.testing.assert_array_equal(draws["sales"], ROWS["sales"])
    np.testing.assert_array_equal(draws["jackpot_paid"], ROWS["won"] * ROWS["prize"])
    np.testing.assert_array_equal(draws["secondary_paid"], ROWS["paid5"])
    assert history.next_jackpot == ROWS["next"].iloc[-1]
    assert (history.source_uri, history.source_version, len(history.quarantined)) == ("tiny.csv", "v1", 0)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("sales", "", "is missing"),
        ("sales", "NA", "is missing"),
        ("sales", "-5", "is negative"),
        ("sales", "0", "is zero"),
        ("sales", "many", "is no number"),
        ("sales", "inf", "is no number"),
        ("sales", "1_000", "is no number"),
        ("sales", "٣", "is no number"),
        ("sales", "1e300", "is too large"),
        ("sales", "4000000000", "100 times off"),
        ("sales", "4000", "100 times off"),
        ("jackpot", "", "is missing"),
        ("jackpot", "0", "is zero"),
        ("jackpot", "2", "100 times outside"),
        ("date", "2025-02-30", "is no date"),
        ("date", "", "is no date"),
        ("date", "today", "is no date"),
        ("date", "05/02/2025", "is no date"),
    ],
)
def test_a_bad_cell_puts_its_row_aside(column: str, cell: str, message: str) -> None:
    history = read(with_cell(12, column, cell))
    problem = history.problems[0]
    assert message in problem.message
    assert (problem.row, problem.field, problem.severity) == (12, column, "warning")
    assert problem.found == (cell if cell else "an empty cell")
    assert len(history.draws) == len(ROWS) - 1
    (aside,) = history.quarantined.to_dict("records")
    assert aside["row"] == 12
    assert message in aside["reason"]
    assert aside[column] == cell


@pytest.mark.parametrize("cell", ["x", "-1", "2.5"])
def test_a_bad_figure_of_the_ledger_counts_as_unknown(cell: str) -> None:
    history = read(with_cell(12, "won5", cell))
    assert [(p.row, p.field) for p in history.problems] == [(12, "won5")]
    assert history.draws["winners:5"].isna().tolist() == [i == 10 for i in range(len(ROWS))]
    assert history.draws["paid:5"].notna().all()


def test_an_empty_figure_of_the_ledger_is_told() -> None:
    history = read(with_cell(12, "paid5", ""))
    assert [(p.row, p.field, p.message) for p in history.problems] == [
        (12, "paid5", "has no figure; it counts as unknown")
    ]
    assert np.isnan(history.draws["secondary_paid"][10])


@pytest.mark.parametrize(("column", "cell"), [("sales", "x"), ("pool", "x"), ("date", "2025-02-30"), ("sales", "9e9")])
@pytest.mark.parametrize("row", [58, 61])
def test_a_fault_in_the_last_four_draws_stops_the_run(row: int, column: str, cell: str) -> None:
    (problem,) = refused(with_cell(row, column, cell))
    assert (problem.row, problem.field, problem.severity) == (row, column, "error")
    assert "last 4 draws" in problem.hint


def test_many_bad_rows_stop_the_run_and_twenty_are_listed() -> None:
    rows = ROWS.astype({"sales": object})
    rows.loc[5:40, "sales"] = "x"
    data = rows.assign(date=rows["date"].dt.strftime("%Y-%m-%d")).to_csv(index=False).encode()
    problems = refused(data)
    assert problems[0].message == "36 of 60 rows are at fault: more than 5%"
    assert [p.row for p in problems[1:21]] == list(range(7, 27))
    assert [p.message for p in problems[21:]] == ["and 16 more"]


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_a_file_of_sales_in_another_unit_stops_the_run(factor: float) -> None:
    (problem,) = refused(ROWS.assign(sales=ROWS["sales"] * factor))
    assert (problem.field, problem.message) == ("sales", "sales are in another unit")


def test_a_block_of_sales_in_another_unit_stops_the_run() -> None:
    sales = ROWS["sales"].where(ROWS.index > 10, ROWS["sales"] * 1000).round(2)
    assert [p.row for p in refused(ROWS.assign(sales=sales))[1:]] == list(range(2, 13))


def test_a_declared_special_may_sell_any_number() -> None:
    rows = history_rows(60, "2024-12-01")
    at = int(rows.index[rows["date"] > "2024-12-31"][0])
    rows.loc[at, ["date", "sales"]] = [pd.Timestamp("2024-12-31"), 3e9]
    history = read(rows)
    assert history.draws["special"].tolist() == ["new_year" if i == at else "" for i in range(60)]
    assert history.problems == ()


def test_jackpots_outside_bounds_are_kept_with_one_warning_each_way() -> None:
    jackpot = ROWS["jackpot"].copy()
    jackpot[[3, 9]], jackpot[20] = 1e6, 90e6
    history = read(ROWS.assign(jackpot=jackpot))
    assert [(p.row, "below" in p.message, "2 rows" in p.found) for p in history.problems] == [
        (5, True, True),
        (22, False, False),
    ]
    assert len(history.draws) == 60


def test_rows_out_of_order_are_sorted_with_a_warning() -> None:
    rows = ROWS.iloc[[*range(10), 11, 10, *range(12, 60)]]
    history = read(rows)
    assert [(p.row, p.field) for p in history.problems] == [(13, "date")]
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


def test_a_file_with_the_newest_draw_first_gets_one_warning() -> None:
    history = read(ROWS.iloc[::-1])
    assert ["newest draw comes first" in p.message for p in history.problems] == [True]
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


def test_a_repeated_row_is_put_aside_wherever_it_stands() -> None:
    history = read(pd.concat([ROWS, ROWS.iloc[[59]]]))
    assert [(p.row, p.message) for p in history.problems] == [(62, "repeats a draw, figure by figure")]
    assert history.quarantined["row"].tolist() == [62]
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


def test_two_draws_on_a_day_with_different_figures_stop_the_run() -> None:
    problems = refused(pd.concat([ROWS, ROWS.iloc[[30]].assign(sales=5e6)]))
    assert [(p.row, p.field) for p in problems] == [(32, "date"), (62, "date")]


def test_draws_whose_numbers_do_not_rise_are_numbered() -> None:
    history = read(with_cell(12, "number", "5"))
    assert [(p.row, p.field) for p in history.problems] == [(12, "number")]
    assert history.draws["draw"].tolist() == list(range(1, 61))


def test_gaps_and_draws_off_the_calendar_are_told_once() -> None:
    rows = ROWS.drop(index=[20, 30, 31]).reset_index(drop=True)
    rows.loc[5, "date"] += pd.Timedelta(days=1)
    history = read(rows)
    gap, off = history.problems
    assert gap.found == "3: " + ", ".join(f"{ROWS['date'][i]:%Y-%m-%d}" for i in (20, 30, 31))
    assert (off.row, off.message) == (7, "is no draw day of the calendar")


def test_an_undeclared_special_is_suspected() -> None:
    rows = ROWS.copy()
    rows.loc[20, "date"] += pd.Timedelta(days=1)
    rows.loc[20, "sales"] *= 12
    (problem,) = read(rows).problems
    assert (problem.row, "calendar.specials" in problem.hint) == (22, True)


def test_a_history_that_ends_early_says_which_draws_it_lacks() -> None:
    last = ROWS["date"].iloc[-1].date()
    history = read(ROWS, as_of=last + dt.timedelta(days=8))
    (problem,) = history.problems
    assert problem.found.startswith("2: ")


def test_a_mistyped_year_in_the_last_draws_stops_the_run() -> None:
    (problem,) = refused(with_cell(61, "date", "2052-07-26"))
    assert (problem.row, problem.field) == (61, "date")


def test_prizes_that_do_not_fit_are_told() -> None:
    history = read(ROWS.assign(won=1, prize=ROWS["prize"].where(ROWS["won"] == 1, 0.0)))
    assert [p.message for p in history.problems] == ["the jackpot was won and nothing was paid"]
    history = read(ROWS.assign(paid5=ROWS["paid5"] * 1000))
    assert {p.message for p in history.problems} == {
        "prizes are more than 20 times sales",
        "secondary prizes are in another unit, or do not fit the game's tiers",
    }


def lines(change: Callable[[list[str]], list[str]]) -> bytes:
    return ("\n".join(change(csv_bytes(ROWS).decode().splitlines())) + "\n").encode()


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (b"", "the file is empty", ""),
        (b"\n\n \n", "the file is empty", ""),
        (b"\0" * 50, "the file is empty", ""),
        (b",,,\n", "the file is empty", ""),
        (csv_bytes(ROWS.head(0)), "the file has a header and no rows", ""),
        (csv_bytes(ROWS).replace(b",", b";"), "the header is a single field", "history.delimiter: ';'"),
        (csv_bytes(ROWS).replace(b"sales", b"saels"), "the column is missing", "did you mean saels?"),
        (csv_bytes(ROWS).replace(b"note", b"sales"), "two columns have this name", ""),
        (csv_bytes(ROWS).decode().encode("utf-16"), "the file is in another encoding", "history.encoding: utf-16"),
        (csv_bytes(ROWS).decode().encode("utf-16-le"), "the header holds NUL bytes", "utf-16-le"),
        (b'"' + csv_bytes(ROWS), "the header cannot be read", ""),
        (parquet_bytes(ROWS), "this is no CSV file", "history.format: parquet"),
        (b"PK\3\4" + bytes(100), "this is no CSV file", "save it as CSV"),
        (lines(lambda all_: [*all_[:-1], all_[-1][:30]]), "has 4 fields where the header has 11", "last 4 draws"),
    ],
)
def test_a_file_that_is_none_stops_the_run(data: bytes, message: str, hint: str) -> None:
    problem = refused(data)[0]
    assert problem.message == message
    assert hint in problem.hint


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_market_before_its_first_draw_has_no_rows_where_its_file_says_so(form: str) -> None:
    write = csv_bytes if form == "csv" else parquet_bytes
    (problem,) = refused(write(ROWS.head(0)), history_market(format=form))
    assert "history.starts_empty: true" in problem.hint
    young, full = history_market(format=form, starts_empty=True), read(ROWS)
    for history in (
        read(write(ROWS.head(0)), young),
        read(write(ROWS), young, as_of=ROWS_BEGIN),
        read(write(ROWS), history_market(format=form, starts_empty=True, starts="2030-01-01")),
    ):
        assert len(history.draws) == len(history.quarantined) == 0
        assert history.draws.dtypes.to_dict() == full.draws.dtypes.to_dict()
        assert (history.problems, history.next_jackpot) == ((), None)
    assert len(read(write(ROWS), young).draws) == len(full.draws)


@pytest.mark.parametrize("data", [b"", b"\n\n", csv_bytes(ROWS.head(0)).replace(b"sales", b"saels")])
def test_a_file_that_is_none_is_refused_before_the_first_draw_too(data: bytes) -> None:
    refused(data, history_market(starts_empty=True))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda line: line + ",7", "has 12 fields where the header has 11"),
        (lambda line: line.rpartition(",")[0], "has 10 fields where the header has 11"),
        (lambda line: line.replace("ordinary", '"ordinary'), "quotes do not balance"),
        (lambda line: line.replace("ordinary", "ord\0nary"), "holds NUL bytes"),
    ],
)
def test_a_broken_row_is_put_aside_alone(spoil: Callable[[str], str], message: str) -> None:
    history = read(lines(lambda all_: [*all_[:11], spoil(all_[11]), *all_[12:]]))
    problem = history.problems[0]
    assert (problem.row, problem.message) == (12, message)
    assert len(history.draws) == 59


def test_a_byte_order_mark_is_told_and_skipped() -> None:
    history = read(b"\xef\xbb\xbf" + csv_bytes(ROWS))
    assert [(p.row, p.message) for p in history.problems] == [(1, "a byte-order mark was skipped")]
    assert read(b"\xef\xbb\xbf" + csv_bytes(ROWS), history_market(encoding="utf-8-sig")).problems == ()


def test_bytes_of_another_encoding_are_told_where_they_spoil_no_figure() -> None:
    history = read(csv_bytes(ROWS).replace(b"ordinary", "año".encode("latin-1"), 1))
    assert [(p.row, "latin-1" in p.hint) for p in history.problems] == [(2, True)]
    assert len(history.draws) == 60


def test_a_last_line_that_may_be_cut_short_is_told_where_its_last_cell_is_read() -> None:
    data = csv_bytes(ROWS.drop(columns="note")).rstrip(b"\n")
    assert [(p.row, p.field) for p in read(data).problems] == [(61, "next")]
    assert read(csv_bytes(ROWS).rstrip(b"\n")).problems == ()


def test_quoted_cells_blank_lines_and_other_line_ends_are_fine() -> None:
    data = csv_bytes(ROWS).replace(b"ordinary", b'"a, ""b"""').replace(b"\n", b"\r\n") + b"\r\n,,,,,,,,,,\r\n"
    history = read(data)
    assert history.problems == ()
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


@pytest.mark.parametrize(
    ("form", "cell", "hint"),
    [
        ({}, "1.234,56", "history.decimal: ',' and history.thousands: '.'"),
        ({}, "1,234.56", "history.decimal: '.' and history.thousands: ','"),
        ({"thousands": " "}, "12 34", ""),
        ({"decimal": ",", "delimiter": ";", "thousands": "."}, "4,000,000.00", "history.decimal: '.'"),
    ],
)
def test_other_marks_are_recognised(form: dict[str, str], cell: str, hint: str) -> None:
    market = history_market(**form)
    text = csv_bytes(ROWS, market).decode().splitlines()
    delimiter = market.history.delimiter
    fields = text[11].split(delimiter)
    fields[2] = f'"{cell}"'
    (problem,) = read("\n".join([*text[:11], delimiter.join(fields), *text[12:]]).encode(), market).problems
    assert (problem.row, problem.field, problem.found) == (12, "sales", cell)
    assert hint in problem.hint


def test_a_date_in_another_form_says_which() -> None:
    problems = refused(ROWS.assign(date=ROWS["date"].dt.strftime("%d.%m.%Y")))
    assert "history.date_format: '%d.%m.%Y'" in problems[1].hint
    (problem,) = read(with_cell(12, "date", "2025-02-30")).problems[:1]
    assert "there is no such day" in problem.hint


@pytest.mark.parametrize(
    "form",
    [
        {"delimiter": ";", "decimal": ",", "thousands": "."},
        {"delimiter": "\t", "thousands": "'"},
        {"delimiter": ";", "thousands": " ", "encoding": "utf-16"},
        {"date_format": "%d %b %Y"},
    ],
)
def test_every_form_of_a_file_gives_the_same_draws(form: dict[str, str]) -> None:
    market = history_market(**form)
    history = read(ROWS, market)
    assert history.problems == ()
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


def test_money_in_thousands_becomes_units() -> None:
    money = ["sales", "jackpot", "prize", "paid5", "pool", "next"]
    in_thousands = ROWS.assign(**{name: (ROWS[name] / 1000).map("{:.5f}".format) for name in money})
    pd.testing.assert_frame_equal(read(in_thousands, history_market(money_unit=1000)).draws, read(ROWS).draws)


def test_rows_before_the_start_are_left_out_with_all_that_is_wrong_with_them() -> None:
    start = ROWS["date"][20].date()
    data = with_cell(3, "sales", "0")
    history = read(data, history_market(starts=start))
    assert history.problems == ()
    assert len(history.draws) == 40


def test_no_draw_before_the_day_asked_for_is_an_error() -> None:
    (problem,) = refused(ROWS, as_of=dt.date(2024, 1, 1))
    assert "before 2024-01-01" in problem.allowed


def test_an_unknown_date_format_names_the_key() -> None:
    assert refused(ROWS, history_market(date_format="%Q"))[0].field == "history.date_format"


def test_one_draw_is_a_history() -> None:
    assert len(read(ROWS.head(1)).draws) == 1


def test_parquet_cut_short_or_of_another_kind_stops_the_run() -> None:
    market = history_market(format="parquet")
    whole = parquet_bytes(ROWS)
    for data in (whole[:-20], whole[:8], csv_bytes(ROWS), b"PAR1" + bytes(50) + b"PAR1"):
        assert refused(data, market)[0].message == "the Parquet file cannot be read"
    assert refused(parquet_bytes(ROWS.head(0)), market)[0].message == "the file has columns and no rows"


def test_a_bad_cell_of_a_parquet_file_has_its_row() -> None:
    history = read(
        parquet_bytes(ROWS.assign(sales=ROWS["sales"].where(ROWS.index != 10))), history_market(format="parquet")
    )
    assert [(p.row, p.field, p.message) for p in history.problems[:1]] == [(12, "sales", "is missing")]
    assert history.quarantined["date"].tolist() == [f"{ROWS['date'][10]:%Y-%m-%d}"]


def test_times_with_a_zone_are_dated_in_the_markets_own() -> None:
    london = pd.DatetimeIndex(ROWS["date"]).tz_localize("Europe/London")
    history = read(parquet_bytes(ROWS.assign(date=london.tz_convert("UTC"))), history_market(format="parquet"))
    pd.testing.assert_frame_equal(history.draws, read(ROWS).draws)


def test_times_with_mixed_offsets_are_dated_in_the_markets_own() -> None:
    text = [f"{day:%Y-%m-%d}T23:30:00{'+0100' if day.month in range(4, 10) else '+0000'}" for day in ROWS["date"]]
    history = read(ROWS.assign(date=text), history_market(date_format="%Y-%m-%dT%H:%M:%S%z"))
    assert history.draws["draw_date"].tolist()[:20] == ROWS["date"].tolist()[:20]
    assert history.problems == ()

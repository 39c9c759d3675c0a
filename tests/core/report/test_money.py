"""Figures in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.report.money import Money, long_date, one_in, percent, short_date

POUNDS = Money("GBP")


@pytest.mark.parametrize(
    ("money", "amount", "exact", "short", "axis"),
    [
        (POUNDS, 17_300_000, "£17,300,000", "£17.3\u00a0million", "£17.3M"),
        (POUNDS, 2.5, "£2.50", "£2.50", "£2.50"),
        (POUNDS, 0, "£0", "£0", "£0"),
        (POUNDS, -0.001, "£0", "£0", "£0"),
        (POUNDS, -1_234_567, "−£1,234,567", "−£1.23\u00a0million", "−£1.23457M"),
        (POUNDS, 999_950, "£999,950", "£1.00\u00a0million", "£999.95k"),
        (POUNDS, 310_200, "£310,200", "£310,000", "£310.2k"),
        (POUNDS, 132e6, "£132,000,000", "£132\u00a0million", "£132M"),
        (POUNDS, 2.5e9, "£2,500,000,000", "£2.50\u00a0billion", "£2.5B"),
        (Money("BRL"), 3e6, "R$3,000,000", "R$3.00\u00a0million", "R$3M"),
        (Money("JPY", 0), 250.4, "¥250", "¥250", "¥250"),
        (Money("KWD", 3), 0.125, "KWD\u00a00.125", "KWD\u00a00.125", "KWD\u00a00.125"),
        (Money("NOK"), -5e6, "−NOK\u00a05,000,000", "−NOK\u00a05.00\u00a0million", "−NOK\u00a05M"),
    ],
)
def test_amounts(money: Money, amount: float, exact: str, short: str, axis: str) -> None:
    assert (money.exact(amount), money.short(amount), money.axis(amount)) == (exact, short, axis)


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_whole_amounts_read_back(amount: int) -> None:
    assert int(POUNDS.exact(amount).replace("£", "").replace(",", "").replace("−", "-")) == amount


@settings(max_examples=100, deadline=None)
@given(st.floats(min_value=1e6, max_value=1e14))
def test_short_forms_are_right_to_three_digits(amount: float) -> None:
    figure, word = POUNDS.short(amount).removeprefix("£").split("\u00a0")
    assert float(figure) * {"million": 1e6, "billion": 1e9, "trillion": 1e12}[word] == pytest.approx(amount, rel=5e-3)


def test_a_share_never_rounds_to_a_certainty() -> None:
    assert [percent(share) for share in (0, 0.0004, 0.01, 0.9631, 0.9996, 1)] == [
        "0%", "<0.1%", "1%", "96.3%", ">99.9%", "100%",
    ]  # fmt: skip


def test_odds_and_dates() -> None:
    assert one_in(0.18) == "1\u00a0in\u00a05.6"
    assert one_in(1 / 45_000_000) == "1\u00a0in\u00a045,000,000"
    assert one_in(0) == ""
    assert long_date("2026-11-28") == "Saturday 28 November 2026"
    assert short_date("2026-01-02") == "2 Jan 2026"


@pytest.mark.parametrize(
    ("words", "amount"),
    [
        ("20000000", 2e7),
        ("17,300,000", 1.73e7),
        ("£17.3m", 1.73e7),
        ("17.3 Million", 1.73e7),
        ("GBP 17 300 000", 1.73e7),
        ("17\u202f300\u202f000 gbp", 1.73e7),
        ("1'250'000.50", 1_250_000.5),
        ("0.9bn", 9e8),
        ("250k", 250_000.0),
        ("2e7", 2e7),
    ],
)
def test_amounts_are_read_as_people_write_them(words: str, amount: float) -> None:
    assert POUNDS.read(words) == amount


@pytest.mark.parametrize(
    "words",
    ["", "17,3", "17.300.000", "1,73,000", "-5", "1e100", "nan", "€5m", "5 mm", "m", "١٢", "20,000,00", "9" * 16],
)
def test_what_could_be_taken_for_two_amounts_is_taken_for_none(words: str) -> None:
    with pytest.raises(ValueError, match="no amount of GBP"):
        POUNDS.read(words)


@given(st.integers(0, 10**15 - 1), st.sampled_from(["GBP", "BRL", "NOK", "USD", "JPY"]))
def test_what_is_written_in_full_is_read_back(amount: int, currency: str) -> None:
    money = Money(currency)
    assert money.read(money.exact(amount)) == money.read(f"{amount:,.15g}") == money.read(str(float(amount))) == amount

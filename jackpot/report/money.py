"""Figures in words: money by its currency, shares, odds and dates, in English whatever the machine's locale."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

SYMBOLS: Final[dict[str, str]] = {
    "AUD": "A$", "BRL": "R$", "CAD": "CA$", "CNY": "CN¥", "EUR": "€", "GBP": "£", "HKD": "HK$", "ILS": "₪", "INR": "₹",
    "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NZD": "NZ$", "PHP": "₱", "USD": "$", "VND": "₫",
}  # fmt: skip
SCALES: Final = ((1e12, "trillion", "T"), (1e9, "billion", "B"), (1e6, "million", "M"))
READ_SCALES: Final = {
    "": 0, "k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "b": 9, "bn": 9, "billion": 9, "t": 12, "trillion": 12,
}  # fmt: skip
GROUPING: Final = re.compile(r"[,\s']")
AMOUNT: Final = re.compile(
    rf"([0-9]{{1,3}}(?:[,\s'][0-9]{{3}})+|[0-9]{{1,15}})(\.[0-9]+)?\s*({'|'.join(READ_SCALES)}|e\+?[0-9]{{1,2}})"
)
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
NBSP: Final = "\u00a0"
MINUS: Final = "\u2212"


@dataclass(frozen=True)
class Money:
    """Writes amounts of one currency; a currency without a well-known symbol goes by its ISO 4217 code."""

    currency: str
    decimals: int = 2

    def exact(self, amount: float) -> str:
        """Return an amount in full: "£17,300,000", "£2.50"; decimals only where there is a fraction below 1,000."""
        decimals = self.decimals if abs(amount) < 1000 and round(amount, self.decimals) % 1 else 0
        return self._signed(amount, f"{abs(amount):,.{decimals}f}")

    def short(self, amount: float, digits: int = 3) -> str:
        """Return an estimate at three significant digits: "£4.31 million", "£310,000"."""
        rounded = float(f"{amount:.{digits}g}")
        for scale, word, _ in SCALES:
            if abs(rounded) >= scale:
                return self._signed(rounded, f"{abs(rounded) / scale:#.{digits}g}".rstrip(".") + NBSP + word)
        return self.exact(rounded)

    def axis(self, amount: float) -> str:
        """Return the label of an axis: "£17.5M"."""
        for scale, _, letter in SCALES:
            if abs(amount) >= scale:
                return self._signed(amount, f"{abs(amount) / scale:.6g}{letter}")
        return self._signed(amount, f"{abs(amount) / 1000:.6g}k") if abs(amount) >= 10_000 else self.exact(amount)

    def read(self, words: str) -> float:
        """Return an amount as people write it: "17,300,000", "17.3m", "£17.3 million", "GBP 17 300 000", "2e7".

        Raises ValueError for all else, as for "17,3": a comma or a space stands between thousands alone.
        """
        text = words.strip().lower()
        for name in filter(None, (SYMBOLS.get(self.currency, "").lower(), self.currency.lower())):
            text = text.removeprefix(name).removesuffix(name).strip()
        found = AMOUNT.fullmatch(text)
        if not found:
            raise ValueError(f"no amount of {self.currency}: {words!r}")
        whole, fraction, scale = found.groups()
        figure = Decimal(GROUPING.sub("", whole) + (fraction or ""))
        return float(figure.scaleb(READ_SCALES[scale] if scale in READ_SCALES else int(scale[1:])))

    def _signed(self, amount: float, figure: str) -> str:
        sign = MINUS if amount < 0 and figure.strip("0.,") else ""
        symbol = SYMBOLS.get(self.currency)
        return f"{sign}{symbol}{figure}" if symbol else f"{sign}{self.currency}{NBSP}{figure}"


def percent(share: float, digits: int = 3) -> str:
    """Return a share as a percentage that never rounds to a certainty that it is not: 0.9996 is ">99.9%"."""
    if 0.999 < share < 1:
        return ">99.9%"
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{100 * share:.{digits}g}%".replace("-", MINUS)


def one_in(probability: float) -> str:
    """Return a probability as "1 in 5.6"; empty at 0."""
    return f"1{NBSP}in{NBSP}{float(f'{1 / probability:.2g}'):,.10g}" if probability > 0 else ""


def long_date(date: str) -> str:
    """Return an ISO date as "Saturday 28 November 2026"."""
    day = dt.date.fromisoformat(date)
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def short_date(date: str) -> str:
    """Return an ISO date as "28 Nov 2026"."""
    day = dt.date.fromisoformat(date)
    return f"{day.day} {MONTHS[day.month - 1][:3]} {day.year}"

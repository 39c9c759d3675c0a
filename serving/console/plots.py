"""What the browser draws (uPlot) beside the report's own charts: a plot as plain figures, for a page to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from jackpot.adapters.places import Places
from jackpot.audit import Entry
from jackpot.errors import JackpotError
from jackpot.market.schema import Market
from jackpot.records import Monitor
from jackpot.report.money import Money
from jackpot.report.monitor import NAMES
from jackpot.steps.beside import YearBeside

from .desk import beside_of

Look = Literal["line", "point-line", "edge", "edge-point", "floor", "dash"]
SMALLEST: Final = 2


@dataclass(frozen=True)
class Series:
    """A line of a plot; an `edge` bounds a band with the next one."""

    label: str
    look: Look
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Plot:
    """A plot, with the words that stand for it where it cannot be seen."""

    title: str
    words: str
    across: Literal["time", "money"]
    up: Literal["money", "plain", "percent"]
    currency: str
    x: tuple[Any, ...]
    """Amounts, or days as YYYY-MM-DD."""
    series: tuple[Series, ...]

    @property
    def shown(self) -> dict[str, Any]:
        """Return it as the page carries it."""
        return asdict(self)


def monitor_plots(records: Sequence[Monitor]) -> list[Plot]:
    """Return how each detector's statistic went beside its thresholds, and the model's error over time."""
    if len(records) < SMALLEST:
        return []
    days = tuple(record.as_of for record in records)

    def plot(title: str, up: Literal["plain", "percent"], *series: Series) -> Plot:
        last = next((value for value in reversed(series[0].values) if value is not None), None)
        words = f"{title}: last {last:.3g}." if last is not None else f"{title}."
        return Plot(title, words, "time", up, "", days, series)

    plots = [
        plot(
            "Error since training (wMAPE)",
            "percent",
            Series("model in use", "line", tuple(record.wmape_pct for record in records)),
            Series("what was sold last time", "point-line", tuple(record.naive_wmape_pct for record in records)),
        )
    ]
    for name in dict.fromkeys(one.name for record in records for one in record.detectors):
        found = [next((one for one in record.detectors if one.name == name), None) for record in records]
        if all(one is None or one.statistic is None for one in found):
            continue
        plots.append(
            plot(
                NAMES[name],
                "plain",
                Series("statistic", "line", tuple(None if one is None else one.statistic for one in found)),
                Series("watch above", "dash", tuple(None if one is None else one.watch_above for one in found)),
                Series("alarm above", "floor", tuple(None if one is None else one.retrain_above for one in found)),
            )
        )
    return plots


def year_plot(found: YearBeside) -> Plot:
    """Return what either would have recommended over the year, with what was announced."""
    draws = found.draws
    series = (
        Series("announced", "dash", tuple(draw.announced for draw in draws)),
        Series(f"champion {found.one}", "point-line", tuple(draw.one.jackpot for draw in draws)),
        Series(f"challenger {found.other}", "line", tuple(draw.other.jackpot for draw in draws)),
    )
    days = tuple(draw.draw_date for draw in draws)
    words = " ".join(found.words(Money(found.currency).short))
    return Plot("Jackpots of the year", words, "time", "money", found.currency, days, series)


def version_plot(places: Places, market: Market, entry: Entry) -> tuple[Plot | None, str]:
    """Return the demand curves of a challenger and the champion it was compared with, or why there are none."""
    from jackpot.promotion.compare import compare_versions
    from jackpot.promotion.versions import load_version

    pair = beside_of(entry)
    if pair is None:
        return None, "There was no champion to compare it with."
    name = str(entry.body["model_name"])
    # Opened anew: a registry that did not answer once is given up for as long as it is open.
    registry = Places(places.environment, places.root).registry
    try:
        found = compare_versions(*(load_version(name, version, places.store, registry) for version in pair))
    except (JackpotError, OSError, KeyError) as error:
        return None, f"The models cannot be read: {str(error).partition(chr(10))[0]}"
    curves, money = found.curves, Money(market.currency, market.currency_decimals)
    lines = []
    for version, who, line, edge in zip(
        found.versions, ("champion", "challenger"), ("point-line", "line"), ("edge-point", "edge"), strict=True
    ):
        for part, look in (("low", edge), ("high", edge), ("mean", line)):
            values = tuple(float(value) for value in curves[f"{version}_{part}"])
            lines.append(Series(f"{who} {version}" + ("" if part == "mean" else f", {part} end of 90%"), look, values))  # type: ignore[arg-type]
    jackpots = tuple(float(value) for value in curves["jackpot"])
    ends = [f"{series.label} expects {money.short(series.values[-1] or 0.0)}" for series in lines[2::3]]
    words = f"At a jackpot of {money.short(jackpots[-1])}, {' and '.join(ends)}, for the draw of {found.draw_date}."
    return Plot("Expected sales by jackpot", words, "money", "money", market.currency, jackpots, tuple(lines)), ""

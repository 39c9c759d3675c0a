"""The charts, as inline SVG that takes its colours and letters from the page.

matplotlib draws; the page's style sheet decides. Colours are drawn as marks (`Ink`) that become CSS variables, so that
one chart serves light, dark and paper; letters stay text without a size of their own, so that a phone may enlarge them.
The same figures give the same bytes at the same version of matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup, escape

from ..cash import CashOutlook
from ..records import ElasticityAt, Recommendation
from .money import Money, percent, short_date

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

WIDTH: Final = 560
HEIGHT: Final = 320
MOST_POINTS: Final = 240
"""Of past draws behind a curve; more would only blacken it."""
LATEST_TESTS: Final = 120
"""Of the back-test's draws: more, and their lines run into one another."""
COLUMNS: Final = 220
"""Of a thinned line: each keeps its first, smallest, largest and last point, which is all that so wide a line shows."""


class Ink:
    """Colours as they are drawn: no real one is so dark, so each can be found again and becomes `var(--name)`."""

    TEXT = "#010101"
    MUTED = "#020202"
    GRID = "#030303"
    ACCENT = "#040404"
    GOOD = "#050505"
    BAD = "#060606"
    CARD = "#070707"
    POINT = "#080808"


CSS_VARIABLES: Final = {
    Ink.TEXT: "text", Ink.MUTED: "muted", Ink.GRID: "grid", Ink.ACCENT: "accent", Ink.GOOD: "good", Ink.BAD: "bad",
    Ink.CARD: "card", Ink.POINT: "point",
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart: its SVG, and its legend as (class of the swatch, words)."""

    title: str
    svg: Markup
    legend: tuple[tuple[str, str], ...] = field(default=())


def worth_showing(curve: pd.DataFrame, record: Recommendation) -> pd.DataFrame:
    """Return the part of a curve in which a decision is made; a game without a cap has losses of billions beyond.

    It ends where the expected value has fallen by twice the best one's size, but not before any jackpot of the record.
    """
    value = curve["expected_value"]
    named = (record.jackpot, record.keep_last.jackpot, record.seed_rule.jackpot)
    least = record.infeasibility.least_harmful_jackpot if record.infeasibility else None
    last = max((jackpot for jackpot in (*named, least) if jackpot is not None), default=0.0)
    shown = (value >= value.max() - 2 * abs(value.max())) | (curve["jackpot"] <= 1.1 * last)
    kept: pd.DataFrame = curve[shown.iloc[::-1].cummax().iloc[::-1]]
    return kept


def value_curve(curve: pd.DataFrame, record: Recommendation, money: Money) -> Chart:
    """Return expected value against jackpot with its 90% band, the choice, its range and what is infeasible."""
    jackpots, value = _floats(curve, "jackpot"), _floats(curve, "expected_value")
    feasible = curve["feasible"].to_numpy(dtype=bool)
    with canvas_of("value") as canvas:
        ax = canvas.axes()
        ax.margins(y=0.06)
        ax.fill_between(
            jackpots,
            _floats(curve, "value_low_90"),
            _floats(curve, "value_high_90"),
            color=Ink.ACCENT,
            alpha=0.18,
            lw=0,
        )
        ax.plot(jackpots, value, color=Ink.ACCENT, lw=2.2)
        legend = [("line", "expected value"), ("band", "90% band")]
        if record.near_optimal is not None:
            ax.axvspan(record.near_optimal.low, record.near_optimal.high, color=Ink.GOOD, alpha=0.2, lw=0)
            legend.append(("near", f"costs at most {percent(record.near_optimal.share)}, with the draws ahead"))
        if not feasible.all():
            for low, high in _spans(jackpots, ~feasible):
                ax.axvspan(low, high, facecolor="none", edgecolor=Ink.POINT, hatch="//", lw=0)
            legend.append(("hatch", "breaks a constraint"))
        if value.min() < 0 < value.max():
            ax.axhline(0, color=Ink.MUTED, lw=1)
        at, label = _chosen(record, money)
        if at is not None:
            _mark(ax, at, float(np.interp(at, jackpots, value)), label, hollow=record.status != "recommended")
        canvas.money_axes(money)
        best = int(value.argmax())
        words = (
            f"Expected value against jackpot from {money.short(jackpots[0])} to {money.short(jackpots[-1])}. It starts "
            f"at {money.short(value[0])}, is largest, {money.short(value[best])}, at {money.exact(jackpots[best])}, "
            f"and ends at {money.short(value[-1])}. {_feasible_words(jackpots, feasible, money)} "
            f"{label.capitalize()}."
        )
        return canvas.chart("Expected value of the draw by jackpot", words, legend)


def demand_curve(curve: pd.DataFrame, history: pd.DataFrame, record: Recommendation, money: Money) -> Chart:
    """Return expected sales against jackpot with their 90% band, over the latest ordinary draws."""
    jackpots, sales = _floats(curve, "jackpot"), _floats(curve, "expected_sales")
    low, high = _floats(curve, "sales_low_90"), _floats(curve, "sales_high_90")
    ordinary = history[(history["special"] == "") & history["jackpot"].between(jackpots[0], jackpots[-1])]
    past = ordinary.tail(MOST_POINTS)
    with canvas_of("demand") as canvas:
        ax = canvas.axes()
        _dots(ax, _floats(past, "jackpot"), _floats(past, "sales"))
        ax.fill_between(jackpots, low, high, color=Ink.ACCENT, alpha=0.18, lw=0)
        ax.plot(jackpots, sales, color=Ink.ACCENT, lw=2.2)
        legend = [("line", "expected sales"), ("band", "90% band")]
        if len(past):
            legend.append(("dot", f"last {len(past)} ordinary draws in this range"))
        beyond = curve["extrapolated"].to_numpy(dtype=bool)
        if beyond.any():
            ax.axvline(jackpots[beyond.argmax()], color=Ink.MUTED, lw=1.2, ls=(0, (2, 3)))
            legend.append(("dash", "beyond: larger than any in training"))
        at, label = _chosen(record, money)
        if at is not None:
            _mark(ax, at, float(np.interp(at, jackpots, sales)), label, hollow=record.status != "recommended")
        canvas.money_axes(money)
        words = (
            f"Expected sales rise from {money.short(sales[0])} at a jackpot of {money.short(jackpots[0])} (90% band "
            f"{money.short(low[0])} to {money.short(high[0])}) to {money.short(sales[-1])} at "
            f"{money.short(jackpots[-1])} ({money.short(low[-1])} to {money.short(high[-1])})."
        )
        return canvas.chart("Expected sales of the draw by jackpot", words, legend)


def history_chart(history: pd.DataFrame, money: Money) -> Chart:
    """Return sales with the forecast of each from the draws before it, above the whole history.

    The forecasts shown are the latest of the back-test; its whole window is shaded in the history below.
    """
    if history.empty:
        return _nothing_sold()
    days, sales = _days(history["draw_date"]), _floats(history, "sales")
    first, last = (_day(history["draw_date"].iloc[at]) for at in (0, -1))
    test = history[history["forecast"].notna()]
    with canvas_of("history") as canvas:
        whole = canvas.axes(bottom=34, height=52)
        shown = _thin(days, sales)
        whole.plot(days[shown], sales[shown], color=Ink.MUTED, lw=0.8)
        whole.set_ylim(0, float(sales.max()) * 1.05)
        whole.set_yticks([])
        canvas.dates(whole)
        words = (
            f"Sales of {len(history)} draws from {first} to {last}, between {money.short(sales.min())} and "
            f"{money.short(sales.max())}."
        )
        legend = [("point-line", "sales")]
        top = canvas.axes(bottom=128, height=HEIGHT - 128 - 14)
        if test.empty:
            top.plot(days[shown], sales[shown], color=Ink.MUTED, lw=1.2)
        else:
            window = _days(test["draw_date"])
            whole.axvspan(window[0], window[-1], color=Ink.ACCENT, alpha=0.14, lw=0)
            over = _draw_forecasts(top, test.tail(LATEST_TESTS))
            latest = "" if len(test) <= LATEST_TESTS else f", latest {LATEST_TESTS} of {len(test)} tests"
            legend = [("dot", "sales"), ("line", f"forecast from the draws before{latest}"), ("band", "90% band")]
            if over:
                legend.append(("up", "sales above the chart"))
            words += (
                f" The {len(test)} draws from {_day(test['draw_date'].iloc[0])} were forecast, each from those before."
            )
        canvas.dates(top)
        canvas.money(top.yaxis, money)
        return canvas.chart("Sales and their forecast", words, legend)


def _nothing_sold() -> Chart:
    with canvas_of("history") as canvas:
        ax = canvas.axes()
        ax.set_xticks([])
        ax.set_yticks([])
        ax.text(0.5, 0.5, "no draw was held yet", transform=ax.transAxes, ha="center", color=Ink.MUTED)
        return canvas.chart("Sales and their forecast", "No draw was held yet.", [])


def _draw_forecasts(ax: Axes, test: pd.DataFrame) -> int:
    """Draw forecasts with their band and what was sold; return how many sales lie above the chart."""
    days, sales = _days(test["draw_date"]), _floats(test, "sales")
    low, high = _floats(test, "low_90"), _floats(test, "high_90")
    ax.fill_between(days, low, high, color=Ink.ACCENT, alpha=0.18, lw=0)
    ax.plot(days, _floats(test, "forecast"), color=Ink.ACCENT, lw=1.6)
    _dots(ax, days, sales, alpha=0.9)
    # A special draw sells many times the rest: the axis is for the ordinary ones, and an arrow stands for the special.
    ordinary = (test["special"] == "").to_numpy() if (test["special"] == "").any() else np.full(len(test), True)
    ceiling = 1.08 * max(float(np.quantile(figures[ordinary], 0.98)) for figures in (sales, high))
    floor = 0.92 * min(float(np.quantile(figures[ordinary], 0.02)) for figures in (sales, low))
    ax.set_ylim(floor, ceiling)
    over = sales > ceiling
    ax.plot(days[over], np.full(over.sum(), ceiling * 0.985), ls="", marker="^", ms=5, color=Ink.MUTED)
    return int(over.sum())


def elasticity_chart(elasticity: tuple[ElasticityAt, ...], money: Money) -> Chart:
    """Return the elasticity of sales against jackpot with its 90% band."""
    jackpots = np.array([at.jackpot for at in elasticity])
    mean = np.array([at.mean for at in elasticity])
    low, high = np.array([at.low_90 for at in elasticity]), np.array([at.high_90 for at in elasticity])
    with canvas_of("elasticity") as canvas:
        ax = canvas.axes()
        ax.fill_between(jackpots, low, high, color=Ink.ACCENT, alpha=0.18, lw=0)
        ax.plot(jackpots, mean, color=Ink.ACCENT, lw=2.2, marker="o", ms=5)
        ax.set_ylim(min(0.0, float(low.min()) * 1.1), float(high.max()) * 1.1)
        ax.yaxis.set_major_formatter("{x:.2g}")
        canvas.money(ax.xaxis, money)
        words = (
            f"Elasticity {mean[0]:.2f} at {money.short(jackpots[0])}, {mean[-1]:.2f} at {money.short(jackpots[-1])}."
        )
        return canvas.chart("Elasticity of sales by jackpot", words, [("line", "elasticity"), ("band", "90% band")])


def cash_fan(cash: CashOutlook, money: Money) -> Chart:
    """Return the fan of cash ahead, with its floor."""
    days = _days(cash.fan["draw_date"])
    q = {name: _floats(cash.fan, name) for name in ("p05", "p25", "p50", "p75", "p95")}
    with canvas_of("cash") as canvas:
        ax = canvas.axes()
        ax.fill_between(days, q["p05"], q["p95"], color=Ink.ACCENT, alpha=0.15, lw=0)
        ax.fill_between(days, q["p25"], q["p75"], color=Ink.ACCENT, alpha=0.25, lw=0)
        ax.plot(days, q["p50"], color=Ink.ACCENT, lw=2.2)
        ax.axhline(cash.floor, color=Ink.BAD, lw=1.6, ls=(0, (5, 3)))
        canvas.dates(ax)
        canvas.money(ax.yaxis, money)
        words = (
            f"Cash starts at {money.short(cash.cash_now)}. After {len(days)} draws its median is "
            f"{money.short(q['p50'][-1])} and its 90% band {money.short(q['p05'][-1])} to {money.short(q['p95'][-1])}; "
            f"the floor is {money.short(cash.floor)}."
        )
        legend = [("line", "median"), ("band strong", "50%"), ("band", "90%"), ("floor", "floor")]
        return canvas.chart("Cash after each draw ahead", words, legend)


class Canvas:
    """A figure that becomes a Chart."""

    def __init__(self, name: str, figure: Figure) -> None:
        self._name = name
        self._figure = figure

    def axes(self, bottom: int = 34, height: int = HEIGHT - 34 - 14) -> Axes:
        """Return axes over the width of the figure; `bottom` and `height` in pixels."""
        left, right = 76, 14
        ax = self._figure.add_axes(
            (left / WIDTH, bottom / HEIGHT, (WIDTH - left - right) / WIDTH, height / HEIGHT), facecolor="none"
        )
        ax.spines[:].set_visible(False)
        ax.spines["bottom"].set(visible=True, color=Ink.MUTED, linewidth=1)
        ax.set_axisbelow(True)
        ax.grid(axis="y", color=Ink.GRID, linewidth=1)
        ax.tick_params(left=False, bottom=False, labelcolor=Ink.MUTED, pad=8)
        ax.margins(x=0.015)
        ax.locator_params(nbins=5)
        return ax

    def money_axes(self, money: Money) -> None:
        """Write amounts at every axis."""
        for ax in self._figure.axes:
            self.money(ax.xaxis, money)
            self.money(ax.yaxis, money)

    def money(self, axis: object, money: Money) -> None:
        """Write amounts at an axis."""
        axis.set_major_formatter(lambda amount, _: money.axis(amount))  # type: ignore[attr-defined]

    def dates(self, ax: Axes) -> None:
        """Write dates below."""
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))  # type: ignore[no-untyped-call]

    def chart(self, title: str, words: str, legend: list[tuple[str, str]]) -> Chart:
        """Return the chart; `words` tell it to those who cannot see it."""
        file = io.StringIO()
        self._figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
        return Chart(title, _inline(file.getvalue(), self._name, title, words), tuple(legend))


@contextmanager
def canvas_of(name: str) -> Iterator[Canvas]:
    """Yield an empty canvas; `name` keeps its ids apart from those of other charts on the page."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # Nobody's matplotlibrc may change a report; the backend is not pyplot's here, and setting it would import that.
    settings: Any = {
        key: value for key, value in mpl.rcParamsDefault.items() if not key.startswith(("backend", "webagg"))
    }
    settings |= {
        "svg.hashsalt": name,
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",
        "font.size": 13,
        "text.parse_math": False,
        "hatch.linewidth": 0.7,
        "axes.unicode_minus": True,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), dpi=72)
        FigureCanvasSVG(figure)
        yield Canvas(name, figure)


def _inline(svg: str, name: str, title: str, words: str) -> Markup:
    """Return matplotlib's file as an element of an HTML page, without what the page does better or needs not."""
    body = svg[svg.index("<g id=") : svg.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.S)
    body = body.replace("xlink:href", "href")
    referred = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', body))
    body = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in referred else "", body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", body)
    body = re.sub(r"font-(?:size|family): [^;\"]+;? ?", "", body)
    body = re.sub(r' transform="rotate\(-?0 [^"]*\)"', "", body)
    body = re.sub(r"\b\d+\.\d{2,}", lambda m: f"{float(m[0]):.1f}".removesuffix(".0"), body)
    for mark, variable in CSS_VARIABLES.items():
        body = body.replace(mark, f"var(--{variable})")
    body = re.sub(r"\n\s*", " ", body).replace("> <", "><")
    body = re.sub(r"(?<=[MLz]) | (?=[MLz])", "", body)
    while "<g></g>" in body:
        body = body.replace("<g></g>", "")
    head = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{name}-title {name}-words">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-words">{escape(words)}</desc>'
    )
    return Markup(head + body.strip() + "</svg>")  # noqa: S704 - matplotlib escaped its text, the rest is escaped above


def _chosen(record: Recommendation, money: Money) -> tuple[float | None, str]:
    if record.status == "infeasible" or record.jackpot is None:
        harm = record.infeasibility.least_harmful_jackpot if record.infeasibility is not None else None
        return harm, "no recommendation" if harm is None else f"least harmful: {money.exact(harm)}"
    return (
        record.jackpot,
        f"{'recommended' if record.status == 'recommended' else 'restoring'}: {money.exact(record.jackpot)}",
    )


def _mark(ax: Axes, x: float, y: float, label: str, *, hollow: bool) -> None:
    ax.axvline(x, color=Ink.TEXT, lw=1)
    ax.plot([x], [y], marker="o", ms=9, mew=2, mec=Ink.TEXT, mfc=Ink.CARD if hollow else Ink.TEXT)
    low, high = ax.get_xlim()
    to_left = x > (low + high) / 2
    ax.annotate(
        label,
        (x, 1),
        (-7 if to_left else 7, -14),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if to_left else "left",
        color=Ink.TEXT,
        fontweight="bold",
    )


def _dots(ax: Axes, x: Array, y: Array, alpha: float = 0.55) -> None:
    """Draw points as one path of round dots: a marker each would be ten times as long."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    if not len(x):
        return
    vertices = np.repeat(np.column_stack([x, y]), 2, axis=0)
    codes = np.tile(np.array([Path.MOVETO, Path.LINETO], dtype=np.uint8), len(x))
    patch = PathPatch(Path(vertices, codes), color=Ink.POINT, alpha=alpha, lw=3.6, capstyle="round")
    ax.add_patch(patch)
    ax.update_datalim(vertices)
    ax.autoscale_view()


def _thin(x: Array, y: Array) -> npt.NDArray[np.intp]:
    """Return the points that a line needs at COLUMNS pixel columns (M4: Jugel et al. 2014, "M4: A Visualization-
    Oriented Time Series Data Aggregation")."""
    if len(x) <= 4 * COLUMNS:
        return np.arange(len(x))
    column = np.minimum((x - x[0]) / (x[-1] - x[0]) * COLUMNS, COLUMNS - 1).astype(int)
    kept: set[int] = set()
    for points in np.split(np.arange(len(x)), np.flatnonzero(np.diff(column)) + 1):
        kept |= {int(points[0]), int(points[-1]), int(points[y[points].argmin()]), int(points[y[points].argmax()])}
    return np.array(sorted(kept), dtype=np.intp)


def _spans(x: Array, inside: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Return the stretches of x where `inside` holds, each reaching half a step beyond its ends."""
    if len(x) < 2:
        return [(float(x[0]), float(x[0]))] if inside.all() else []
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    return [(float(edges[run.start]), float(edges[run.stop])) for run in _runs(inside)]


def _feasible_words(jackpots: Array, feasible: npt.NDArray[np.bool_], money: Money) -> str:
    if feasible.all():
        return "All of them keep the constraints."
    if not feasible.any():
        return "None of them keeps every constraint."
    ends = [jackpots[span] for span in _runs(feasible)]
    stretches = " and ".join(f"{money.exact(run[0])} to {money.exact(run[-1])}" for run in ends)
    return f"Only {stretches} keeps every constraint."


def _runs(inside: npt.NDArray[np.bool_]) -> list[slice]:
    changes = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [slice(int(a), int(b)) for a, b in changes.reshape(-1, 2)]


def _floats(frame: pd.DataFrame, column: str) -> Array:
    return frame[column].to_numpy(dtype=float)


def _days(dates: pd.Series) -> Array:
    """Return dates as matplotlib counts them: days since 1970."""
    days: Array = dates.to_numpy(dtype="datetime64[D]").astype(float)
    return days


def _day(date: pd.Timestamp) -> str:
    return short_date(date.strftime("%Y-%m-%d"))

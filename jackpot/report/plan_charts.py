"""Charts of the plan: jackpots and payout ratio ahead, and what confidence costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..records import Attainable, PlannedDraw, Recommendation
from .charts import Chart, Ink, canvas_of
from .money import Money, percent, short_date

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plan_charts(record: Recommendation, money: Money) -> list[Chart]:
    """Return the charts that a record's plan has figures for."""
    found = []
    if len(record.planned_path) > 1:
        found.append(jackpot_fan(record.planned_path, money))
    if sum(draw.ratio_p50 is not None for draw in record.planned_path) > 1:
        limits = {state.name: state.limit for state in record.constraints if state.limit is not None}
        found.append(
            ratio_fan(record.planned_path, limits.get("payout_ratio_floor"), limits.get("payout_ratio_ceiling"))
        )
    found += [confidence_curve(one) for one in record.attainable if len(one.curve) > 1]
    return found


def jackpot_fan(path: tuple[PlannedDraw, ...], money: Money) -> Chart:
    """Return the jackpots ahead under the plan: their median and 90% band over the luck to come."""
    low, middle, high = (
        np.array([getattr(draw, name) for draw in path]) for name in ("jackpot_p05", "jackpot_p50", "jackpot_p95")
    )
    with canvas_of("path") as canvas:
        ax = canvas.axes()
        days = _days(path)
        ax.fill_between(days, low, high, color=Ink.ACCENT, alpha=0.18, lw=0, step="mid")
        ax.plot(days, middle, color=Ink.ACCENT, lw=2.2, drawstyle="steps-mid")
        canvas.dates(ax)
        canvas.money(ax.yaxis, money)
        words = (
            f"{len(path)} draws from {short_date(path[0].draw_date)}: {money.exact(middle[0])} now, between "
            f"{money.short(low.min())} and {money.short(high.max())} in nine cases of ten later."
        )
        return canvas.chart("Jackpots ahead, under the plan", words, [("line", "median"), ("band", "90%")])


def ratio_fan(path: tuple[PlannedDraw, ...], floor: float | None, ceiling: float | None) -> Chart:
    """Return the payout ratio ahead under the plan, with its limits and its tests."""
    told = tuple(draw for draw in path if draw.ratio_p50 is not None)
    low, middle, high = (
        np.array([getattr(draw, name) for draw in told]) for name in ("ratio_p05", "ratio_p50", "ratio_p95")
    )
    with canvas_of("ratio") as canvas:
        ax = canvas.axes()
        days = _days(told)
        ax.fill_between(days, low, high, color=Ink.ACCENT, alpha=0.18, lw=0)
        ax.plot(days, middle, color=Ink.ACCENT, lw=2.2)
        legend = [("line", "median"), ("band", "90%")]
        for limit, name in ((floor, "floor"), (ceiling, "ceiling")):
            if limit is not None:
                ax.axhline(limit, color=Ink.BAD, lw=1.6, ls=(0, (5, 3)))
                legend.append(("floor", f"{name}, {percent(limit)}"))
        tests = [i for i, draw in enumerate(told) if draw.breach_probability is not None]
        if 0 < len(tests) < len(told):
            for i in tests:
                ax.axvline(days[i], color=Ink.MUTED, lw=1.2, ls=(0, (2, 3)))
            legend.append(("dash", "tested"))
        ax.margins(y=0.08)
        canvas.dates(ax)
        _percents(ax, "y")
        words = (
            f"The payout ratio over {len(told)} draws ahead: {percent(middle[0])} after the first at the median, "
            f"{percent(middle[-1])} after the last, with a 90% band of {percent(low[-1])} to {percent(high[-1])}."
        )
        return canvas.chart("Payout ratio ahead, under the plan", words, legend)


def confidence_curve(promise: Attainable) -> Chart:
    """Return the share of the value that is left at each confidence, over all policies, with what is promised."""
    confidence = np.array([at.confidence for at in promise.curve])
    share = np.array([at.share for at in promise.curve])
    with canvas_of("confidence") as canvas:
        ax = canvas.axes()
        ax.plot(confidence, share, color=Ink.ACCENT, lw=2.2, marker="o", ms=5)
        ax.axvline(promise.promised, color=Ink.BAD, lw=1.6, ls=(0, (5, 3)))
        ax.margins(0.05, 0.12)
        for axis in ("x", "y"):
            _percents(ax, axis)
        words = (
            f"At {percent(confidence[0])} confidence {percent(share[0])} of the value is left, at "
            f"{percent(confidence[-1])} {percent(share[-1])}; {percent(promise.promised)} is promised."
        )
        legend = [("line", "value left, against confidence"), ("floor", f"promised, {percent(promise.promised)}")]
        return canvas.chart("What confidence costs", words, legend)


def _days(path: tuple[PlannedDraw, ...]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([draw.draw_date for draw in path], dtype="datetime64[D]").astype(np.float64)


def _percents(ax: Axes, axis: str) -> None:
    chosen = ax.xaxis if axis == "x" else ax.yaxis
    chosen.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")

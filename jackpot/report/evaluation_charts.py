"""The charts of a back-test: calibration, coverage by jackpot, error by how far ahead."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..records import Calibration, Evaluation, Horizon, JackpotSlice
from .charts import Chart, Ink, canvas_of
from .evaluation import BASELINE_WORDS
from .money import Money


def evaluation_charts(evaluation: Evaluation, money: Money) -> tuple[Chart, ...]:
    """Return the charts that an evaluation has figures for."""
    charts = []
    if evaluation.calibration is not None:
        charts += [reliability_chart(evaluation.calibration), pit_chart(evaluation.calibration)]
    if len(evaluation.by_jackpot) > 1:
        charts.append(coverage_chart(evaluation.by_jackpot, money))
    if len(evaluation.horizons) > 1:
        charts.append(horizon_chart(evaluation.horizons))
    return tuple(charts)


def reliability_chart(calibration: Calibration) -> Chart:
    """Return how often sales lay below each quantile against how often they should."""
    level = np.array([at.level for at in calibration.reliability])
    observed = np.array([at.observed for at in calibration.reliability])
    with canvas_of("reliability") as canvas:
        ax = canvas.axes()
        ax.plot([0, 1], [0, 1], color=Ink.MUTED, lw=1.2, ls=(0, (2, 3)))
        ax.plot(level, observed, color=Ink.ACCENT, lw=2.2, marker="o", ms=6)
        ax.set_ylim(0, 1)
        ax.xaxis.set_major_formatter(_share)
        ax.yaxis.set_major_formatter(_share)
        said = "; ".join(f"{o:.0%} below the {q:.0%} quantile" for q, o in zip(level, observed, strict=True))
        legend = [("line", "how often sales fell below each forecast quantile"), ("dash", "how often they should")]
        return canvas.chart("Is the forecast's doubt true?", f"Sales lay {said}.", legend)


def pit_chart(calibration: Calibration) -> Chart:
    """Return how many draws fell in each tenth of their forecast's distribution: level where it is true."""
    counts = np.array(calibration.pit)
    expected, n = counts.sum() / len(counts), int(counts.sum())
    spread: Final = 1.645 * np.sqrt(expected * (1 - 1 / len(counts)))
    with canvas_of("pit") as canvas:
        ax = canvas.axes()
        ax.bar((np.arange(len(counts)) + 0.5) / len(counts), counts, width=0.09, color=Ink.ACCENT, alpha=0.55, lw=0)
        ax.axhspan(max(expected - spread, 0), expected + spread, color=Ink.GOOD, alpha=0.18, lw=0)
        ax.axhline(expected, color=Ink.MUTED, lw=1.2, ls=(0, (2, 3)))
        ax.xaxis.set_major_formatter(_share)
        words = (
            f"Of {n} draws, {', '.join(map(str, counts.tolist()))} fell in each tenth of their forecast, lowest first."
        )
        legend = [("band strong", "draws"), ("near", "where chance puts 9 of 10 bars"), ("dash", "expected")]
        return canvas.chart("Where sales fell in the forecast's distribution", words, legend)


def coverage_chart(slices: tuple[JackpotSlice, ...], money: Money) -> Chart:
    """Return how often the 90% interval held sales, by size of the jackpot, with the spread of chance."""
    middle = np.array([(part.smallest_jackpot + part.largest_jackpot) / 2 for part in slices])
    held = np.array([part.coverage_90_pct for part in slices])
    spread = 164.5 * np.sqrt(0.09 / np.array([part.n for part in slices]))
    with canvas_of("coverage") as canvas:
        ax = canvas.axes()
        ax.fill_between(middle, 90 - spread, np.minimum(90 + spread, 100), color=Ink.GOOD, alpha=0.18, lw=0)
        ax.axhline(90, color=Ink.MUTED, lw=1.2, ls=(0, (2, 3)))
        ax.plot(middle, held, color=Ink.ACCENT, lw=2.2, marker="o", ms=6)
        ax.set_ylim(min(50.0, float(held.min()) - 5), 102)
        ax.yaxis.set_major_formatter("{x:.0f}%")
        canvas.money(ax.xaxis, money)
        words = (
            f"The 90% interval held {held[0]:.0f}% of draws at the smallest jackpots and {held[-1]:.0f}% at the "
            f"largest, {money.short(slices[-1].smallest_jackpot)} and more; least {held.min():.0f}%."
        )
        legend = [("line", "draws inside the 90% interval"), ("near", "what chance allows"), ("dash", "90%")]
        return canvas.chart("Does the interval hold at every jackpot?", words, legend)


def horizon_chart(horizons: tuple[Horizon, ...]) -> Chart:
    """Return the error against how many draws ahead, beside the best simple rule."""
    ahead = np.array([at.ahead for at in horizons])
    own = np.array([at.wmape_pct for at in horizons])
    rules = {name: np.array([at.baselines_wmape_pct[name] for at in horizons]) for name in
             sorted(horizons[0].baselines_wmape_pct)}  # fmt: skip
    best = min(rules, key=lambda name: float(rules[name].mean())) if rules else None
    with canvas_of("horizon") as canvas:
        ax = canvas.axes()
        top = float(own.max())
        legend = [("line", "this model")]
        if best is not None:
            ax.plot(ahead, rules[best], color=Ink.MUTED, lw=1.6)
            top = max(top, float(rules[best].max()))
            legend.append(("point-line", f"best simple rule: {BASELINE_WORDS.get(best, best)}"))
        ax.plot(ahead, own, color=Ink.ACCENT, lw=2.2, marker="o", ms=6)
        ax.set_ylim(0, 1.1 * max(top, 0.1))
        ax.set_xticks(ahead)
        ax.yaxis.set_major_formatter("{x:.3g}%")
        words = f"wMAPE is {own[0]:.1f}% {ahead[0]} ahead and {own[-1]:.1f}% {ahead[-1]} draws ahead."
        return canvas.chart("Error by how many draws ahead", words, legend)


def _share(value: float, _: float | None = None) -> str:
    return f"{100 * value:.0f}%"

"""The picture of two model versions: a PNG that stands by itself, for a chat or a ticket."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .money import Money

if TYPE_CHECKING:
    from ..promotion.compare import Comparison


def versions_png(comparison: Comparison, title: str, money: Money) -> bytes:
    """Return expected sales against the jackpot, with their 90% intervals, by both versions, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    jackpots = comparison.curves["jackpot"]
    for version, colour, style in zip(comparison.versions, ("#0b6e99", "#c2410c"), ("-", "--"), strict=True):
        mean, low, high = (comparison.curves[f"{version}_{name}"] for name in ("mean", "low", "high"))
        axes.fill_between(jackpots, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(jackpots, mean, style, color=colour, lw=2, label=version)
    readable = FuncFormatter(lambda amount, _: money.short(amount))
    axes.xaxis.set_major_formatter(readable)
    axes.yaxis.set_major_formatter(readable)
    axes.set_xlabel("jackpot")
    axes.set_ylabel("expected sales, with the 90% interval")
    axes.set_title(f"{title}: {' and '.join(comparison.versions)}, draw of {comparison.draw_date}", loc="left")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()

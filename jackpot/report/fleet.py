"""One page across markets: what each run recommends, or why it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .money import Money


@dataclass(frozen=True)
class FleetRow:
    """How one market's run ended."""

    market: str
    succeeded: bool
    status: str
    """The recommendation's status, the run's state on a cluster, or `failed`."""
    jackpot: float | None = None
    currency: str = ""
    draw_date: str = ""
    seconds: float = 0.0
    link: str = ""
    message: str = ""

    @property
    def amount(self) -> str:
        """The jackpot in words; empty where there is none."""
        return "" if self.jackpot is None else Money(self.currency).exact(self.jackpot)


def fleet_html(rows: Sequence[FleetRow]) -> bytes:
    """Return the page: a row a run, those that failed first."""
    from .page import render

    ordered = sorted(rows, key=lambda row: row.succeeded)
    return render("fleet.html.jinja", rows=ordered, failed=sum(not row.succeeded for row in rows))

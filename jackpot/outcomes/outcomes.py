"""Draw by draw and month by month: recommended, decided, announced; forecast against sales; value against others."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from ..audit import AuditLog, Entry
from ..market.schema import Market
from ..records import Recommendation, Record
from ..store import Store
from .decisions import is_late


class DrawOutcome(Record):
    """One draw. Values are of that draw alone, as forecast when it was recommended, unless realised."""

    draw_date: str
    status: str
    recommended: float | None
    decided: float | None
    override: bool
    late: bool
    """Whether the decision was recorded after the draw's day, in the market's time zone."""
    supersessions: int
    announced: float | None
    """From the history; None where the draw is not in it yet."""
    announced_otherwise: bool
    """Whether another jackpot was announced than was decided."""
    adopted: bool | None
    """Whether the jackpot decided in time, or the announced where none was, is the recommended one."""
    forecast: float | None
    """Expected sales at the announced jackpot."""
    sales: float | None
    error_pct: float | None
    """Sales over forecast, less one."""
    covered: bool | None
    """Whether sales lay in the 90% interval."""
    value_recommended: float | None
    value_decided: float | None
    """At the decided jackpot, or the announced."""
    value_keep_last: float | None
    value_seed_rule: float | None
    gain_over_keep_last: float | None
    """What the recommendation was worth more, that draw and what it leads to under the plan."""
    gain_over_seed_rule: float | None
    value_realised: float | None
    """Sales less the prizes really paid and costs; None where the history does not say what was paid."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a list says of a draw beside its figures."""
        said = {"override": self.override, "decided late": self.late, "announced otherwise": self.announced_otherwise}
        return tuple(remark for remark, holds in said.items() if holds)


class Month(Record):
    """A market's draws of one month; sums are over the draws that have the figure."""

    market: str
    month: str
    draws: int
    decided: int
    overrides: int
    adoption_pct: float | None
    wmape_pct: float | None
    bias_pct: float | None
    coverage_90_pct: float | None
    value_recommended: float | None
    value_decided: float | None
    value_keep_last: float | None
    value_seed_rule: float | None
    value_realised: float | None
    decided_below_recommended: float | None
    """Value of the recommended jackpots less that of the decided ones, of those draws alone: negative where the
    recommendation gave up a draw's value for what follows."""
    gain_over_keep_last: float | None
    gain_over_seed_rule: float | None


class Outcomes(Record):
    """A market's outcomes."""

    schema_version: str = "1"
    market: str
    currency: str
    draws: tuple[DrawOutcome, ...]
    months: tuple[Month, ...]


@dataclass(frozen=True)
class _Happened:
    announced: float | None = None
    sales: float | None = None
    realised: float | None = None


def outcomes(
    log: AuditLog,
    store: Store,
    market: Market,
    draws: pd.DataFrame,
    since: dt.date = dt.date.min,
    before: dt.date = dt.date.max,
) -> Outcomes:
    """Return what became of every draw from `since` to `before` that was recommended or decided.

    `draws` are as in `history.contract`; `before` itself is left out. Raises MissingObjectError where the store has
    lost a recommendation that the log names.
    """
    recommended = _by_draw(log.entries("recommendation"))
    decided = _by_draw(log.entries("decision"))
    happened = {str(row.draw_date)[:10]: _happened(market, row) for row in draws.itertuples()}
    rows = tuple(
        _outcome(market, day, recommended.get(day, []), decided.get(day, []), happened.get(day, _Happened()), store)
        for day in sorted({*recommended, *decided})
        if since <= dt.date.fromisoformat(day) < before
    )
    months = tuple(
        _month(market.market, month, list(group)) for month, group in groupby(rows, key=lambda row: row.draw_date[:7])
    )
    return Outcomes(market=market.market, currency=market.currency, draws=rows, months=months)


def _by_draw(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(str(entry.body["draw_date"]), []).append(entry)
    return found


def _outcome(
    market: Market, day: str, asked: list[Entry], said: list[Entry], happened: _Happened, store: Store
) -> DrawOutcome:
    decision = said[-1] if said else None
    # A recommendation made after the decision did not lead to it.
    entry = next((e for e in reversed(asked) if decision is None or e.number < decision.number), None)
    record = curve = None
    if entry is not None:
        record = Recommendation.model_validate_json(store.read(f"{entry.body['prefix']}/recommendation.json"))
        curve = pd.read_csv(io.BytesIO(store.read(f"{entry.body['prefix']}/curve.csv")))
    advised = record.jackpot if record is not None else None
    chosen = float(str(decision.body["jackpot"])) if decision is not None else happened.announced
    timely = next((each for each in reversed(said) if not is_late(market, each)), None)
    followed = float(str(timely.body["jackpot"])) if timely is not None else happened.announced
    forecast = _at(curve, "expected_sales", happened.announced)
    low, high = (_at(curve, column, happened.announced) for column in ("sales_low_90", "sales_high_90"))
    sales = happened.sales
    return DrawOutcome(
        draw_date=day,
        status=record.status if record is not None else "none",
        recommended=advised,
        decided=chosen if decision is not None else None,
        # Records of an earlier release call it an override, too, where there was no recommendation.
        override=decision is not None and bool(decision.body["override"] and decision.body["recommendation"]),
        late=decision is not None and is_late(market, decision),
        supersessions=max(len(said) - 1, 0),
        announced=happened.announced,
        announced_otherwise=decision is not None and happened.announced not in (None, chosen),
        adopted=None if followed is None or advised is None else followed == advised,
        forecast=forecast,
        sales=sales,
        error_pct=100 * (sales / forecast - 1) if sales is not None and forecast else None,
        covered=None if sales is None or low is None or high is None else low <= sales <= high,
        value_recommended=record.expected_value if record is not None else None,
        value_decided=_at(curve, "expected_value", chosen),
        value_keep_last=record.keep_last.expected_value if record is not None else None,
        value_seed_rule=record.seed_rule.expected_value if record is not None else None,
        gain_over_keep_last=record.keep_last.gain if record is not None else None,
        gain_over_seed_rule=record.seed_rule.gain if record is not None else None,
        value_realised=happened.realised,
    )


def _at(curve: pd.DataFrame | None, column: str, jackpot: float | None) -> float | None:
    """Return a figure of the curve at a jackpot, between its points by straight lines; None off its ends."""
    if curve is None or jackpot is None:
        return None
    at = curve["jackpot"].to_numpy(dtype=float)
    if not at[0] <= jackpot <= at[-1]:
        return None
    return float(np.interp(jackpot, at, curve[column].to_numpy(dtype=float)))


def _happened(market: Market, row: object) -> _Happened:
    sales, paid, others = (float(getattr(row, name)) for name in ("sales", "jackpot_paid", "secondary_paid"))
    realised = sales * (1 - market.costs.share_of_sales) - paid - others - market.costs.fixed_per_draw
    # A pool's jackpot was set aside from earlier sales: what is paid is not what the draw cost.
    # Nor is it where an insurer bears a part, or prizes expire.
    plain = market.game.pool is None and market.insurance is None and market.unclaimed is None
    known = np.isfinite(realised) and plain
    return _Happened(float(row.jackpot), sales, realised if known else None)  # type: ignore[attr-defined]


def _month(market: str, month: str, rows: list[DrawOutcome]) -> Month:
    told = [row for row in rows if row.forecast is not None and row.sales is not None]
    sold = sum(row.sales or 0.0 for row in told)
    errors = [(row.sales or 0.0) - (row.forecast or 0.0) for row in told]
    both = [row for row in rows if row.value_recommended is not None and row.value_decided is not None]
    return Month(
        market=market,
        month=month,
        draws=len(rows),
        decided=sum(row.decided is not None for row in rows),
        overrides=sum(row.override for row in rows),
        adoption_pct=_share([row.adopted for row in rows]),
        wmape_pct=100 * sum(map(abs, errors)) / sold if sold else None,
        bias_pct=-100 * sum(errors) / sold if sold else None,
        coverage_90_pct=_share([row.covered for row in rows]),
        value_recommended=_sum([row.value_recommended for row in rows]),
        value_decided=_sum([row.value_decided for row in rows]),
        value_keep_last=_sum([row.value_keep_last for row in rows]),
        value_seed_rule=_sum([row.value_seed_rule for row in rows]),
        value_realised=_sum([row.value_realised for row in rows]),
        decided_below_recommended=_sum([(row.value_recommended or 0.0) - (row.value_decided or 0.0) for row in both]),
        gain_over_keep_last=_sum([row.gain_over_keep_last for row in rows]),
        gain_over_seed_rule=_sum([row.gain_over_seed_rule for row in rows]),
    )


def _share(values: list[bool | None]) -> float | None:
    known = [value for value in values if value is not None]
    return 100 * sum(known) / len(known) if known else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(known)) if known else None

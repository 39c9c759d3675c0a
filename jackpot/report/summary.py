"""What a report says, in words and tables, before it has a form: the HTML page and the Markdown both show this."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from ..market.schema import Market
from ..records import ENOUGH_DRAWS, Alternative, ConstraintState, Evaluation, Metadata, Recommendation
from .contract import ReportInputs
from .earlier import earlier
from .evaluation import EvaluationSummary, summarise_evaluation, untested
from .forecast import ForecastSummary, summarise_forecast
from .money import MINUS, NBSP, Money, long_date, one_in, percent, short_date
from .parts import Cell, Figure, Notice, Table, Tone
from .plan import PlanSummary, in_words, summarise_plan
from .sensitivity import SensitivitySummary, summarise_sensitivities

MOST_WARNINGS: Final = 40
"""More are counted, not listed; all of them stand beside the snapshot."""

STATUS_WORDS: Final = {
    "recommended": "✓ Recommended",
    "restoring": "▲ Restoring: not a normal recommendation",
    "infeasible": "✕ Infeasible: no recommendation",
}
CONSTRAINT_WORDS: Final[dict[str, tuple[str, Tone]]] = {
    "kept": ("✓ Kept", "good"),
    "binding": ("◆ Binding", "warn"),
    "violated": ("✕ Violated", "bad"),
    "not_checked": ("○ Not checked", "warn"),
}
WHO_IS_PAID: Final = {
    "shared": "The operator then pays the jackpot once, shared by all who win it.",
    "per_winner": "Each winning ticket is then paid the whole jackpot: two winners cost twice as much.",
    "rollover": "The pool then pays; the operator tops it up to the jackpot where it holds less.",
    "postcode": "All tickets of the drawn postcode then share one jackpot.",
}


@dataclass(frozen=True)
class CashSummary:
    """The restricted part: absent, not empty, where a report is made without cash figures."""

    figures: tuple[Figure, ...]
    sentence: str


@dataclass(frozen=True)
class Summary:
    """A report's words and tables, in the order in which they are read."""

    title: str
    status: str
    status_words: str
    facts: tuple[tuple[str, str], ...]
    headline: str
    sentences: tuple[str, ...]
    notices: tuple[Notice, ...]
    figures: tuple[Figure, ...]
    constraints: Table
    alternatives: Table
    plan: PlanSummary
    sensitivity: SensitivitySummary
    elasticity: Table
    forecast: ForecastSummary
    evaluation: EvaluationSummary
    earlier: Table
    warnings: tuple[str, ...]
    warnings_left_out: int
    lineage: Table
    cash: CashSummary | None


def summarise(inputs: ReportInputs) -> Summary:
    """Return what the report on `inputs` says; cash figures stand in `cash` alone."""
    market, record = inputs.market, inputs.recommendation
    money = Money(market.currency, market.currency_decimals)
    warnings = [in_words(str(warning), money) for warning in (*record.warnings, *inputs.problems)]
    return Summary(
        title=record.title,
        status=record.status,
        status_words=STATUS_WORDS[record.status],
        headline=_headline(record, money),
        sentences=_sentences(record, market, money),
        notices=_notices(record, inputs.evaluation, inputs.metadata),
        figures=_figures(record, inputs.market.game.payout, money),
        constraints=_constraints(record.constraints, money),
        alternatives=_alternatives(record, money),
        plan=summarise_plan(record, money),
        sensitivity=summarise_sensitivities(record, money),
        elasticity=_elasticity(record, money),
        forecast=summarise_forecast(record.explanation, money),
        evaluation=summarise_evaluation(inputs.evaluation, money),
        earlier=earlier(inputs.months, money),
        warnings=tuple(warnings[:MOST_WARNINGS]),
        warnings_left_out=max(0, len(warnings) - MOST_WARNINGS),
        lineage=_lineage(record, inputs.metadata, with_cash=inputs.cash is not None),
        cash=_cash(inputs, money),
        facts=(
            ("Draw", long_date(record.draw_date)),
            ("Decided as of", short_date(record.as_of)),
            ("Ticket", money.exact(market.price_on(dt.date.fromisoformat(record.draw_date)))),
        ),
    )


def _headline(record: Recommendation, money: Money) -> str:
    day = long_date(record.draw_date)
    if record.status == "infeasible" or record.jackpot is None:
        return f"No jackpot can be recommended for {day}"
    if record.status == "restoring":
        return f"Not a normal recommendation: {money.exact(record.jackpot)} is the surest way back for {day}"
    return f"Announce {money.exact(record.jackpot)} for {day}"


def _sentences(record: Recommendation, market: Market, money: Money) -> tuple[str, ...]:
    says: list[str] = []
    if record.status == "restoring":
        says.append(
            "What is left of a promised confidence can no longer be kept by any jackpot. This one keeps the most of "
            "it; it is not the one of the highest value."
        )
    if record.infeasibility is not None:
        wrong = record.infeasibility
        says += [
            f"In the way: {_sentence(in_words(wrong.reason, money))}",
            f"Smallest relaxation that would help: {_sentence(in_words(wrong.smallest_relaxation, money))}",
        ]
        if record.status == "infeasible":
            harm = money.exact(wrong.least_harmful_jackpot)
            says.append(f"The least harmful jackpot is {harm}: it breaks a constraint too, and is not recommended.")
    if record.status != "infeasible" and record.expected_value is not None:
        value = money.short(record.expected_value)
        says.append(f"This draw's expected value is {value}.{_against_last(record.keep_last, money)}")
        if record.near_optimal is not None:
            near = record.near_optimal
            says.append(
                f"Any jackpot from {money.exact(near.low)} to {money.exact(near.high)} costs at most "
                f"{percent(near.share)} of that, the draws ahead counted."
                if near.low < near.high
                else f"Any other jackpot on the grid costs more than {percent(near.share)} of that, "
                "the draws ahead counted."
            )
        if record.win_probability is not None:
            says.append(
                f"The risk: somebody wins the jackpot with probability {percent(record.win_probability, 2)}. "
                + WHO_IS_PAID[market.game.payout]
            )
        binding = [state.description for state in record.constraints if state.name == record.binding_constraint]
        if binding:
            says.append(f"What holds it there: {_sentence(binding[0])}")
    return tuple(says)


def _against_last(last: Alternative, money: Money) -> str:
    if last.jackpot is None or last.gain is None:
        return ""
    more = "more" if last.gain >= 0 else "less"
    but = "" if last.feasible else ", which would break a constraint"
    kept = f"keeping the last jackpot of {money.exact(last.jackpot)}{but}"
    return f" With the draws it leads to, it is worth {money.short(abs(last.gain))} {more} than {kept}."


def _notices(record: Recommendation, evaluation: Evaluation, metadata: Metadata) -> tuple[Notice, ...]:
    notices: list[Notice] = []
    if metadata.source_uri == "synthetic":
        notices.append(
            Notice(
                "warn", "Synthetic data", "Every draw behind this report was simulated. It says nothing of a real game."
            )
        )
    seen = record.model.draws_seen
    if seen is not None and seen < ENOUGH_DRAWS:
        basis = f"{seen} {'draw' if seen == 1 else 'draws'} of this market" if seen else "no draw of this market"
        notices.append(
            Notice("warn", "Few draws", f"The forecast rests on {basis}: its range is wide, and narrows as draws come.")
        )
    if not evaluation.n_test:
        notices.append(Notice("bad", "Untested model", f"{untested(evaluation)} Check by hand before you announce."))
    elif record.model.gates == "failed" or not evaluation.passed:
        failed = ", ".join(gate.name for gate in evaluation.gates if not gate.passed)
        notices.append(
            Notice("bad", "The model failed its gates", f"{failed or 'See its back-test'}: check before you announce.")
        )
    if metadata.model_standing == "candidate":
        notices.append(
            Notice("warn", "Unapproved model", "No champion is registered yet: a candidate made this forecast.")
        )
    if record.model.extrapolated and seen != 0:
        notices.append(
            Notice(
                "warn", "Extrapolated", "The jackpot lies above every one in training: sales there are a continuation."
            )
        )
    return tuple(notices)


def _figures(record: Recommendation, payout: str, money: Money) -> tuple[Figure, ...]:
    figures: list[Figure] = []
    if record.status == "infeasible":
        return ()
    if record.expected_value is not None:
        note = _range(record.expected_value_90, money, ", of demand alone")
        figures.append(Figure("Expected value", money.short(record.expected_value), record.expected_value, note))
    if record.expected_sales is not None:
        sales = record.expected_sales
        note = _range((sales.low_90, sales.high_90), money)
        figures.append(Figure("Expected sales", money.short(sales.mean), sales.mean, note))
    if record.win_probability is not None:
        chance = record.win_probability
        figures.append(Figure("Chance of a jackpot win", percent(chance, 2), chance, one_in(chance)))
    if record.expected_jackpot_payout is not None:
        note = ""
        if record.expected_secondary_prizes is not None:
            note = f"and {money.short(record.expected_secondary_prizes)} of other prizes"
        cost = record.expected_jackpot_payout
        name = "Expected top-up of the pool" if payout == "rollover" else "Expected jackpot cost"
        figures.append(Figure(name, money.short(cost), cost, note))
    return tuple(figures)


def _range(ends: tuple[float, float] | None, money: Money, suffix: str = "") -> str:
    return f"90%: {money.short(ends[0])} to {money.short(ends[1])}{suffix}" if ends else ""


def _constraints(states: tuple[ConstraintState, ...], money: Money) -> Table:
    def figure(value: float | None, unit: str | None, *, distance: bool = False) -> Cell:
        if value is None:
            return Cell("")
        if unit == "currency":
            return Cell(money.exact(value))
        if unit is None:
            return Cell(f"{value:.6g}".replace("-", MINUS))
        points = f"{100 * value:.4g}".replace("-", MINUS)
        return Cell(f"{points}{NBSP}points" if distance else f"{points}%")

    rows = []
    for state in states:
        words, tone = CONSTRAINT_WORDS[state.status]
        rows.append(
            (
                Cell(state.description),
                Cell(words, tone),
                figure(state.value, state.unit),
                figure(state.limit, state.unit),
                figure(state.distance, state.unit, distance=True),
                Cell(in_words(state.reason, money)),
            )
        )
    columns = ("Constraint", "Status", "Here", "Limit", "Distance", "Note")
    return Table("Constraints and how far each is", columns, tuple(rows), frozenset({2, 3, 4}))


def _alternatives(record: Recommendation, money: Money) -> Table:
    def row(name: str, other: Alternative) -> tuple[Cell, ...]:
        gain = "" if other.gain is None else ("+" if other.gain > 0 else "") + money.short(other.gain)
        return (
            Cell(name),
            Cell("none" if other.jackpot is None else money.exact(other.jackpot)),
            Cell("" if other.expected_value is None else money.short(other.expected_value)),
            Cell(gain),
            Cell("✓ Feasible", "good") if other.feasible else Cell("✕ Infeasible", "bad"),
            Cell(in_words(other.reason, money)),
        )

    feasible = {
        "recommended": Cell("✓ Feasible", "good"),
        "restoring": Cell("▲ Restoring", "warn"),
        "infeasible": Cell("✕ Infeasible", "bad"),
    }
    this = (
        Cell("This report"),
        Cell("none" if record.jackpot is None else money.exact(record.jackpot)),
        Cell("" if record.expected_value is None else money.short(record.expected_value)),
        Cell(""),
        feasible[record.status],
        Cell(""),
    )
    return Table(
        "This draw by other rules",
        ("Rule", "Jackpot", "Expected value", "Worth more, ahead", "Status", "Note"),
        (this, row("Keep the last jackpot", record.keep_last), row("Seed's rule", record.seed_rule)),
        frozenset({1, 2, 3}),
    )


def _elasticity(record: Recommendation, money: Money) -> Table:
    rows = tuple(
        (
            Cell(money.exact(at.jackpot)),
            Cell(_decimal(at.mean)),
            Cell(f"{_decimal(at.low_90)} to {_decimal(at.high_90)}"),
            Cell(f"{100 * (1.1**at.mean - 1):+.1f}%".replace("-", MINUS)),
        )
        for at in record.elasticity
    )
    columns = ("Jackpot", "Elasticity", "90% band", "Sales at +10%")
    return Table("Elasticity of sales to the jackpot", columns, rows, frozenset({1, 2, 3}))


def _lineage(record: Recommendation, metadata: Metadata, *, with_cash: bool) -> Table:
    inputs = metadata.inputs
    dirty = ", with uncommitted changes" if metadata.code_dirty else ""
    version = metadata.model_version or "unregistered"
    rows: list[tuple[str, Cell]] = [
        ("Recommendation", Cell(metadata.recommendation, is_hash=True)),
        ("Snapshot", Cell(inputs.snapshot, is_hash=True)),
        ("Draws", Cell(_draws(metadata))),
        ("Source", Cell(metadata.source_uri)),
        ("Source version", Cell(metadata.source_version or "none")),
        ("Market file", Cell(metadata.market_file)),
        ("Market file's hash", Cell(inputs.market_file, is_hash=True)),
        ("Model", Cell(f"{metadata.model_name} {version}, {metadata.model_standing}")),
        ("Model's hash", Cell(inputs.model, is_hash=True)),
        ("Code", Cell(f"{metadata.code_commit or 'no commit'}{dirty}")),
        ("Image", Cell(metadata.image or "none: run outside a container")),
        ("Environment lock", Cell(metadata.lock, is_hash=True) if metadata.lock else Cell("none")),
        ("Environment", Cell(f"{metadata.environment}, Python {metadata.python}")),
        ("Seed", Cell(str(metadata.seed))),
        ("Run", Cell(metadata.run_id)),
        ("Started, finished", Cell(f"{metadata.started_at}, {metadata.finished_at}")),
        ("Record's schema", Cell(f"version {record.schema_version}")),
    ]
    if with_cash and inputs.cash_figures is not None:
        rows.insert(9, ("Cash figures", Cell(inputs.cash_figures, is_hash=True)))
    return Table("Where this comes from", ("What", "Which"), tuple((Cell(name), cell) for name, cell in rows))


def _draws(metadata: Metadata) -> str:
    if metadata.first_draw is None or metadata.last_draw is None:
        return "none yet"
    return f"{metadata.snapshot_rows:,}, {short_date(metadata.first_draw)} to {short_date(metadata.last_draw)}"


def _cash(inputs: ReportInputs, money: Money) -> CashSummary | None:
    cash = inputs.cash
    if cash is None:
        return None
    last = cash.fan.iloc[-1]
    end = float(last["p50"])
    note = f"90%: {money.short(float(last['p05']))} to {money.short(float(last['p95']))}"
    kept = cash.probability_kept >= cash.confidence
    return CashSummary(
        figures=(
            Figure("Cash now", money.short(cash.cash_now), cash.cash_now),
            Figure(
                "Floor kept",
                percent(cash.probability_kept),
                cash.probability_kept,
                f"{'✓' if kept else '✕'} asked: {percent(cash.confidence)} above {money.exact(cash.floor)}",
            ),
            Figure(f"Median after {len(cash.fan)} draws", money.short(end), end, note),
        ),
        sentence=f"Cash stays at or above {money.exact(cash.floor)} after each draw left in the named period with "
        f"probability {percent(cash.probability_kept)}; {percent(cash.confidence)} is asked for.",
    )


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _decimal(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)

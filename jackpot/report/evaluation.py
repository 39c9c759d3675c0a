"""What a back-test says, in words and tables: for the report, the dashboard's page of it and the model card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..records import Evaluation, JackpotSlice, Residuals, Score, Skill, Slice, Tuning
from .money import MINUS, Money, percent, short_date
from .parts import Cell, Table, Tone

UNLIKELY: Final = 0.01
"""A coverage that chance alone explains less often than this is called too low, or too high."""
BASELINE_WORDS: Final[dict[str, str]] = {
    "naive": "what was sold last time",
    "seasonal_naive": "what was sold last time on that weekday",
    "log_log_ols": "a straight line in logs",
}


@dataclass(frozen=True)
class EvaluationSummary:
    """Sentences and tables about a back-test, in the order in which they are read; a table without rows is left out."""

    sentence: str
    findings: tuple[str, ...]
    forecasters: Table
    skill: Table
    horizons: Table
    by_jackpot: Table
    parts: Table
    worst: Table
    gates: Table

    @property
    def tables(self) -> tuple[Table, ...]:
        """All tables that have rows."""
        every = (
            self.forecasters, self.skill, self.horizons, self.by_jackpot, self.parts, self.worst, self.gates
        )  # fmt: skip
        return tuple(table for table in every if table.rows)


def summarise_evaluation(evaluation: Evaluation, money: Money) -> EvaluationSummary:
    """Return what an evaluation says; a record of version 1 says less."""
    return EvaluationSummary(
        sentence=_sentence(evaluation),
        findings=tuple(_findings(evaluation)),
        forecasters=_forecasters(evaluation) if evaluation.n_test else Table("", (), ()),
        skill=_skill(evaluation.skill),
        horizons=_horizons(evaluation),
        by_jackpot=_by_jackpot(evaluation.by_jackpot, money),
        parts=_parts(evaluation),
        worst=_worst(evaluation, money),
        gates=_gates(evaluation),
    )


def verdict(skill: Skill) -> tuple[str, Tone]:
    """Return in words whether the model beats another forecaster, and by more than chance."""
    if skill.skill is None or skill.p_value is None:
        return "○ Too few draws to tell", "warn"
    if skill.p_value > 0.05:
        return "○ No proven difference", "warn"
    better = skill.skill.value > 0
    sure = "Clearly" if skill.p_value < 0.01 else "Probably"
    return (f"✓ {sure} better", "good") if better else (f"✕ {sure} worse", "bad")


def chance(p_value: float | None) -> str:
    """Return a p-value as odds that a person reads: "1 in 40"; empty where there is none."""
    if p_value is None:
        return ""
    if p_value < 0.001:
        return "less than 1 in 1,000"
    return f"1 in {1 / p_value:.0f}" if p_value < 0.3 else percent(p_value, 2)


def untested(evaluation: Evaluation) -> str:
    """Return why a model could not be tested, as a sentence; empty where it was."""
    said = "; ".join(gate.reason for gate in evaluation.gates)
    return "" if evaluation.n_test else f"{said[:1].upper()}{said[1:]}."


def _forecasters(evaluation: Evaluation) -> Table:
    def row(name: str, score: Score) -> tuple[Cell, ...]:
        figures = (
            (score.wmape_pct, "{:.1f}%"), (score.mase, "{:.2f}"), (score.coverage_90_pct, "{:.1f}%"),
            (score.bias_pct, "{:+.1f}%"),
        )  # fmt: skip
        told = ("" if figure is None else form.format(figure) for figure, form in figures)
        return Cell(name), *(Cell(text.replace("-", MINUS)) for text in told)

    return Table(
        "Errors over the back-test",
        ("Forecaster", "wMAPE", "MASE", "90% coverage", "Bias"),
        (
            row(f"{evaluation.model.name} (this model)", evaluation.model),
            *(row(score.name, score) for _, score in sorted(evaluation.baselines.items())),
        ),
        frozenset({1, 2, 3, 4}),
    )


def _gates(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            Cell(gate.name),
            Cell("✓ Passed", "good") if gate.passed else Cell("✕ Failed", "bad"),
            Cell("" if gate.value is None else f"{gate.value:.4g}".replace("-", MINUS)),
            Cell(gate.must),
            Cell(gate.reason),
        )
        for gate in evaluation.gates
    )
    return Table("Gates of the model", ("Gate", "Verdict", "Figure", "Must be", "Reason"), rows, frozenset({2}))


def _sentence(evaluation: Evaluation) -> str:
    if evaluation.first_test_date is None or evaluation.last_test_date is None:
        return f"The forecast has not been tested. {untested(evaluation)}"
    words = (
        f"{evaluation.n_test} draws from {short_date(evaluation.first_test_date)} to "
        f"{short_date(evaluation.last_test_date)}, each forecast from the draws before it, after {evaluation.n_train} "
        "to learn from."
    )
    n = evaluation.specials.n
    if n:
        error = evaluation.specials.mape_pct
        missed = "" if error is None else f" (mean error {error:.1f}%)"
        words += f" {n} special {'draw' if n == 1 else 'draws'} in that time{missed} count in no other figure."
    return words


def _skill(skills: Sequence[Skill]) -> Table:
    rows = []
    for skill in skills:
        words, tone = verdict(skill)
        value, ends = "", ""
        if skill.skill is not None:
            value = _points(100 * skill.skill.value)
            if skill.skill.low_90 is not None and skill.skill.high_90 is not None:
                ends = f"{_points(100 * skill.skill.low_90)} to {_points(100 * skill.skill.high_90)}"
        rows.append(
            (
                Cell(BASELINE_WORDS.get(skill.over, skill.over)),
                Cell(value),
                Cell(ends),
                Cell(words, tone),
                Cell(chance(skill.p_value)),
            )
        )
    columns = ("Against", "Errs less by", "90% interval", "Verdict", "Chance of this, were they equal")
    return Table("Does the model beat simple rules?", columns, tuple(rows), frozenset({1, 2, 4}))


def _horizons(evaluation: Evaluation) -> Table:
    rows = tuple(
        (
            Cell(f"{at.ahead} {'draw' if at.ahead == 1 else 'draws'}"),
            Cell(f"{at.wmape_pct:.1f}%"),
            Cell(f"{min(at.baselines_wmape_pct.values()):.1f}%" if at.baselines_wmape_pct else ""),
            *_coverage(at),
            Cell(f"{at.n:,}"),
        )
        for at in evaluation.horizons
    )
    columns = ("Ahead", "wMAPE", "Best simple rule", "90% coverage", "Width", "Interval", "Draws")
    return Table("How far ahead it can see, jackpots known", columns, rows, frozenset({1, 2, 3, 4, 6}))


def _by_jackpot(slices: Sequence[JackpotSlice], money: Money) -> Table:
    rows = tuple(
        (
            Cell(f"{_jackpot(part.smallest_jackpot, money)} to {_jackpot(part.largest_jackpot, money)}"),
            Cell(f"{part.wmape_pct:.1f}%"),
            Cell(_points(part.bias_pct)),
            *_coverage(part),
            Cell(f"{part.n:,}"),
        )
        for part in slices
    )
    columns = ("Jackpot", "wMAPE", "Bias", "90% coverage", "Width", "Interval", "Draws")
    return Table("By size of the jackpot", columns, rows, frozenset({1, 2, 3, 4, 6}))


def _parts(evaluation: Evaluation) -> Table:
    groups = (
        ("Price", evaluation.by_price),
        ("Season", evaluation.by_quarter),
        ("Weekday", evaluation.by_weekday),
    )
    rows = tuple(
        (
            Cell(f"{kind}: {part.name}"),
            Cell(f"{part.wmape_pct:.1f}%"),
            Cell(_points(part.bias_pct)),
            *_coverage(part),
            Cell(f"{part.n:,}"),
        )
        for kind, parts in groups
        if len(parts) > 1
        for part in parts
    )
    columns = ("Part", "wMAPE", "Bias", "90% coverage", "Width", "Interval", "Draws")
    return Table("By price, season and weekday", columns, rows, frozenset({1, 2, 3, 4, 6}))


def _coverage(part: Slice) -> tuple[Cell, Cell, Cell]:
    told = Cell("✓ Holds", "good")
    if part.coverage_p_value < UNLIKELY:
        told = Cell("✕ Too narrow", "bad")
    elif part.coverage_high_p_value < UNLIKELY:
        told = Cell("○ Too wide", "warn")
    return Cell(f"{part.coverage_90_pct:.0f}%"), Cell(f"{part.width_90_pct:.0f}%"), told


def _worst(evaluation: Evaluation, money: Money) -> Table:
    rows = tuple(
        (
            Cell(short_date(draw.draw_date)),
            Cell(money.short(draw.jackpot)),
            Cell(money.short(draw.sales)),
            Cell(money.short(draw.forecast)),
            Cell(_points(100 * (draw.forecast / draw.sales - 1))),
            Cell(percent(draw.share_of_error, 2)),
        )
        for draw in evaluation.worst
    )
    share = "" if evaluation.worst_share is None else f": {percent(evaluation.worst_share, 2)} of all error"
    columns = ("Draw", "Jackpot", "Sales", "Forecast", "Error", "Share of all error")
    return Table(f"The worst draws{share}", columns, rows, frozenset({1, 2, 3, 4, 5}))


def _findings(evaluation: Evaluation) -> list[str]:
    says = []
    error, bias = evaluation.wmape_pct, evaluation.bias_pct
    if error is not None and error.low_90 is not None and error.high_90 is not None:
        says.append(
            f"It errs by {error.value:.1f}% of sales; in another such period, by {error.low_90:.1f}% to "
            f"{error.high_90:.1f}% (90% interval)."
        )
    if bias is not None and bias.standard_error is not None:
        side = "above" if bias.value > 0 else "below"
        chance_words = (
            "no more than chance does" if abs(bias.value) <= 2 * bias.standard_error else "more than by chance"
        )
        says.append(
            f"In total it forecast {abs(bias.value):.1f}% {side} what was sold, {chance_words} (standard error "
            f"{bias.standard_error:.1f} points)."
        )
    if evaluation.calibration is not None:
        held = ", ".join(f"the {i.nominal_pct:.0f}% {i.observed_pct:.0f}%" for i in evaluation.calibration.intervals)
        says.append(f"Of the sales, its intervals held: {held}.")
    if evaluation.residuals is not None:
        says.append(_left_over(evaluation.residuals))
    if evaluation.method is not None and evaluation.horizons and evaluation.method.origin_stride > 1:
        says.append(
            f"Forecasts several draws ahead start after every {evaluation.method.origin_stride} draws of the window, "
            f"{evaluation.method.origins} times."
        )
    if evaluation.tuning is not None:
        says.append(_settings(evaluation.tuning))
    return says


def _settings(tuning: Tuning) -> str:
    last = f"draws to {short_date(tuning.last_draw)}" if tuning.last_draw else "no draws"
    source = f"{tuning.trials_done} trials on {last}"
    if not tuning.settings:
        return f"Its settings are the default's, after {source}: {tuning.reason}."
    factors = ", ".join(f"{name.replace('_', ' ')} {factor:.2g}" for name, factor in sorted(tuning.settings.items()))
    return f"Its settings are those of {source}: {tuning.reason}. Factors on the default's: {factors}."


def _left_over(left: Residuals) -> str:
    found = []
    if left.ljung_box_p_value < UNLIKELY:
        found.append(f"errors of neighbouring draws are alike (correlation {_decimal(left.autocorrelation)})")
    if left.mean_drift_p_value < UNLIKELY:
        found.append(f"they {'rise' if left.mean_drift > 0 else 'fall'} over the window")
    if left.scale_drift_p_value < UNLIKELY:
        found.append(f"they {'grow' if left.scale_drift > 0 else 'shrink'} over the window")
    if not found:
        return "Its errors show no pattern that chance would not: no correlation in time, no drift in mean or size."
    return f"Its errors show a pattern that a better model could use: {', and '.join(found)}."


def _jackpot(amount: float, money: Money) -> str:
    return money.axis(float(f"{amount:.3g}"))


def _points(value: float) -> str:
    return f"{value:+.1f}%".replace("-", MINUS)


def _decimal(value: float) -> str:
    return f"{value:.2f}".replace("-", MINUS)

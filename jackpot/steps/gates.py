"""The gates that a candidate passes or fails: floors of its own, then the champion on the same draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..demand.storage import load_model, model_hash
from ..errors import JackpotError
from ..evaluation.backtest import Backtest
from ..ports import Files, RegisteredModel
from ..records import AgainstChampion, DecisionBeside, Evaluation, GateLine, Gates
from .model_in_use import ModelInUse, Standing
from .week import Week

Outcome = Literal["first", "challenger_better", "refresh", "tie", "champion_better", "not_comparable", "floor"]
UNTESTED = "there is too little to test"


@dataclass(frozen=True)
class Candidate:
    """What asks to follow the champion: a fitted model's files and its back-test on this week's draws."""

    files: Files
    test: Backtest


def judge(
    week: Week, candidate: Candidate, champion: RegisteredModel | JackpotError | None, retraining: str | None = None
) -> Gates:
    """Return the verdict of every gate; an error in place of the champion says why there is no comparing.

    The candidate passes where it keeps every floor and there is no champion, or it forecasts better than the champion
    at the stated error rate, or it has the champion's settings and the champion's parameters are old or, by
    `retraining`, the monitor's reason, no longer hold; and the decision with it is, in the champion's eyes, not far
    worth less. A tie keeps the champion.
    """
    lines = floors(week, candidate.test.evaluation)
    kept = all(line.verdict == "passed" for line in lines)
    against: AgainstChampion | None = None
    beside: DecisionBeside | None = None
    better = False
    outcome: Outcome
    if champion is None:
        outcome, summary, better = "first", "there is no champion: the floors decide", True
        lines += [_skipped("better_than_champion", "there is no champion")]
        lines += [_skipped("decision_regression", "there is no champion")]
    elif not candidate.test.evaluation.n_test:
        outcome, summary = "floor", UNTESTED
        lines += [_skipped("better_than_champion", UNTESTED), _skipped("decision_regression", UNTESTED)]
    elif isinstance(champion, JackpotError):
        outcome, summary = "not_comparable", str(champion)
        lines += [GateLine(name="better_than_champion", figure=None, threshold="", verdict="failed", reason=summary)]
        lines += [_skipped("decision_regression", "the champion cannot be compared with")]
    else:
        against = compare(week, candidate, champion)
        line, outcome = _comparison_line(week, against, retraining)
        better, summary = line.verdict == "passed", line.reason
        lines.append(line)
        if kept and better:
            beside = decisions(week, candidate, champion)
            lines.append(_decision_line(week, beside))
        else:
            lines.append(_skipped("decision_regression", "the champion stays anyway"))
    passed = better and all(line.verdict != "failed" for line in lines)
    failed = [line for line in lines if line.verdict == "failed" and line.name != "better_than_champion"]
    if failed:
        outcome, summary = "floor", "; ".join(line.reason for line in failed)
    checks = week.checks
    return Gates(
        market=checks.market,
        model_name=checks.model_name,
        model_sha256=model_hash(candidate.files),
        snapshot=checks.snapshot,
        market_file=checks.market_file,
        as_of=checks.as_of,
        outcome=outcome,
        summary=summary,
        champion=against,
        decision=beside,
        lines=tuple(lines),
        passed=passed,
    )


def floors(week: Week, evaluation: Evaluation) -> list[GateLine]:
    """Return the gates that need no champion: those of the back-test, and the data behind it."""
    lines = [
        GateLine(
            name=gate.name,
            figure=gate.value,
            threshold=gate.must,
            verdict="passed" if gate.passed else "failed",
            reason=gate.reason,
        )
        for gate in evaluation.gates
    ]
    checks, largest = week.checks, week.market.gates.largest_warned_share
    share = (len(checks.warnings) + checks.quarantined) / max(checks.rows + checks.quarantined, 1)
    data = GateLine(
        name="data_warnings",
        figure=share,
        threshold=f"<= {largest:g}",
        verdict="passed" if share <= largest else "failed",
        reason=f"{len(checks.warnings)} warnings and {checks.quarantined} quarantined rows in {checks.rows} rows",
    )
    return [*lines, data]


def compare(week: Week, candidate: Candidate, champion: RegisteredModel) -> AgainstChampion:
    """Compare the settings of both over the back-test's window, each fitted to the draws before it."""
    from ..demand.common import ordinary
    from ..evaluation.champion import draws_since, mean_above_zero, same_settings, window_errors

    own, held = load_model(candidate.files), load_model(champion.files)
    draws = week.history.draws
    against = AgainstChampion(
        version=champion.version,
        model_sha256=champion.sha256,
        same_settings=same_settings(own, held),
        draws_since=draws_since(draws, champion.as_of),
    )
    if against.same_settings:
        return against
    window = candidate.test.frame.iloc[-_window_length(candidate.test) :]
    counted = ordinary(window)
    sales = window["sales"].to_numpy(float)[counted]
    errors = abs(window["sales"].to_numpy(float) - window["forecast"].to_numpy(float))[counted]
    champions = window_errors(held, draws, week.market)
    test, reverse = mean_above_zero(champions - errors), mean_above_zero(errors - champions)
    return against.model_copy(
        update={
            "n": len(sales),
            "wmape_pct": 100 * float(errors.sum() / sales.sum()),
            "champion_wmape_pct": 100 * float(champions.sum() / sales.sum()),
            "gain": 1 - float(errors.sum() / champions.sum()) if champions.sum() > 0 else None,
            "p_value": test.p_value if test else None,
            "champion_better_p_value": reverse.p_value if reverse else None,
            "degrees_of_freedom": test.degrees_of_freedom if test else None,
        }
    )


def decisions(week: Week, candidate: Candidate, champion: RegisteredModel) -> DecisionBeside:
    """Decide this week with either model, without cash figures, and see the challenger's with the champion's eyes."""
    import numpy as np

    from .optimise import decide_week

    evaluation = candidate.test.evaluation
    standing = Standing(standing="candidate", version=None)
    models = (ModelInUse.of(one.files, evaluation, standing) for one in (candidate, champion))
    own, held = (decide_week(week, model, None, with_sensitivities=False) for model in models)
    ours, theirs = own.recommendation, held.recommendation
    seen: float | None = None
    if ours.jackpot is not None:
        seen = float(np.interp(ours.jackpot, held.curve["jackpot"], held.curve["expected_value"]))
    return DecisionBeside(
        draw_date=ours.draw_date,
        champion_status=theirs.status,
        challenger_status=ours.status,
        champion_jackpot=theirs.jackpot,
        challenger_jackpot=ours.jackpot,
        champion_value=theirs.expected_value,
        challenger_value=ours.expected_value,
        value_in_champions_eyes=seen,
    )


def gates_markdown(gates: Gates) -> str:
    """Return the gates as a page for the dashboard."""
    from ..report.markup import plain

    verdicts = {"passed": "passed", "failed": "**failed**", "not_examined": "not examined"}
    rows = [
        f"| {line.name} | {'' if line.figure is None else f'{line.figure:.4g}'} | {plain(line.threshold)} "
        f"| {verdicts[line.verdict]} | {plain(line.reason)} |"
        for line in gates.lines
    ]
    verdict = "The candidate passed" if gates.passed else "The candidate does not go on"
    head = [f"# {verdict}: {plain(gates.outcome.replace('_', ' '))}", plain(gates.summary)]
    table = "\n".join(["| gate | figure | threshold | verdict | reason |", "|---|---|---|---|---|", *rows])
    return "\n\n".join([*head, table]) + "\n"


_ORDER = {"recommended": 2, "restoring": 1, "infeasible": 0}


def _comparison_line(week: Week, against: AgainstChampion, retraining: str | None) -> tuple[GateLine, Outcome]:
    wanted, name = week.market.gates, "better_than_champion"
    if against.same_settings:
        old = against.draws_since >= wanted.refresh_after_draws
        asked = f"the monitor asks for a retraining ({retraining}): "
        return GateLine(
            name=name,
            figure=against.draws_since,
            threshold=f">= {wanted.refresh_after_draws} draws since the champion was trained, settings being the same; "
            "or the monitor asks for a retraining",
            verdict="passed" if old or retraining else "failed",
            reason=f"the settings are those of champion {against.version}, trained {against.draws_since} draws ago: "
            + (asked if retraining else "")
            + ("its parameters may be renewed" if old or retraining else "it stays"),
        ), "refresh" if old or retraining else "tie"
    rate = wanted.false_promotion_rate
    outcome: Outcome
    better = against.p_value is not None and against.p_value <= rate
    worse = against.champion_better_p_value is not None and against.champion_better_p_value <= rate
    figures = (
        f"wMAPE {against.wmape_pct:.2f}% against {against.champion_wmape_pct:.2f}% of champion {against.version} over "
        f"{against.n} draws"
    )
    said = UNTESTED if against.p_value is None else f"p = {against.p_value:.3f}"
    outcome = "challenger_better" if better else "champion_better" if worse else "tie"
    return GateLine(
        name=name,
        figure=against.p_value,
        threshold=f"p <= {rate:g}, one-sided: an equal challenger passes in {rate:.0%} of cases",
        verdict="passed" if better else "failed",
        reason=f"{figures}: {outcome.replace('_', ' ')} ({said})",
    ), outcome


def _decision_line(week: Week, beside: DecisionBeside) -> GateLine:
    largest = week.market.gates.largest_value_loss
    best, seen = beside.champion_value, beside.value_in_champions_eyes
    # What a jackpot is worth is small beside sales where the best value is near nil: nothing is then told by a share.
    loss = (best - seen) / abs(best) if best and seen is not None else 0.0
    sunk = _ORDER[beside.challenger_status] < _ORDER[beside.champion_status]
    jackpots = [
        "none" if jackpot is None else f"{jackpot:,.0f}"
        for jackpot in (beside.challenger_jackpot, beside.champion_jackpot)
    ]
    return GateLine(
        name="decision_regression",
        figure=loss,
        threshold=f"<= {largest:g} of the draw's expected value, and no worse status",
        verdict="passed" if loss <= largest and not sunk else "failed",
        reason=f"for {beside.draw_date} the challenger announces {jackpots[0]} ({beside.challenger_status}), the "
        f"champion {jackpots[1]} ({beside.champion_status}); in the champion's eyes that gives up {loss:.1%}",
    )


def _skipped(name: str, reason: str) -> GateLine:
    return GateLine(name=name, figure=None, threshold="", verdict="not_examined", reason=reason)


def _window_length(test: Backtest) -> int:
    return int(test.frame["forecast"].notna().sum())

"""What the detectors say of the draws since a model was trained, in states and words, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from ..records import Detected
from .detectors import DETECTORS, Detector, paths
from .errors import OneStepErrors
from .thresholds import THRESHOLDS

SMALLEST_FOR_STOP: Final = 6
"""Draws over which a model has to err more than a naive forecast before it is stopped."""
Verdict = Literal["nothing", "watch", "retrain", "stop"]


def baseline_size(available: int, wanted: int) -> int:
    """Return how many draws the baseline has: the largest that thresholds are tabulated for; 0 where none fits."""
    return max((size for size in THRESHOLDS if size <= min(available, wanted)), default=0)


def sequential(baseline: OneStepErrors | None, watched: OneStepErrors) -> tuple[Detected, ...]:
    """Return each sequential detector after the last draw; the baseline has a size of THRESHOLDS, or is None."""
    if baseline is None or not len(watched):
        why = "too few draws for a baseline" if baseline is None else "no draw since the model was trained"
        return tuple(Detected(name=name, state="not_checked", evidence=why) for name in DETECTORS)
    found = paths(baseline.standard, watched.standard)
    flat = float(np.ptp(baseline.log_jackpots)) < 1e-6
    return tuple(
        Detected(name=name, state="not_checked", evidence="the jackpots of the baseline never differ")
        if name == "elasticity" and flat
        else _detected(name, float(found[name].statistic[-1]), int(found[name].draws[-1]), baseline, watched)
        for name in DETECTORS
    )


def _detected(
    name: Detector, statistic: float, draws: int, baseline: OneStepErrors, watched: OneStepErrors
) -> Detected:
    watch, retrain = (THRESHOLDS[len(baseline)][verdict][name] for verdict in ("watch", "retrain"))
    return Detected(
        name=name,
        state="retrain" if statistic > retrain else "watch" if statistic > watch else "quiet",
        evidence=_words(name, draws, baseline, watched),
        statistic=statistic,
        watch_above=watch,
        retrain_above=retrain,
        since=watched.dates[-draws].date().isoformat(),
        draws=draws,
    )


def _words(name: Detector, draws: int, baseline: OneStepErrors, watched: OneStepErrors) -> str:
    """Return the size of the difference over the span that speaks loudest."""
    last = f"the last {draws} draws" if draws > 1 else "the last draw"
    errors, scores = watched.log_errors[-draws:], watched.standard.scores[-draws:]
    if name == "level":
        off = 100 * float(np.expm1(errors.mean() - baseline.log_errors.mean()))
        return f"sales were {abs(off):.1f}% {'above' if off > 0 else 'below'} the forecast over {last}"
    if name == "variance":
        usual = baseline.standard.scores
        ratio = float(np.mean((scores - usual.mean()) ** 2) / usual.var(ddof=1))
        return f"errors over {last} had {ratio:.1f} times the variance of the baseline"
    if name == "elasticity":
        pull = watched.log_jackpots[-draws:] - baseline.log_jackpots.mean()
        change = float(pull @ errors / max(float(pull @ pull), 1e-12))
        return f"the elasticity was off by {change:+.2f} over {last}"
    missed = int((np.abs(scores) > 1.6448536269514722).sum())
    return f"{missed} of {last} fell outside the forecast's 90% interval"


def verdict(
    detectors: Sequence[Detected], data: Sequence[Detected], fans: Sequence[Detected], errs_more_than_naive: bool
) -> tuple[Verdict, str, str]:
    """Return the verdict, its cause by name, and its reason: the loudest of what was found.

    `stop`: there is an alarm, and over its draws the model errs more than a naive forecast.
    """
    alarms = sorted((one for one in detectors if one.state == "retrain"), key=_loudness, reverse=True)
    alarms += [one for one in data if one.state == "retrain"]
    if alarms:
        reason = "; ".join(one.evidence for one in alarms)
        if errs_more_than_naive:
            return "stop", alarms[0].name, f"{reason}; and what was sold last time forecasts better than the model"
        return "retrain", alarms[0].name, reason
    seen = sorted((one for one in detectors if one.state == "watch"), key=_loudness, reverse=True)
    seen += [one for one in (*data, *fans) if one.state != "quiet" and one.state != "not_checked"]
    if seen:
        return "watch", seen[0].name, "; ".join(one.evidence for one in seen)
    return "nothing", "", "nothing stands out"


def _loudness(found: Detected) -> float:
    return (found.statistic or 0.0) / (found.retrain_above or 1.0)

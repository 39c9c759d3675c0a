"""`boosted_state_space`: gradient boosting on the one-step residuals of the state-space regression.

The trees see the calendar, the memory and the last errors, never the draw's own jackpot: they correct the level of a
draw, and the demand curve stays that of the regression, smooth and never falling. Half of what they say is
believed, and of the next draw alone, since the last errors tell little of later ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import Market
from . import calendar_effects
from .base import Ahead, Array, DemandModel, OneStep, learned
from .calendar_effects import OCCASIONS
from .calibration import rolling
from .common import check_figures
from .features import gap_days
from .settings import Settings
from .state_space import Run, StateSpaceDemand, StateSpaceModel
from .trees import Trees

BELIEF = 0.5
"""Share of a correction that is applied."""
CLIP = 2.5
SMALLEST = 150
"""Ordinary draws with an error, under which nothing is boosted."""
SETTINGS: Final[dict[str, Any]] = {
    "max_iter": 60,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "l2_regularization": 5.0,
}
LAGS = 3


def correction_features(dates: pd.DatetimeIndex, gaps: Array, calendar: Array, memory: Array, errors: Array) -> Array:
    """Return what the trees see, shape (n, k): weekday, log gap, day of the year and month, occasions, and the past.

    `calendar` holds the calendar's effects, (n, SIZE), of which the month's waves are left out: its days stand in.
    """
    past = np.column_stack([calendar[:, :OCCASIONS], memory, errors])
    return np.column_stack([dates.dayofweek, np.log(gaps), dates.dayofyear, dates.day, past]).astype(float)


def last_errors(standard: Array, counted: npt.NDArray[np.bool_]) -> Array:
    """Return the last three standardised errors before each draw and after the last, shape (n + 1, 3)."""
    kept = np.clip(np.where(counted, standard, 0.0), -CLIP, CLIP)
    padded = np.concatenate([np.zeros(LAGS), kept])
    return np.column_stack([padded[LAGS - lag : len(padded) - lag + 1] for lag in range(1, LAGS + 1)])


class BoostedDemand(StateSpaceDemand):
    """A state-space forecast whose next draw is corrected by what the trees say, after the last errors, (LAGS,)."""

    def __init__(self, plain: StateSpaceDemand, trees: Trees | None, errors_before: Array) -> None:
        vars(self).update(vars(plain))  # the regression's state and its ensemble, not copies of them
        self.trees, self.errors_before = trees, errors_before

    def correction(self, dates: pd.DatetimeIndex) -> Array:
        """Return what is added to log sales, shape (d,): nought but for the next draw."""
        said = np.zeros(len(dates))
        if self.trees is not None and len(dates):
            path = self.path(dates)
            calendar = path.by_date[:1, -calendar_effects.SIZE :]
            errors = self.errors_before[None]
            seen = correction_features(dates[:1], path.gaps[:1], calendar, self.past.to_come(1), errors)
            sd = np.sqrt(self.state.weights @ self.state.variance)
            said[0] = BELIEF * sd * self.trees.predict(seen)[0]
        return said

    def kept(self) -> dict[str, Array]:
        """Return what the filter knows, and the last errors."""
        return {**super().kept(), "errors_before": self.errors_before}

    def _base(self, parameters: Array, dates: pd.DatetimeIndex) -> Array:
        base: Array = super()._base(parameters, dates) + self.correction(dates)
        return base


class BoostedModel(DemandModel):
    """Boosted corrections of a state-space regression, fitted on its one-step errors in the training window."""

    name: ClassVar[str] = "boosted_state_space"

    def __init__(self, base: StateSpaceModel | None = None, trees: Trees | None = None) -> None:
        self.base, self.trees = base, trees
        self.settings = base.settings if base else Settings()

    @classmethod
    def tuned(cls, settings: Settings) -> Self:
        """Return an unfitted model with these settings of its regression."""
        return cls(StateSpaceModel(settings=settings))

    @property
    def regression(self) -> StateSpaceModel:
        """Return the fitted regression; raise InputError before `fit`."""
        return learned(self.base)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Fit the regression, then the trees on its errors; under 150 ordinary draws, the regression alone."""
        return self.fit_on(StateSpaceModel(settings=self.settings).fit(draws, market), draws, market)

    def fit_on(self, base: StateSpaceModel, draws: pd.DataFrame, market: Market) -> Self:
        """Fit the trees alone, on the errors of a regression that is fitted already."""
        self.base, self.trees, self.settings = base, None, base.settings
        run = base.run(draws, market)
        if run.counted.sum() >= SMALLEST:
            target = np.clip(run.standard, -CLIP, CLIP)[run.counted]
            self.trees = Trees.grow(self._features(run, draws)[run.counted], target, seed=1, **SETTINGS)
        return self

    def _features(self, run: Run, draws: pd.DataFrame) -> Array:
        groups = self.regression.fitted.design.groups
        dates = pd.DatetimeIndex(draws["draw_date"])
        calendar, memory = (run.rows[:, groups[name]] for name in ("calendar", "memory"))
        errors = last_errors(run.standard, run.counted)[:-1]
        return correction_features(dates, gap_days(dates, None), calendar, memory, errors)

    def corrected(self, draws: pd.DataFrame, market: Market) -> tuple[Run, Array]:
        """Return the regression's run, and the correction of each draw's log sales, shape (n,)."""
        run = self.regression.run(draws, market)
        mean, variance = run.moments
        said = np.zeros(len(mean))
        if self.trees is not None and len(mean):
            said = BELIEF * self.trees.predict(self._features(run, draws)) * np.sqrt(variance)
            said[[bool(name) for name in run.names]] = 0.0
        return run, said

    def condition(self, draws: pd.DataFrame, market: Market) -> BoostedDemand:
        """Filter the state of the regression; the trees correct what comes next."""
        run = self.regression.run(draws, market)
        errors_before = last_errors(run.standard, run.counted)[-1]
        return BoostedDemand(self.regression.condition(draws, market), self.trees, errors_before)

    def restore(self, kept: Mapping[str, Array], market: Market) -> BoostedDemand:
        """Return the demand that gave `kept`; raise KeyError or ValueError where it is none of this model's."""
        return BoostedDemand(self.regression.restore(kept, market), self.trees, kept["errors_before"])

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one, each corrected by the trees."""
        check_figures(draws.iloc[:first])
        run, said = self.corrected(draws, market)
        log_median, variance = self.regression.log_forecasts(draws, market, first)
        factor = rolling(run.standard, run.log_jackpots, run.counted, first)
        return OneStep.lognormal(log_median + said[first:], variance, factor)

    def log_ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int
    ) -> tuple[Array, Array, Array]:
        """Return mean and variance of log sales and the interval's factor, shape (o, h), NaN beyond the history."""
        mean, variance, factor = self.regression.log_ahead(draws, market, origins, horizon)
        _, said = self.corrected(draws, market)
        mean[:, 0] += np.append(said, np.nan)[origins]
        return mean, variance, factor

    def ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int, q: Array
    ) -> Ahead:
        """Forecast `horizon` draws after each origin; only the next draw is corrected."""
        mean, variance, factor = self.log_ahead(draws, market, origins, horizon)
        return Ahead.lognormal(mean, factor**2 * variance, q)

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        scalars, arrays = self.regression.parameters()
        return scalars, {**arrays, **(self.trees.arrays("correction") if self.trees else {})}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model."""
        trees = Trees.from_arrays(arrays, "correction") if "correction_nodes" in arrays else None
        return cls(StateSpaceModel.from_parameters(scalars, arrays), trees)

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        return {**self.regression.describe(), "correction_trees": len(self.trees.roots) if self.trees else 0}

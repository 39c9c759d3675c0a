"""`boosting`: gradient boosting of log sales on the jackpot (monotone), calendar, memory and lags of its own.

Scikit-learn's HistGradientBoostingRegressor under a monotone constraint (Friedman 2001, Annals of Statistics 29(5)).
A few models of block-bootstrapped histories stand for the doubt of the curve. Trees are steps: each curve is read at
fixed jackpots and joined linearly in logs, and goes on beyond them at elasticity 0.4, so that it never falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import Market
from .base import Array, DemandModel, OneStep, learned
from .boosted import correction_features
from .calendar_effects import calendar_effects
from .calibration import Scale, rolling
from .common import check_history, significant
from .features import Design, gap_days, price_steps, special_names
from .kalman import PRICE_STEP_SD
from .memory import Memory, remember, wins
from .posterior import PosteriorDemand
from .specials import SpecialLevels, held, put_each
from .state_space import widening
from .trees import Trees

BOOTSTRAPS, BLOCK = 4, 26
LEVEL_SPEED = 0.08
"""Share by which a draw moves the level that the trees' target is measured from."""
PLAIN_ELASTICITY = 0.4
"""Elasticity that level and lags are freed of; the trees learn the rest."""
GRID = 24
HELD_OUT = 0.25
SETTINGS = {"max_iter": 80, "learning_rate": 0.1, "max_leaf_nodes": 16, "min_samples_leaf": 15}


class _Levels:
    """The slow level before each draw and after the last, and the last three deviations from it."""

    def __init__(self, plain: Array, counted: npt.NDArray[np.bool_]) -> None:
        level, lags = float(np.median(plain[counted][:5])) if counted.any() else 0.0, (0.0, 0.0, 0.0)
        self.level, self.lags = np.empty(len(plain) + 1), np.empty((len(plain) + 1, 3))
        for t in range(len(plain) + 1):
            self.level[t], self.lags[t] = level, lags
            if t < len(plain) and counted[t]:
                lags = (plain[t] - level, *lags[:2])
                level += LEVEL_SPEED * (plain[t] - level)


class BoostingDemand(PosteriorDemand):
    """Trees of bootstrapped histories, read at the state after a history."""

    last_date: pd.Timestamp

    def __init__(
        self, market: Market, design: Design, trees: tuple[Trees, ...], grid: Array, level: float, lags: Array,
        past: Memory, last_date: pd.Timestamp, specials: SpecialLevels, sd: float, scale: Scale, largest: float,
    ) -> None:  # fmt: skip
        self.market, self.design, self.trees, self.grid = market, design, trees, grid
        self.level, self.lags, self.past, self.last_date = level, lags, past, last_date
        self.specials, self.sd, self.scale, self.largest_seen = specials, sd, scale, largest

    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return which bootstrapped model each sample follows, all of them alike, shape (size, 1)."""
        return generator.permutation(np.arange(size) % len(self.trees)).astype(float)[:, None]

    def _curves(self, dates: pd.DatetimeIndex) -> Array:
        """Return log sales of each model at the grid's jackpots, shape (models, d, grid)."""
        gaps = gap_days(dates, self.last_date)
        effects = calendar_effects(dates, gaps, self.design.holidays, self.market)
        lags = self.lags * (np.arange(len(dates)) == 0)[:, None]
        seen = correction_features(dates, gaps, effects, self.past.to_come(len(dates)), lags)
        rows = np.column_stack([np.tile(self.grid, len(dates)), np.repeat(seen, len(self.grid), axis=0)])
        said = np.stack([trees.predict(rows) for trees in self.trees])
        plain = self.level + PLAIN_ELASTICITY * (self.grid - self.design.reference)
        curves = said.reshape(len(self.trees), len(dates), -1)
        return np.asarray(np.maximum.accumulate(curves + plain, axis=2), dtype=float)

    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k)."""
        curves, logs, grid = self._curves(dates), np.log(jackpots), self.grid
        place = np.clip(np.searchsorted(grid, logs) - 1, 0, len(grid) - 2)
        way = np.clip((logs - grid[place]) / (grid[place + 1] - grid[place]), 0.0, 1.0)
        inside = curves[..., place] * (1 - way) + curves[..., place + 1] * way
        outside = np.minimum(logs - grid[0], 0.0) + np.maximum(logs - grid[-1], 0.0)
        total = inside + PLAIN_ELASTICITY * outside
        logs_of: Array = total[parameters[:, 0].astype(int)]
        self.specials.put(logs_of, special_names(dates, self.market), logs)
        return logs_of

    def slopes(self, parameters: Array, jackpots: Array) -> Array:
        """Return the mean slope over a quarter of a log on either side, shape (m, k)."""
        date = pd.DatetimeIndex([self.last_date + pd.Timedelta(days=7)])
        low, high = (self.log_sales(parameters, jackpots * np.exp(h), date)[:, 0] for h in (-0.25, 0.25))
        return np.asarray((high - low) / 0.5, dtype=float)

    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of the errors, shape (d,)."""
        steps = np.arange(1.0, len(dates) + 1)
        price = np.cumsum(price_steps(dates, self.market, self.last_date)) * PRICE_STEP_SD**2
        special = self.specials.sds(special_names(dates, self.market)) ** 2
        variance: Array = (self.sd * widening(steps)) ** 2 * (1 + 0.1 * (steps - 1)) + price + special
        return variance

    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return errors, shape (size, d), half of whose standard deviation a path shares."""
        shared, own = generator.standard_normal((size, 1)), generator.standard_normal((size, len(dates)))
        errors: Array = (0.5 * shared + np.sqrt(0.75) * own) * np.sqrt(self.error_variance(dates))
        return errors


class BoostingModel(DemandModel):
    """Monotone gradient boosting with lags."""

    name: ClassVar[str] = "boosting"

    def __init__(self, design: Design | None = None, trees: tuple[Trees, ...] = (), sd: float = 0.1) -> None:
        self.design, self.trees, self.sd = design, trees, sd

    def _fitted(self) -> Design:
        return learned(self.design)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Grow the trees; raise InputError where fewer than 10 ordinary draws are in the history."""
        check_history(draws)
        self.design = Design.learn(draws, market)
        features, levels, log_sales, counted = self._table(draws, market)
        target = log_sales - self._plain(features[:, 0]) - levels.level[:-1]
        rows = np.flatnonzero(counted)
        # The spread of errors is that of the last quarter, forecast by trees that never saw it.
        cut = rows[: max(int((1 - HELD_OUT) * len(rows)), 5)]
        rest = rows[len(cut) :]
        early = self._grow(features[cut], target[cut])
        found = float(np.sqrt(np.mean(np.clip(target[rest] - early.predict(features[rest]), -1, 1) ** 2)))
        self.sd = float(significant(max(found, 0.005)))
        generator, grown = np.random.default_rng(1), []
        for _ in range(BOOTSTRAPS):
            starts = generator.integers(0, len(rows), -(-len(rows) // BLOCK))
            chosen = rows[(starts[:, None] + np.arange(BLOCK)).ravel()[: len(rows)] % len(rows)]
            grown.append(self._grow(features[chosen], target[chosen]))
        self.trees = tuple(grown)
        return self

    @staticmethod
    def _grow(features: Array, target: Array) -> Trees:
        monotone = np.zeros(features.shape[1], dtype=np.intp)
        monotone[0] = 1
        settings = SETTINGS | {"min_samples_leaf": min(int(SETTINGS["min_samples_leaf"]), max(len(target) // 4, 1))}
        return Trees.grow(features, target, seed=1, monotone=monotone, **settings)

    def _plain(self, log_jackpots: Array) -> Array:
        plain: Array = PLAIN_ELASTICITY * (log_jackpots - self._fitted().reference)
        return plain

    def _table(self, draws: pd.DataFrame, market: Market) -> tuple[Array, _Levels, Array, npt.NDArray[np.bool_]]:
        """Return features (n, k), the jackpot's log first; levels; log sales; which draws are ordinary."""
        design, dates = self._fitted(), pd.DatetimeIndex(draws["draw_date"])
        counted = np.array([not name for name in held(draws, market)], dtype=bool)
        log_sales, logs = (np.log(draws[column].to_numpy(float)) for column in ("sales", "jackpot"))
        levels = _Levels(log_sales - self._plain(logs), counted)
        rows, groups = design.rows(draws, market), design.groups
        calendar, memory = (rows[:, groups[name]] for name in ("calendar", "memory"))
        seen = correction_features(dates, gap_days(dates, None), calendar, memory, levels.lags[:-1])
        return np.column_stack([logs, seen]), levels, log_sales, counted

    def condition(self, draws: pd.DataFrame, market: Market) -> BoostingDemand:
        """Return what forecasts, from the level and lags after a history."""
        check_history(draws)
        design = self._fitted()
        features, levels, log_sales, counted = self._table(draws, market)
        logs = features[:, 0]
        grid = np.linspace(design.knots[0], max(design.knots[-1], design.knots[0] + 0.1), GRID)
        return BoostingDemand(
            market, design, self.trees, grid, float(levels.level[-1]), levels.lags[-1],
            remember(logs - design.reference, wins(draws))[-1], pd.Timestamp(draws["draw_date"].iloc[-1]),
            SpecialLevels.learn(held(draws, market), log_sales, logs), self.sd, Scale(),
            float(draws["jackpot"].to_numpy(float)[counted].max()),
        )  # fmt: skip

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one: the trees are those fitted, level and lags follow the draws."""
        check_history(draws.iloc[:first])
        design = self._fitted()
        features, levels, log_sales, counted = self._table(draws, market)
        logs = features[:, 0]
        inside = features.copy()
        inside[:, 0] = np.clip(logs, design.knots[0], design.knots[-1])
        said = np.stack([trees.predict(inside) for trees in self.trees])
        log_median = said.mean(axis=0) + levels.level[:-1] + self._plain(logs)
        variance = said.var(axis=0) + self.sd**2
        after_fit = counted & (np.arange(len(draws)) >= first)
        factor = rolling((log_sales - log_median) / np.sqrt(variance), logs, after_fit, first)
        put_each(log_median[first:], variance[first:], held(draws, market), log_sales, logs)
        return OneStep.lognormal(log_median[first:], variance[first:], factor)

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        design = self._fitted()
        arrays = {"knots": design.knots, "holidays": design.holidays}
        for i, trees in enumerate(self.trees):
            arrays |= trees.arrays(f"trees{i}")
        return {"reference": design.reference, "sd": self.sd, "models": len(self.trees)}, arrays

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model; raise InputError where the parameters are not those of one."""
        count, sd = int(scalars["models"]), float(scalars["sd"])
        if not 1 <= count <= 100 or not 0 < sd < 10:
            raise InputError(Problem("no trees, or no spread", field="models", found=f"{count}, {sd}"))
        design = Design(arrays["knots"], float(scalars["reference"]), arrays["holidays"])
        return cls(design, tuple(Trees.from_arrays(arrays, f"trees{i}") for i in range(count)), sd)

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        self._fitted()
        return {"noise_log_sd": self.sd, "models": len(self.trees), "trees": sum(len(t.roots) for t in self.trees)}

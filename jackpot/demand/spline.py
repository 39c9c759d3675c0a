"""`spline`, the default: a monotone spline of the log jackpot in a state-space regression whose coefficients drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import Market
from . import state_space
from .base import Array, DemandModel, Elasticity, OneStep
from .common import check_history, ordinary, significant, tail_scale
from .features import LONGEST_GAP_DAYS, Design, calendar, gap_days, knots, price_steps, slope_basis, special_names
from .posterior import PosteriorDemand, nonnegative, normal_draws
from .specials import SpecialLevels
from .state_space import ERROR, FIRST, LEVEL, Filtered, Settings, State

CANDIDATES = tuple(
    Settings(phi=phi, error_share=share, level=level, slope=slope)
    for phi, share, level in ((0.4, 0.8, 0.1), (0.7, 0.8, 0.1), (0.0, 0.2, 0.02))
    for slope in (0.02, 0.1)
)
"""From noise about a still level to long memory, from lasting elasticities to quick ones; `fit` takes the likeliest."""

FIRST_SD = 0.1
BURN_IN = 0.3
"""Share of a history that the choice of settings does not look at: it is there to find the level."""


class SplineDemand(PosteriorDemand):
    """The filtered state after a history, ready to forecast the draws after it.

    Coefficients are held over the horizon; level and error go on as they do in the filter.
    """

    def __init__(
        self,
        market: Market,
        design: Design,
        settings: Settings,
        state: State,
        tail: float,
        last_date: pd.Timestamp,
        usual_gap: float,
        specials: SpecialLevels,
        largest_seen: float,
    ) -> None:
        self.market, self.design, self.settings, self.state = market, design, settings, state
        self.tail_scale, self.last_date, self.usual_gap = tail, last_date, usual_gap
        self.specials, self.largest_seen = specials, largest_seen

    def _steps(self, dates: pd.DatetimeIndex) -> Array:
        """Return how many draws ahead each date is: its place, further where over two weeks are left out."""
        days = self._days(dates)
        steps: Array = np.cumsum(np.where(days > LONGEST_GAP_DAYS, np.round(days / self.usual_gap), 1.0))
        return steps

    def _days(self, dates: pd.DatetimeIndex) -> Array:
        days = np.diff(np.asarray((dates - self.last_date) / pd.Timedelta(days=1), dtype=np.float64), prepend=0.0)
        if (days <= 0).any():
            raise InputError(
                Problem(
                    "dates to forecast must ascend, from after the last draw known",
                    found=", ".join(day.strftime("%Y-%m-%d") for day in dates[:3]),
                    allowed=f"later than {self.last_date:%Y-%m-%d}",
                )
            )
        return days

    def _gaps(self, dates: pd.DatetimeIndex) -> Array:
        days = self._days(dates)
        gaps: Array = np.clip(np.where(days > LONGEST_GAP_DAYS, self.usual_gap, days), 1.0, LONGEST_GAP_DAYS)
        return gaps

    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return draws of the state, no slope negative, shape (size, p)."""
        covariance = self.state.full_covariance
        draws = normal_draws(self.state.mean, covariance, size, generator)
        return nonnegative(draws, covariance, np.arange(FIRST, FIRST + self.design.curve_size))

    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k)."""
        logs, gaps = np.log(jackpots), self._gaps(dates)
        end = FIRST + self.design.curve_size
        curve = parameters[:, FIRST : end - 1] @ self.design.curve(logs).T
        by_gap = parameters[:, end - 1, None, None] * np.log(gaps)[None, :, None] * (logs - self.design.reference)
        decay = self.settings.phi ** self._steps(dates)
        base = parameters[:, LEVEL, None] + parameters[:, ERROR, None] * decay
        base = base + parameters[:, end:] @ calendar(dates, gaps).T + self.specials.ratios(self._names(dates))
        total: Array = curve[:, None, :] + by_gap + base[:, :, None]
        return total

    def _names(self, dates: pd.DatetimeIndex) -> list[str]:
        return special_names(dates, self.market)

    def _price_variance(self, dates: pd.DatetimeIndex) -> Array:
        changed = price_steps(dates, self.market, self.last_date)
        variance: Array = np.cumsum(changed).astype(float) * state_space.PRICE_STEP_SD**2
        return variance

    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of what level and error do after the last draw, shape (d,)."""
        steps, phi, share = self._steps(dates), self.settings.phi, self.settings.error_share
        shocks = steps * self.settings.level**2 + share * (1 - phi ** (2 * steps)) / (1 - phi**2) + (1 - share)
        special = self.specials.sds(self._names(dates)) ** 2
        variance: Array = self.state.variance * shocks + self._price_variance(dates) + special
        return variance

    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return paths of those errors, shape (size, d), correlated over draws as in the filter."""
        steps, phi, share = self._steps(dates), self.settings.phi, self.settings.error_share
        sd = np.sqrt(self.state.variance)
        ahead = np.diff(steps, prepend=0.0)
        level_shock, error_shock, white, special = generator.standard_normal((4, size, len(dates)))
        level = np.cumsum(level_shock * np.sqrt(ahead), axis=1) * self.settings.level * sd
        error, paths = np.zeros(size), np.empty((size, len(dates)))
        for i, gap in enumerate(ahead):
            spread = np.sqrt(share * (1 - phi ** (2 * gap)) / (1 - phi**2))
            error = phi**gap * error + spread * error_shock[:, i]
            paths[:, i] = error
        changed = price_steps(dates, self.market, self.last_date)
        price = np.cumsum(generator.standard_normal((size, len(dates))) * changed, axis=1)
        names = self._names(dates)
        total: Array = level + sd * (paths + np.sqrt(1 - share) * white)
        total = total + price * state_space.PRICE_STEP_SD + special * self.specials.sds(names)
        return total

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot, at the usual gap between draws, with its 90% band."""
        end = FIRST + self.design.curve_size
        slopes = self.ensemble[:, FIRST : end - 1] @ slope_basis(np.log(jackpots), self.design.knots).T
        slopes = slopes + self.ensemble[:, end - 1, None] * np.log(self.usual_gap)
        low, high = np.quantile(slopes, [0.05, 0.95], axis=0)
        return [
            Elasticity(float(j), float(m), float(a), float(b))
            for j, m, a, b in zip(jackpots, slopes.mean(axis=0), low, high, strict=True)
        ]


@dataclass(frozen=True)
class _Fitted:
    design: Design
    settings: Settings
    sd: float
    tail: float
    slopes: Array
    draws: int
    log_likelihood: float


class SplineModel(DemandModel):
    """A monotone spline in log jackpot, weekday, days since the last draw and season, on a drifting level.

    `fit` learns the knots, the size of the noise, how fast things drift and how wide the intervals must be; level,
    slopes and other coefficients are state, filtered from the history at each use. Specials train none of it.
    """

    name: ClassVar[str] = "spline"

    def __init__(self, fitted: _Fitted | None = None) -> None:
        self._fitted = fitted

    @property
    def fitted(self) -> _Fitted:
        """Return what was learned; raise InputError before `fit`."""
        if self._fitted is None:
            raise InputError("the demand model is not fitted: call fit(draws, market) first")
        return self._fitted

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Learn from a history; raise InputError where fewer than 10 ordinary draws are in it."""
        check_history(draws)
        usual = draws[ordinary(draws)]
        logs = np.log(usual["jackpot"].to_numpy(float))
        design = Design(significant(knots(logs)), float(significant(np.array([np.median(logs)]))[0]))
        sd = self._noise(draws, market, design)
        learn = ordinary(draws)
        learn[: int(BURN_IN * len(draws))] = False
        actual = np.log(draws["sales"].to_numpy(float))
        best: tuple[float, Settings, Filtered] | None = None
        for settings in CANDIDATES:
            run = _filter(draws, market, design, settings, sd)
            z2 = (actual - run.mean) ** 2 / run.variance
            # Student's t with 5 degrees of freedom: one wild draw must not choose the settings.
            score = float(np.sum((-0.5 * np.log(run.variance) - 3.0 * np.log1p(z2 / 5.0))[learn]))
            if best is None or score > best[0]:
                best = score, settings, run
        if best is None:
            raise InputError("no candidate settings")
        score, settings, run = best
        standard = (actual - run.mean) / np.sqrt(run.variance)
        curve = slice(FIRST, FIRST + design.curve_size)
        slopes = nonnegative(run.state.mean[None], run.state.full_covariance, np.arange(curve.start, curve.stop))
        self._fitted = _Fitted(
            design, settings, sd, tail_scale(standard[learn]), significant(slopes[0, curve]), len(usual), score
        )
        return self

    @staticmethod
    def _noise(draws: pd.DataFrame, market: Market, design: Design) -> float:
        run = _filter(draws, market, design, Settings(), FIRST_SD)
        half = len(draws) // 2
        errors = (np.log(draws["sales"].to_numpy(float)) - run.mean)[half:][ordinary(draws)[half:]]
        found = 1.4826 * float(np.median(np.abs(errors))) if len(errors) else FIRST_SD
        return float(significant(np.array([np.clip(found, 0.005, 1.0)]))[0])

    def condition(self, draws: pd.DataFrame, market: Market) -> SplineDemand:
        """Filter the state from a history; raise InputError where fewer than 10 ordinary draws are in it."""
        check_history(draws)
        f = self.fitted
        run = _filter(draws, market, f.design, f.settings, f.sd)
        dates = pd.DatetimeIndex(draws["draw_date"])
        specials = SpecialLevels.learn(draws["special"], np.log(draws["sales"].to_numpy(float)) - run.mean)
        usual = draws.loc[ordinary(draws), "jackpot"]
        gap = float(np.median(gap_days(dates[-20:], None)[1:])) if len(dates) > 1 else 3.0
        return SplineDemand(
            market, f.design, f.settings, run.state, f.tail, dates[-1], gap, specials, float(usual.max())
        )

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one; the coefficients are state, so each has learned from all before it."""
        check_history(draws.iloc[:first])
        f = self.fitted
        run = _filter(draws, market, f.design, f.settings, f.sd, keep=first)
        slopes = np.arange(FIRST, FIRST + f.design.curve_size)
        loads = np.column_stack([np.ones((len(draws), 2)), _rows(draws, f.design)])[first:]
        log_median = np.array(
            [
                load @ nonnegative(mean[None], covariance, slopes)[0]
                for load, mean, covariance in zip(loads, run.means, run.covariances, strict=True)
            ]
        )
        variance = run.variance[first:].copy()
        residual = np.log(draws["sales"].to_numpy(float)) - run.mean
        names = draws["special"].tolist()
        for i in np.flatnonzero(~ordinary(draws)[first:]):
            levels = SpecialLevels.learn(draws["special"][: first + i], residual[: first + i])
            log_median[i] += levels.ratios([names[first + i]])[0]
            variance[i] += levels.sds([names[first + i]])[0] ** 2
        mean = np.exp(log_median + f.tail**2 * variance / 2)
        return OneStep(mean, log_median, np.sqrt(variance), np.full(len(mean), f.tail))

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        f = self.fitted
        scalars = {
            "reference": f.design.reference,
            "settings": asdict(f.settings),
            "sd": f.sd,
            "tail": f.tail,
            "draws": f.draws,
            "log_likelihood": f.log_likelihood,
        }
        return scalars, {"knots": f.design.knots, "slopes": f.slopes}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model; raise InputError where the parameters are not those of a spline."""
        at = arrays["knots"]
        settings = Settings(**{field.name: float(scalars["settings"][field.name]) for field in fields(Settings)})
        if at.ndim != 1 or not len(at) or (np.diff(at) <= 0).any() or arrays["slopes"].shape != (len(at) + 1,):
            raise InputError(Problem("knots and slopes do not make a curve", field="knots", found=str(at)))
        return cls(
            _Fitted(
                Design(at, float(scalars["reference"])),
                settings,
                float(scalars["sd"]),
                float(scalars["tail"]),
                arrays["slopes"],
                int(scalars["draws"]),
                float(scalars["log_likelihood"]),
            )
        )

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        f = self.fitted
        slopes = {f"slope_at_{np.exp(knot):.0f}": float(s) for knot, s in zip(f.design.knots, f.slopes, strict=False)}
        return {
            "draws": f.draws,
            "noise_log_sd": f.sd,
            "tail_scale": f.tail,
            "error_phi": f.settings.phi,
            "level_speed": f.settings.level,
            "slope_speed": f.settings.slope,
            **slopes,
        }


def _rows(draws: pd.DataFrame, design: Design) -> Array:
    dates = pd.DatetimeIndex(draws["draw_date"])
    return design.rows(np.log(draws["jackpot"].to_numpy(float)), dates, gap_days(dates, None))


def _filter(
    draws: pd.DataFrame, market: Market, design: Design, settings: Settings, sd: float, keep: int | None = None
) -> Filtered:
    learn = ordinary(draws)
    actual = np.log(draws["sales"].to_numpy(float))
    start = state_space.prior(float(np.median(actual[learn][:5])), design.curve_size, sd, settings)
    step = price_steps(pd.DatetimeIndex(draws["draw_date"]), market, None)
    return state_space.run(actual, _rows(draws, design), learn, step, start, settings, design.curve_size, keep)

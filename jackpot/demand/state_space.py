"""`state_space`: a regression of log sales whose level and coefficients drift, under several settings, averaged.

Each member filters the same regressors (`features`) with its own speeds of change (`kalman`); their weights follow how
well each has forecast of late. Before the first draw stand pooled priors (`priors`), so any history will do, even none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from ..market.schema import WEEKDAYS, Market
from . import kalman, priors
from .base import Ahead, Array, DemandModel, OneStep, learned
from .calibration import Scale, rolling, scale
from .common import check_figures, significant
from .drivers import Drivers
from .features import LONGEST_GAP_DAYS, Design, gap_days, price_steps, slope_basis, special_names
from .flags import trust
from .kalman import ERROR, FIRST, LEVEL, Filtered, State, System
from .memory import Memory, remember, wins
from .posterior import ENSEMBLE, PosteriorDemand, nonnegative
from .settings import Settings
from .specials import SpecialLevel, SpecialLevels, held, put_each

ERRORS = ((0.4, 0.8, 0.1), (0.7, 0.8, 0.1), (0.3, 0.5, 0.2), (0.9, 0.8, 0.05), (0.0, 0.2, 0.05))
"""AR(1) coefficient, AR share of the shock, speed of the level: from short memory to long, and nearly none."""
TEMPI = (0.3, 1.0, 2.5)
"""Factors on the speeds of all coefficients."""
SPEED = {
    "slope": 0.15, "slope_by_weekday": 0.01, "weekday": 0.02, "gap": 0.04, "season": 0.01, "calendar": 0.01,
    "memory": 0.01, "drivers": 0.01,
}  # fmt: skip
"""Change of a coefficient a draw, in standard deviations of the shock."""
PRIOR_SD = {
    "slope_by_weekday": 0.1, "weekday": 0.3, "gap": 0.3, "season": 0.05, "calendar": 0.1, "memory": 0.05,
    "drivers": 0.05,
}  # fmt: skip
START_SD = 1.0
"""Prior log-sd of the level about the first sales."""
WIDENING = 0.15
"""Share by which intervals widen beyond one draw ahead, over what the filter says: what it learned one step ahead
(coefficients that follow the last draws) serves longer horizons less well."""
SLOPE_DOUBT = 0.7
"""Factor on the posterior spread of the slopes. The filter lets every coefficient drift and so doubts elasticities that
last more than it need: its 90% bands held the truth of all of 24 simulated markets.
With this factor they held it in 92% of 200 others; all are one family of simulations."""
NOISE_WEIGHT = 2
"""The pooled size of a shock counts as so many errors."""
FILTERED = ("mean", "covariance", "variance", "log_weights", "last_error")
"""What is kept of the filter's state, beside the changes of price to come."""
WARM_UP = 20
"""Draws whose errors tell of the first guess more than of the model; they calibrate no interval."""


@dataclass(frozen=True)
class Fitted:
    """What `fit` learns: the regressors, the size of the shock, where the elasticity's prior begins."""

    design: Design
    sd: float
    log_start: float
    draws: int


@dataclass(frozen=True)
class Run:
    """A filtered history: regressors, forecasts of each draw before it was seen, and the last state."""

    rows: Array
    trust: Array
    filtered: Filtered
    log_sales: Array
    log_jackpots: Array
    names: list[str]

    @cached_property
    def moments(self) -> tuple[Array, Array]:
        """Mean and variance of log sales over the members, of ordinary draws, (n,) each."""
        return self.filtered.pooled()

    @property
    def standard(self) -> Array:
        """Return standardised one-step errors, shape (n,)."""
        mean, variance = self.moments
        standard: Array = (self.log_sales - mean) / np.sqrt(variance)
        return standard

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Return which errors calibrate intervals: those of ordinary draws after the warm-up."""
        counted: npt.NDArray[np.bool_] = (self.trust > 0) & (np.arange(len(self.trust)) >= WARM_UP)
        return counted


@dataclass(frozen=True)
class Path:
    """Draws to come, by their dates (d,): how many draws ahead each is, and what its date alone says."""

    steps: Array
    by_date: Array
    gaps: Array
    new_price: Array
    specials: list[str]


def slopes_of(design: Design) -> slice:
    """Return where in a state the slopes stand, which may not be negative."""
    return slice(FIRST, FIRST + design.curve_size)


class StateSpaceDemand(PosteriorDemand):
    """The filtered states after a history, ready to forecast the draws after it.

    Coefficients are held over the horizon; level and error go on as they do in the filter.
    """

    def __init__(
        self, market: Market, design: Design, system: System, state: State, scale: Scale, specials: SpecialLevels,
        past: Memory, drivers: Array, last_date: pd.Timestamp | None, usual_gap: float, largest_seen: float,
        draws_seen: int,
    ) -> None:  # fmt: skip
        self.market, self.design, self.system, self.state, self.scale = market, design, system, state, scale
        self.specials, self.past, self.drivers = specials, past, drivers
        self.last_date, self.usual_gap = last_date, usual_gap
        self.largest_seen, self.draws_seen = largest_seen, draws_seen
        self._last_path: tuple[bytes, Path] | None = None

    def _days(self, dates: pd.DatetimeIndex) -> Array:
        before = self.last_date if self.last_date is not None else dates[0] - pd.Timedelta(days=self.usual_gap)
        days = np.diff(np.asarray((dates - before) / pd.Timedelta(days=1), dtype=np.float64), prepend=0.0)
        if (days <= 0).any():
            raise InputError(
                Problem(
                    "dates to forecast must ascend, from after the last draw known",
                    found=", ".join(day.strftime("%Y-%m-%d") for day in dates[:3]),
                    allowed=f"later than {before:%Y-%m-%d}",
                )
            )
        return days

    def path(self, dates: pd.DatetimeIndex) -> Path:
        """Return what the dates of draws to come say; the last answer is kept, since all figures of a draw ask for it.

        A draw is as many ahead as its place says, further where over two weeks are left out.
        """
        key, last = dates.to_numpy().tobytes(), self._last_path
        if last is not None and last[0] == key:
            return last[1]
        days = self._days(dates)
        far = days > LONGEST_GAP_DAYS
        gaps = np.clip(np.where(far, self.usual_gap, days), 1.0, LONGEST_GAP_DAYS)
        path = Path(
            steps=np.cumsum(np.where(far, np.round(days / self.usual_gap), 1.0)),
            by_date=self.design.by_date(dates, gaps, self.market),
            gaps=gaps,
            new_price=price_steps(dates, self.market, self.last_date),
            specials=special_names(dates, self.market),
        )
        self._last_path = key, path
        return path

    def parameter_draws(self, size: int, generator: np.random.Generator) -> Array:
        """Return draws of the state, no slope negative, and last the member of each, shape (size, p + 1)."""
        weights = self.state.weights
        # Systematic draws of the member, in antithetic pairs of its normal.
        member = np.searchsorted(np.cumsum(weights), (np.arange((size + 1) // 2) + 0.5) / ((size + 1) // 2))
        member = np.repeat(np.minimum(member, len(weights) - 1), 2)[:size]
        full = self.state.covariance * self.state.variance[:, None, None]
        jitter = 1e-10 * np.einsum("mpp->mp", full).mean(axis=1)
        root = np.linalg.cholesky(full + jitter[:, None, None] * np.eye(full.shape[1]))
        half = generator.standard_normal(((size + 1) // 2, full.shape[1]))
        normal = np.stack([half, -half], axis=1).reshape(-1, full.shape[1])[:size]
        spread = np.einsum("mpk,mk->mp", root[member], normal)
        slopes = slopes_of(self.design)
        spread[:, slopes] *= SLOPE_DOUBT
        draws = self.state.mean[member] + spread
        held_up = nonnegative(draws, full[member], np.arange(slopes.start, slopes.stop))
        return np.column_stack([held_up, member])

    def log_sales(self, parameters: Array, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return log sales without error, shape (m, d, k)."""
        logs, groups = np.log(jackpots), self.design.groups
        coefficients = parameters[:, FIRST:-1]
        curve = coefficients[:, groups["slope"]] @ self.design.curve(logs).T
        path = self.path(dates)
        by_weekday = coefficients[:, groups["slope_by_weekday"]] @ path.by_date[:, :7].T
        base = self._base(parameters, dates)
        total: Array = curve[:, None, :] + by_weekday[:, :, None] * (logs - self.design.reference) + base[:, :, None]
        self.specials.put(total, path.specials, logs)
        return total

    def _base(self, parameters: Array, dates: pd.DatetimeIndex) -> Array:
        """Return all but curve and special, shape (m, d)."""
        phi, path = self.system.phi[parameters[:, -1].astype(int)], self.path(dates)
        decayed = parameters[:, ERROR, None] * phi[:, None] ** path.steps
        groups, coefficients = self.design.groups, parameters[:, FIRST:-1]
        by_date = path.by_date @ coefficients[:, self.design.dated].T
        from_past = self.past.to_come(len(dates)) @ coefficients[:, groups["memory"]].T
        driven = coefficients[:, groups["drivers"]] @ self.drivers
        base: Array = parameters[:, LEVEL, None] + decayed + by_date.T + from_past.T + driven[:, None]
        return base

    def slopes(self, parameters: Array, jackpots: Array) -> Array:
        """Return the elasticity over a usual week, shape (m, k)."""
        groups, coefficients = self.design.groups, parameters[:, FIRST:-1]
        curve = coefficients[:, groups["slope"]] @ slope_basis(np.log(jackpots), self.design.knots).T
        extra = coefficients[:, groups["slope_by_weekday"]][:, draw_weekdays(self.market)].mean(axis=1)
        slopes: Array = curve + extra[:, None]
        return slopes

    def _process(self) -> tuple[float, float, float, float]:
        """Return phi, and the variances of AR shock, white noise and level a draw, averaged over the members."""
        weights = self.state.weights * self.state.variance
        total = weights.sum()
        phi = float(weights @ self.system.phi / total)
        level = float(weights @ self.system.drift[:, LEVEL, LEVEL])
        return phi, float(weights @ (1 - self.system.white)), float(weights @ self.system.white), level

    def error_variance(self, dates: pd.DatetimeIndex) -> Array:
        """Return the variance of what level and error do after the last draw, shape (d,)."""
        path, (phi, shock, white, level) = self.path(dates), self._process()
        steps = path.steps
        price = np.cumsum(path.new_price) * kalman.PRICE_STEP_SD**2
        special = self.specials.sds(path.specials) ** 2
        shocks = steps * level + shock * (1 - phi ** (2 * steps)) / (1 - phi**2) + white
        variance: Array = widening(steps) ** 2 * shocks + price + special
        return variance

    def error_draws(self, dates: pd.DatetimeIndex, size: int, generator: np.random.Generator) -> Array:
        """Return paths of those errors, shape (size, d), correlated over draws as in the filter."""
        path, (phi, shock, white, level) = self.path(dates), self._process()
        steps = path.steps
        ahead = np.diff(steps, prepend=0.0)
        of_level, of_error, of_white, of_price, of_special = generator.standard_normal((5, size, len(dates)))
        error, paths = np.zeros(size), np.empty((size, len(dates)))
        for i, gap in enumerate(ahead):
            error = phi**gap * error + np.sqrt(shock * (1 - phi ** (2 * gap)) / (1 - phi**2)) * of_error[:, i]
            paths[:, i] = error
        paths += np.cumsum(of_level * np.sqrt(ahead * level), axis=1) + np.sqrt(white) * of_white
        paths *= widening(steps)
        paths += np.cumsum(of_price * np.sqrt(path.new_price), axis=1) * kalman.PRICE_STEP_SD
        paths += of_special * self.specials.sds(path.specials)
        return paths

    def kept(self) -> dict[str, Array]:
        """Return what the filter knows after its history, and the ensemble that follows from it, as arrays."""
        date = self.last_date.toordinal() if self.last_date is not None else np.nan
        figures = (self.state.pending_prices, date, self.usual_gap, self.largest_seen, self.draws_seen)
        names = _declared(self.market)
        specials = [
            (names.index(name), one.log_sales, one.log_jackpot, one.sd) for name, one in self.specials.by_name.items()
        ]
        return {
            **{name: getattr(self.state, name) for name in FILTERED},
            "figures": np.array(figures, dtype=float),
            "scale": np.array(astuple(self.scale)),
            "past": np.array(astuple(self.past), dtype=float),
            "specials": np.array(specials, dtype=float).reshape(len(specials), 4),
            "drivers": self.drivers,
            "ensemble": self.ensemble,
        }

    def log_parts(self, jackpot: float, dates: pd.DatetimeIndex) -> dict[str, float]:
        """Return the median log forecast of the last of the draws to come by its parts; they add up to it."""
        groups, path, last = self.design.groups, self.path(dates), len(dates) - 1
        mean = self.ensemble[:, :-1].mean(axis=0)
        at = np.log(np.array([jackpot]))
        row = np.zeros(mean.shape[0] - FIRST)
        row[groups["slope"]] = self.design.curve(at)[0]
        row[groups["slope_by_weekday"]] = path.by_date[last, :7] * (at[0] - self.design.reference)
        row[self.design.dated] = path.by_date[last]
        row[groups["memory"]] = self.past.to_come(len(dates))[last]
        row[groups["drivers"]] = self.drivers
        effect = row * mean[FIRST:]
        total = float(self.log_sales(self.ensemble, np.exp(at), dates)[:, last].mean())
        parts = {
            "level": float(mean[LEVEL]),
            "jackpot": float(effect[groups["slope"]].sum() + effect[groups["slope_by_weekday"]].sum()),
            "weekday": float(effect[groups["weekday"]].sum()),
            "days_since_last_draw": float(effect[groups["gap"]].sum()),
            "season": float(effect[groups["season"]].sum()),
            "holidays_and_month": float(effect[groups["calendar"]].sum()),
            "rollovers_and_habit": float(effect[groups["memory"]].sum()),
        }
        parts |= dict(zip(self.design.drivers.scales, effect[groups["drivers"]].tolist(), strict=True))
        phi = self.system.phi[self.ensemble[:, -1].astype(int)] ** path.steps[last]
        parts["last_errors"] = float(np.mean(self.ensemble[:, ERROR] * phi))
        rest = total - sum(parts.values())
        if path.specials[last] in self.specials.by_name:
            return {**parts, "special": rest}
        return {**parts, "last_errors": parts["last_errors"] + rest, "special": 0.0}


def _declared(market: Market) -> list[str]:
    """Return the names of the market's specials, in the order by which a kept state numbers them."""
    return sorted({special.name for special in market.calendar.specials})


def widening(steps: Array) -> Array:
    """Return the factor on the standard deviation of a forecast so many draws ahead, 1 for the next."""
    factor: Array = 1 + WIDENING * (1 - 0.5 ** (steps - 1))
    return factor


def draw_weekdays(market: Market) -> list[int]:
    """Return the weekdays of the market's present rhythm, Monday 0."""
    return [WEEKDAYS.index(day) for day in market.calendar.draw_days[-1].weekdays]


class StateSpaceModel(DemandModel):
    """Members of a state-space regression, averaged by their recent one-step likelihood.

    `fit` learns the knots, the holidays and the size of the noise; level and coefficients are state, filtered from the
    history at each use. Specials, declared or flagged, train none of it at full weight.
    """

    name: ClassVar[str] = "state_space"
    errors: ClassVar[tuple[tuple[float, float, float], ...]] = ERRORS
    tempi: ClassVar[tuple[float, ...]] = TEMPI

    def __init__(self, fitted: Fitted | None = None, settings: Settings | None = None) -> None:
        self._fitted, self.settings = fitted, settings or Settings()
        self._last: tuple[tuple[object, ...], Run] | None = None

    @property
    def fitted(self) -> Fitted:
        """Return what was learned; raise InputError before `fit`."""
        return learned(self._fitted)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Learn from a history of any length, none included; raise InputError where its figures cannot be used."""
        check_figures(draws)
        design = Design.learn(draws, market)
        start = max(market.jackpot.start, float(np.exp(design.knots[0])))
        log_start = float(significant(np.log(start)))
        self._fitted = Fitted(design, priors.NOISE_SD, log_start, len(draws))
        first = self.run(draws, market)
        half = first.counted & (np.arange(len(draws)) >= len(draws) // 2)
        errors = np.abs(first.log_sales - first.moments[0])[half]
        if len(errors):
            weight = len(errors) / (len(errors) + NOISE_WEIGHT)
            found = 1.4826 * float(np.median(errors))  # of normal errors, their standard deviation
            sd = float(np.clip(weight * found + (1 - weight) * priors.NOISE_SD, 0.001, 1.0))
            self._fitted = Fitted(design, float(significant(sd)), log_start, len(draws))
        self._last = None
        return self

    @classmethod
    def tuned(cls, settings: Settings) -> Self:
        """Return an unfitted model with these settings."""
        return cls(settings=settings)

    @classmethod
    def grid(cls) -> list[tuple[tuple[float, float, float], float]]:
        """Return what the members differ in: the errors, and the tempo of the coefficients."""
        return [(errors, tempo) for errors in cls.errors for tempo in cls.tempi]

    def system(self) -> System:
        """Return how the states of the members move."""
        design, grid, tuned = self.fitted.design, self.grid(), self.settings
        of_group = {"slope": tuned.slope_speed, "weekday": tuned.weekday_speed, "slope_by_weekday": tuned.weekday_speed}
        size = FIRST + design.groups["drivers"].stop
        drift = np.zeros((len(grid), size, size))
        correlation = priors.elasticity_covariance(design.knots) / priors.ELASTICITY_SD**2
        for group, at in design.groups.items():
            places = slice(FIRST + at.start, FIRST + at.stop)
            shape = correlation if group == "slope" else np.eye(at.stop - at.start)
            factor = of_group.get(group, tuned.calendar_speed)
            speeds = np.array([(SPEED[group] * tempo * factor) ** 2 for _, tempo in grid])
            drift[:, places, places] = shape * speeds[:, None, None]
        drift[:, LEVEL, LEVEL] = [(level * tuned.level_speed) ** 2 for (_, _, level), _ in grid]
        drift[:, ERROR, ERROR] = [share for (_, share, _), _ in grid]
        phi, white = (np.array([errors[k] for errors, _ in grid]) for k in (0, 1))
        forgetting = kalman.FORGETTING ** (1 / tuned.memory_of_weights)
        return System(phi, 1 - white, drift, kalman.CLIP * tuned.clip, forgetting)

    def start(self, log_sales: Array, learned: npt.NDArray[np.bool_], market: Market, system: System) -> State:
        """Return the states before the first draw: pooled priors, and a level about the first sales learned from."""
        f, members = self.fitted, len(system.phi)
        size = system.drift.shape[1]
        mean, covariance = np.zeros(size), np.zeros((size, size))
        first = log_sales[learned][:5]
        if len(first):
            mean[LEVEL], covariance[LEVEL, LEVEL] = float(np.median(first)), START_SD**2
        else:
            mean[LEVEL] = priors.log_sales(market, market.prices[-1].price)
            covariance[LEVEL, LEVEL] = priors.LEVEL_SD**2
        for group, at in f.design.groups.items():
            places = slice(FIRST + at.start, FIRST + at.stop)
            if group == "slope":
                mean[places] = priors.elasticity(f.design.knots, f.log_start)
                covariance[places, places] = priors.elasticity_covariance(f.design.knots)
            else:
                spread = PRIOR_SD[group] * self.settings.prior_spread
                covariance[places, places] = spread**2 * np.eye(at.stop - at.start)
        every = np.repeat(covariance[None] / f.sd**2, members, axis=0)
        every[:, ERROR, ERROR] = (1 - system.white) / (1 - system.phi**2)
        nought = np.zeros(members)
        return State(np.repeat(mean[None], members, axis=0), every, np.full(members, f.sd**2), nought, nought)

    def run(self, draws: pd.DataFrame, market: Market, keep: frozenset[int] = frozenset()) -> Run:
        """Filter a history; the last run is kept, since evaluation asks for the same one several times."""
        design, names, won = self.fitted.design, held(draws, market), wins(draws)
        columns = (draws[name].to_numpy().tobytes() for name in ("sales", "jackpot", "draw_date"))
        key = (market, keep, names, won, *columns, design.drivers.rows(draws).tobytes())
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        log_sales, log_jackpots = (np.log(draws[column].to_numpy(float)) for column in ("sales", "jackpot"))
        trusted = trust(draws, market, names)
        rows = design.rows(draws, market)
        step = price_steps(pd.DatetimeIndex(draws["draw_date"]), market, None)
        filtered = self.filter(log_sales, rows, trusted, step, market, keep)
        run = Run(rows, trusted, filtered, log_sales, log_jackpots, names)
        self._last = (key, run)
        return run

    def filter(
        self, log_sales: Array, rows: Array, trusted: Array, price_step: Array, market: Market,
        keep: frozenset[int] = frozenset(),
    ) -> Filtered:  # fmt: skip
        """Filter log sales (n,) with regressors (n, q) from the priors on; the states after `keep` draws are kept."""
        system = self.system()
        start = self.start(log_sales, trusted > 0, market, system)
        return kalman.run(log_sales, rows, trusted, price_step, start, system, slopes_of(self.fitted.design), keep)

    def condition(self, draws: pd.DataFrame, market: Market) -> StateSpaceDemand:
        """Filter the states from a history of any length; raise InputError where its figures cannot be used."""
        check_figures(draws)
        f, run = self.fitted, self.run(draws, market)
        dates = pd.DatetimeIndex(draws["draw_date"])
        specials = SpecialLevels.learn(run.names, run.log_sales, run.log_jackpots)
        calibrated = scale(run.standard[run.counted], run.log_jackpots[run.counted])
        ordinary = np.array([not name for name in run.names], dtype=bool)
        largest = float(draws["jackpot"].to_numpy(float)[ordinary].max()) if ordinary.any() else market.jackpot.start
        gap = float(np.median(gap_days(dates[-20:], None)[1:])) if len(dates) > 1 else 7.0 / len(draw_weekdays(market))
        past = remember(run.log_jackpots - f.design.reference, wins(draws))[-1]
        return StateSpaceDemand(
            market, f.design, self.system(), run.filtered.state, calibrated, specials, past,
            f.design.drivers.to_come(draws, market), dates[-1] if len(dates) else None, gap, largest,
            int(ordinary.sum()),
        )  # fmt: skip

    def restore(self, kept: Mapping[str, Array], market: Market) -> StateSpaceDemand:
        """Return the demand that gave `kept`; raise KeyError or ValueError where it is none of this model's."""
        f, system, names = self.fitted, self.system(), _declared(market)
        prices, date, usual_gap, largest, seen = kept["figures"].tolist()
        rollovers, *rest = kept["past"].tolist()
        levels = {names[int(i)]: SpecialLevel(*of_name) for i, *of_name in kept["specials"].tolist()}
        size = system.drift.shape[1]
        shapes = {"mean": system.drift.shape[:2], "covariance": system.drift.shape, "ensemble": (ENSEMBLE, size + 1)}
        if any(kept[name].shape != shape for name, shape in shapes.items()):
            raise ValueError("the state is another model's")
        mean, covariance, variance, log_weights, last_error = (kept[name] for name in FILTERED)
        state = State(mean, covariance, variance, log_weights, last_error, prices)
        demand = StateSpaceDemand(
            market, f.design, system, state, Scale(*kept["scale"].tolist()),
            SpecialLevels(levels), Memory(int(rollovers), *rest), kept["drivers"],
            pd.Timestamp.fromordinal(int(date)) if np.isfinite(date) else None, usual_gap, largest, int(seen),
        )  # fmt: skip
        demand.ensemble = kept["ensemble"]
        return demand

    def log_forecasts(self, draws: pd.DataFrame, market: Market, first: int) -> tuple[Array, Array]:
        """Return mean and variance of the log sales of draws[first:], one step ahead and before calibration."""
        run = self.run(draws, market)
        mean, variance = (moment[first:].copy() for moment in run.moments)
        put_each(mean, variance, run.names, run.log_sales, run.log_jackpots)
        return mean, variance

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one; the coefficients are state, so each has learned from all before it."""
        check_figures(draws.iloc[:first])
        run = self.run(draws, market)
        log_median, variance = self.log_forecasts(draws, market, first)
        factor = rolling(run.standard, run.log_jackpots, run.counted, first)
        return OneStep.lognormal(log_median, variance, factor)

    def log_ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int
    ) -> tuple[Array, Array, Array]:
        """Return mean and variance of log sales and the interval's factor, shape (o, h), NaN beyond the history."""
        design, system = self.fitted.design, self.system()
        run = self.run(draws, market, frozenset(int(origin) for origin in origins))
        shape = (len(origins), horizon)
        mean, variance, factor = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan)
        step = price_steps(pd.DatetimeIndex(draws["draw_date"]), market, None)
        won = wins(draws)
        shown = wins(draws.drop(columns="jackpot_winners", errors="ignore"))
        memories = remember(run.log_jackpots - design.reference, won)
        places = slice(FIRST + design.groups["memory"].start, FIRST + design.groups["memory"].stop)
        for row, origin in enumerate(int(one) for one in origins):
            state = run.filtered.kept[origin]
            levels = SpecialLevels.learn(run.names[:origin], run.log_sales[:origin], run.log_jackpots[:origin])
            calibrated = scale(
                run.standard[:origin][run.counted[:origin]], run.log_jackpots[:origin][run.counted[:origin]]
            )
            past, weights, prices = memories[origin], state.weights, state.pending_prices
            held_up = kalman.hold(state.mean, state.covariance, slopes_of(design))
            for j in range(min(horizon, len(draws) - origin)):
                t = origin + j
                prices += float(step[t])
                load = np.concatenate([np.ones(FIRST), run.rows[t]])
                load[places] = past.row()
                past = past.after(run.log_jackpots[t] - design.reference, shown[t])
                decay = system.decay(j + 1.0)
                loads = decay * load
                ar = (1 - system.white) * (1 - system.phi ** (2 * (j + 1))) / (1 - system.phi**2)
                drift = np.einsum("mpq,p,q->m", system.drift, load, load) - system.drift[:, ERROR, ERROR]
                spread = np.einsum("mp,mpq,mq->m", loads, state.covariance, loads)
                spread = (spread + (j + 1) * drift + ar + system.white) * state.variance
                spread = spread + prices * kalman.PRICE_STEP_SD**2
                middle = np.einsum("mp,mp->m", loads, held_up)
                pooled = kalman.pool(middle, spread, weights)
                known = levels.by_name.get(run.names[t])
                mean[row, j] = pooled[0] if known is None else known.at(run.log_jackpots[t])
                variance[row, j] = pooled[1] + levels.sds([run.names[t]])[0] ** 2
                factor[row, j] = calibrated.at(run.log_jackpots[t : t + 1])[0] * widening(np.array(j + 1.0))
        return mean, variance, factor

    def ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int, q: Array
    ) -> Ahead:
        """Forecast `horizon` draws after each origin, at their known jackpots and dates, in one run of the filter."""
        check_figures(draws)
        mean, variance, factor = self.log_ahead(draws, market, origins, horizon)
        return Ahead.lognormal(mean, factor**2 * variance, q)

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs."""
        f = self.fitted
        scalars: dict[str, Any] = {
            "reference": f.design.reference,
            "sd": f.sd,
            "log_start": f.log_start,
            "draws": f.draws,
        }
        if self.settings.changed:
            scalars["settings"] = self.settings.changed
        if f.design.drivers.scales:
            scalars["drivers"] = {name: list(scale) for name, scale in f.design.drivers.scales.items()}
        return scalars, {"knots": f.design.knots, "holidays": f.design.holidays}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model; raise InputError where the parameters are not those of a regression."""
        at, holidays = arrays["knots"], arrays["holidays"]
        if at.ndim != 1 or not len(at) or (np.diff(at) <= 0).any() or (np.diff(holidays) <= 0).any():
            raise InputError(Problem("knots or holidays do not ascend", field="knots", found=str(at)))
        sd, reference, log_start = (float(scalars[key]) for key in ("sd", "reference", "log_start"))
        if not (0 < sd < 10 and np.isfinite([reference, log_start]).all()):
            raise InputError(Problem("no size of a shock", field="sd", found=str(sd), allowed="above 0"))
        drivers = Drivers({name: (float(a), float(b)) for name, (a, b) in scalars.get("drivers", {}).items()})
        return cls(
            Fitted(Design(at, reference, holidays, drivers), sd, log_start, int(scalars["draws"])),
            Settings.of(scalars.get("settings", {})),
        )

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        f = self.fitted
        return {
            "draws": f.draws,
            "noise_log_sd": f.sd,
            "members": len(self.grid()),
            "knots": len(f.design.knots),
            "reference_jackpot": float(np.exp(f.design.reference)),
            **{f"tuned_{name}": factor for name, factor in self.settings.changed.items()},
        }

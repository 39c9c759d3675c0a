"""`combination`, the default: several models of one market, weighted by how well each has forecast of late.

A linear pool (Stone 1961; Bates and Granger 1969): each sample of the future is one model's, so the models'
disagreement is part of the forecast's doubt, and every sample and every mean is monotone because each model's is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..market.schema import Market
from .base import Ahead, Array, Demand, DemandModel, Elasticity, OneStep, learned, lognormal_quantiles
from .boosted import BoostedDemand, BoostedModel
from .calibration import rolling
from .common import check_figures
from .kalman import pool
from .posterior import elasticities, positive
from .settings import Settings
from .spline import SplineModel
from .state_space import StateSpaceDemand, StateSpaceModel

MEMBERS = ("state_space", "boosted_state_space", "spline")
FORGETTING = 0.98
POWER = 12.0
"""Weights are the inverse of the recent mean absolute log error, to this power."""
LARGEST_ERROR = 0.5
"""Log errors count up to here: one wild draw does not choose the model."""


def weights(errors: Array) -> Array:
    """Return the members' weights before each draw and after the last, shape (n + 1, m), from log errors (n, m).

    Only errors of the draws before count, the recent ones more; NaN errors (draws that do not count) change nothing.
    """
    recent = np.full(errors.shape[1], 0.1)
    result = np.empty((len(errors) + 1, errors.shape[1]))
    for t in range(len(errors) + 1):
        raw = (recent / recent.min()) ** -POWER
        result[t] = raw / raw.sum()
        if t < len(errors) and np.isfinite(errors[t]).all():
            recent = FORGETTING * recent + (1 - FORGETTING) * np.minimum(np.abs(errors[t]), LARGEST_ERROR)
            recent = np.maximum(recent, 1e-6)
    return result


class CombinedDemand(Demand):
    """A mixture of demands of one market."""

    def __init__(self, members: list[StateSpaceDemand], weights: Array) -> None:
        self.members, self.weights = members, weights
        self.largest_seen, self.draws_seen = members[0].largest_seen, members[0].draws_seen
        self.last_date = members[0].last_date

    def mean(self, jackpots: Array, dates: pd.DatetimeIndex) -> Array:
        """Return mean sales, shape (d, k): the weighted mean of the members' means."""
        means = np.stack([member.mean(jackpots, dates) for member in self.members])
        mean: Array = np.tensordot(self.weights, means, axes=1)
        return mean

    def quantiles(self, jackpots: Array, dates: pd.DatetimeIndex, q: Array) -> Array:
        """Return quantiles of sales, shape (len(q), d, k): lognormal by the mixture's moments of log sales."""
        moments = [member.log_moments(jackpots, dates) for member in self.members]
        mean, variance = (np.stack([moment[i] for moment in moments], axis=-1) for i in (0, 1))
        return lognormal_quantiles(*pool(mean, variance, self.weights), q)

    def sample(self, jackpots: Array, dates: pd.DatetimeIndex, samples: int, seed: int) -> Array:
        """Return joint draws of sales, shape (samples, d, k); each sample is one member's, at every jackpot."""
        order = np.random.default_rng([seed, 1]).permutation(samples)
        places = (np.arange(samples) + 0.5) / samples
        member = np.minimum(np.searchsorted(np.cumsum(self.weights), places), len(self.members) - 1)
        drawn = np.empty((samples, len(dates), len(jackpots)))
        for i, one in enumerate(self.members):
            mine = order[member == i]
            if len(mine):
                drawn[mine] = one.sample(jackpots, dates, len(mine), seed + i)
        return drawn

    def elasticity(self, jackpots: Array) -> list[Elasticity]:
        """Return the elasticity at each jackpot with its 90% band: of the mixture of the members' ensembles."""
        at = positive(jackpots)
        # A member counts by its weight in eighths; by one of them where that is over a twentieth.
        counts = np.maximum(np.round(self.weights * 8).astype(int), self.weights > 0.05)
        slopes = [
            np.tile(one.slopes(one.ensemble, at), (count, 1)) for one, count in zip(self.members, counts, strict=True)
        ]
        return elasticities(at, np.concatenate(slopes))

    def kept(self) -> dict[str, Array]:
        """Return the members' states (the boosted one's holds the regression's) and their weights, as arrays."""
        _, boosted, spline = (one.kept() for one in self.members)
        return {**boosted, **{f"spline_{name}": array for name, array in spline.items()}, "weights": self.weights}

    def log_parts(self, jackpot: float, dates: pd.DatetimeIndex) -> dict[str, float]:
        """Return the median log forecast of the last of `dates` by its parts, the weighted mean of the members'."""
        parts = [one.log_parts(jackpot, dates) for one in self.members]
        return {
            name: float(sum(w * part[name] for w, part in zip(self.weights, parts, strict=True))) for name in parts[0]
        }


class CombinationModel(DemandModel):
    """The state-space regression, boosting on its errors, and its recency-weighted spline, by recent performance."""

    name: ClassVar[str] = "combination"

    def __init__(
        self,
        members: tuple[StateSpaceModel, BoostedModel, SplineModel] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._members = members
        self.settings = members[0].settings if members else settings or Settings()

    @classmethod
    def tuned(cls, settings: Settings) -> Self:
        """Return an unfitted model with these settings of every member."""
        return cls(settings=settings)

    @property
    def members(self) -> tuple[StateSpaceModel, BoostedModel, SplineModel]:
        """Return the fitted members; raise InputError before `fit`."""
        return learned(self._members)

    def fit(self, draws: pd.DataFrame, market: Market) -> Self:
        """Fit each member on a history of any length; raise InputError where its figures cannot be used."""
        base = StateSpaceModel(settings=self.settings).fit(draws, market)
        spline = SplineModel(settings=self.settings).fit(draws, market)
        self._members = base, BoostedModel().fit_on(base, draws, market), spline
        return self

    def _weights(self, draws: pd.DataFrame, market: Market) -> Array:
        _, boosted, spline = self.members
        run, said = boosted.corrected(draws, market)
        other = spline.run(draws, market).moments[0]
        errors = run.log_sales[:, None] - np.column_stack([run.moments[0], run.moments[0] + said, other])
        return weights(np.where(run.counted[:, None], errors, np.nan))

    def condition(self, draws: pd.DataFrame, market: Market) -> CombinedDemand:
        """Filter each member's state and weigh the members by their recent errors."""
        return CombinedDemand([one.condition(draws, market) for one in self.members], self._weights(draws, market)[-1])

    def restore(self, kept: Mapping[str, Array], market: Market) -> CombinedDemand:
        """Return the demand that gave `kept`; raise KeyError or ValueError where it is none of this model's."""
        base, boosted, spline = self.members
        plain = base.restore(kept, market)
        of_spline = {name.removeprefix("spline_"): array for name, array in kept.items() if name[:7] == "spline_"}
        corrected = BoostedDemand(plain, boosted.trees, kept["errors_before"])
        return CombinedDemand([plain, corrected, spline.restore(of_spline, market)], kept["weights"])

    def one_step_ahead(self, draws: pd.DataFrame, market: Market, first: int) -> OneStep:
        """Forecast draws[first:] one by one, members weighted by their errors before each."""
        check_figures(draws.iloc[:first])
        base, boosted, spline = self.members
        run, said = boosted.corrected(draws, market)
        weight = self._weights(draws, market)
        of_base, of_spline = (one.log_forecasts(draws, market, first) for one in (base, spline))
        log_median, variance = pool(
            np.column_stack([of_base[0], of_base[0] + said[first:], of_spline[0]]),
            np.column_stack([of_base[1], of_base[1], of_spline[1]]),
            weight[first:-1],
        )
        return OneStep.lognormal(log_median, variance, rolling(run.standard, run.log_jackpots, run.counted, first))

    def ahead(
        self, draws: pd.DataFrame, market: Market, origins: npt.NDArray[np.intp], horizon: int, q: Array
    ) -> Ahead:
        """Forecast `horizon` draws after each origin, members weighted as they were at the origin."""
        check_figures(draws)
        weight = self._weights(draws, market)[origins]
        forecasts = [one.log_ahead(draws, market, origins, horizon) for one in self.members]
        mean, variance, factor = (np.stack([forecast[i] for forecast in forecasts], axis=-1) for i in range(3))
        return Ahead.lognormal(*pool(mean, variance * factor**2, weight[:, None, :]), q)

    def parameters(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """Return all that `from_parameters` needs: the members' parameters under their names."""
        base, boosted, spline = (one.parameters() for one in self.members)
        scalars = {"state_space": dict(base[0]), "spline": dict(spline[0])}
        return scalars, {**boosted[1], **{f"spline_{name}": array for name, array in spline[1].items()}}

    @classmethod
    def from_parameters(cls, scalars: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Rebuild a fitted model."""
        boosted = BoostedModel.from_parameters(scalars["state_space"], arrays)
        of_spline = {name.removeprefix("spline_"): array for name, array in arrays.items() if name[:7] == "spline_"}
        spline = SplineModel.from_parameters(scalars["spline"], of_spline)
        return cls((boosted.regression, boosted, spline))

    def describe(self) -> Mapping[str, Any]:
        """Return figures of the fit by name."""
        return {"combined": ", ".join(MEMBERS), **self.members[1].describe()}

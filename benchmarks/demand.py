"""The sales forecast on two real games and on simulated markets: errors, intervals, elasticities, speed, ablation.

    python -m benchmarks.demand --data DIR

DIR holds `megasena.csv` and `timemania.csv`, in the columns of their market files. Each game's last fifth is the test
window; settings were chosen before it. `--quick` leaves out ablation and most simulated markets.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from jackpot.api import read_week
from jackpot.cli.output import Output, table
from jackpot.demand import boosted, flags, kalman, priors, state_space
from jackpot.demand.base import Array, OneStep
from jackpot.demand.calibration import Z
from jackpot.demand.common import ordinary
from jackpot.demand.models import new_model
from jackpot.demand.settings import Settings
from jackpot.demand.specials import held
from jackpot.demand.storage import load_model, load_state, model_files, state_bytes
from jackpot.evaluation.backtest import test_start
from jackpot.evaluation.scores import crps_normal
from jackpot.market.loading import load_market
from jackpot.market.schema import Market
from jackpot.simulation.play import play
from jackpot.simulation.truth import Truth
from jackpot.store import FolderStore
from jackpot.tuning.choice import choose
from jackpot.tuning.study import Study
from jackpot.tuning.trials import run_trials

from .report import Figure, finish

GAMES = ("megasena", "timemania")
MODELS = ("combination", "state_space", "boosted_state_space", "spline", "boosting", "log_log_ols", "seasonal_naive")
JUBILEE = pd.Timestamp("2026-05-24")
SIMULATED, SCARCE, TRIALS = 200, 50, 200

GROUPS = {
    "weekday": ("weekday", "slope_by_weekday"),
    "slope by weekday": ("slope_by_weekday",),
    "gap": ("gap",),
    "season": ("season",),
    "holidays and month": ("calendar",),
    "rollovers, habit, last jackpots": ("memory",),
}


@dataclass(frozen=True)
class Game:
    """A real game's history, its market, and where its test window begins."""

    draws: pd.DataFrame
    market: Market
    first: int

    @property
    def usual(self) -> Array:
        """Which test draws are ordinary: no special, declared or held late."""
        return np.array([not name for name in held(self.draws, self.market)])[self.first :]

    def forecast(self, model: str, settings: Settings | None = None) -> OneStep:
        """Return a model's one-step forecasts of the test window."""
        fitted = new_model(model, settings).fit(self.draws[: self.first], self.market)
        return fitted.one_step_ahead(self.draws, self.market, self.first)


def game(data: Path, name: str) -> Game:
    """Read a game as a user would."""
    week = read_week(load_market(name), history=str(data / f"{name}.csv"))
    draws = week.history.draws
    return Game(draws, week.market, test_start(draws, week.market))


def wmape(sales: Array, mean: Array) -> float:
    """Return sum |error| / sum of sales, in percent."""
    return 100 * float(np.abs(sales - mean).sum() / sales.sum())


def bootstrap(sales: Array, mean: Array, bias: bool = False, block: int = 26) -> tuple[float, float]:
    """Return the 5% and 95% points of wMAPE (or of the bias of totals) over circular blocks of draws."""
    generator, n = np.random.default_rng(1), len(sales)
    starts = generator.integers(0, n, (1000, -(-n // block)))
    places = (starts[:, :, None] + np.arange(block)).reshape(1000, -1)[:, :n] % n
    errors = mean - sales if bias else np.abs(mean - sales)
    found = 100 * errors[places].sum(axis=1) / sales[places].sum(axis=1)
    return float(np.quantile(found, 0.05)), float(np.quantile(found, 0.95))


@contextmanager
def patched(names: dict[tuple[Any, str], Any]) -> Iterator[None]:
    """Give module constants other values for a while: how a part is taken out."""
    before = {key: getattr(*key) for key in names}
    for (owner, name), value in names.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for (owner, name), value in before.items():
            setattr(owner, name, value)


def parts() -> dict[str, dict[tuple[Any, str], Any]]:
    """Return what to change to take each part of the default out."""
    still = dict.fromkeys(state_space.SPEED, 0.0)
    out: dict[str, dict[tuple[Any, str], Any]] = {
        "nothing": {},
        "drifting coefficients": {(state_space, "SPEED"): still},
        "curvature in the jackpot": {(priors, "SLOPE_RANGE"): 1e3,
                                     (priors, "ELASTICITY_PER_LOG"): 0.0, (priors, "ELASTICITY_AT_START"): 0.4},
        "robust update": {(kalman, "CLIP"): 1e6},
        "break detection": {(kalman, "BREAK_AT"): 1e6},
        "AR(1) error": {(state_space.StateSpaceModel, "errors"): ((0.0, 0.01, 0.1), (0.0, 0.01, 0.3))},
        "averaging over settings": {(state_space.StateSpaceModel, "errors"): ((0.4, 0.8, 0.1),),
                                    (state_space.StateSpaceModel, "tempi"): (1.0,)},
        "boosted correction": {(boosted, "BELIEF"): 0.0},
        "flagged specials": {(flags, "FLAGGED_TRUST"): 1.0},
        "price steps": {(kalman, "PRICE_STEP_SD"): 0.0},
    }  # fmt: skip
    for label, groups in GROUPS.items():
        out[label] = {
            (state_space, "PRIOR_SD"): {k: 1e-6 if k in groups else v for k, v in state_space.PRIOR_SD.items()},
            (state_space, "SPEED"): {k: 0.0 if k in groups else v for k, v in state_space.SPEED.items()},
        }
    return out


def without(job: tuple[Game, str]) -> float:
    """Return the wMAPE of the default with one part out."""
    one, part = job
    with patched(parts()[part]):
        forecast = one.forecast("combination")
    sales = one.draws["sales"].to_numpy(float)[one.first :]
    return wmape(sales[one.usual], forecast.mean[one.usual])


def forecast(job: tuple[Game, str]) -> tuple[OneStep, float]:
    """Return a model's one-step forecasts of the test window, and the seconds of fitting and forecasting."""
    one, model = job
    began = time.perf_counter()
    found = one.forecast(model)
    return found, time.perf_counter() - began


def ahead(one: Game) -> tuple[Array, Array]:
    """Return mean (o, 8) and 90% interval (2, o, 8) of the default from each test origin."""
    fitted = new_model("combination").fit(one.draws[: one.first], one.market)
    origins = np.arange(one.first, len(one.draws))
    found = fitted.ahead(one.draws, one.market, origins, 8, np.array([0.05, 0.95]))
    return found.mean, found.quantiles


def simulated(seed: int, draws: int) -> tuple[pd.DataFrame, Market]:
    """Return a simulated market: rollover jackpots, a drifting level, errors AR(1) .3 to .65, elasticity no spline."""
    base, generator = load_market("megasena").market, np.random.default_rng([2, seed])
    low = float(generator.uniform(0.05, 0.35))
    changes = {
        "draws": draws, "seed": seed,
        "elasticity_low": low, "elasticity_high": low + float(generator.uniform(0.2, 0.9)),
        "noise_ar1": float(generator.uniform(0.3, 0.65)), "noise_log_sd": float(generator.uniform(0.04, 0.1)),
        "level_log_sd": float(generator.uniform(0.002, 0.01)), "starts": pd.Timestamp("2023-09-02").date(),
    }  # fmt: skip
    market = base.model_copy(update={"simulation": base.simulation.model_copy(update=changes)})  # type: ignore[union-attr]
    return play(market), market


def elasticity_inside(seed: int) -> list[bool]:
    """Return whether the 90% band holds the true elasticity at three jackpots of a simulated market."""
    draws, market = simulated(seed, 300)
    demand = new_model("combination").fit(draws, market).condition(draws, market)
    at = np.quantile(draws["jackpot"].to_numpy(float), [0.2, 0.5, 0.9])
    truth = Truth(market).elasticity(at)
    return [one.low <= true <= one.high for one, true in zip(demand.elasticity(at), truth, strict=True)]


def scarce(seed: int) -> tuple[float, float, float]:
    """Return the CRPS of ten draws after 20 draws: pooled priors, vague priors, the seed's form."""
    draws, market = simulated(10_000 + seed, 30)

    def score(name: str) -> float:
        found = new_model(name).fit(draws[:20], market).one_step_ahead(draws, market, 20)
        log_sales = np.log(draws["sales"].to_numpy(float))[20:]
        losses = crps_normal(log_sales, found.log_median, found.log_sd * found.tail_scale)
        return float(losses[ordinary(draws)[20:]].mean())

    vague = {
        (priors, "ELASTICITY_SD"): 3.0,
        (state_space, "PRIOR_SD"): {name: 5 * sd for name, sd in state_space.PRIOR_SD.items()},
        (priors, "ELASTICITY_PER_LOG"): 0.0,
    }
    pooled = score("combination")
    with patched(vague):
        unknowing = score("combination")
    return pooled, unknowing, score("log_log_ols")


def specials_mape(one: Game, forecast_of: str = "combination") -> tuple[float, int]:
    """Return the MAPE of the year-end special, rolling from the fourth, by the model's forecast before each."""
    names = held(one.draws, one.market)
    places = [t for t, name in enumerate(names) if name][3:]
    fitted = new_model(forecast_of).fit(one.draws[: places[0]], one.market)
    found = fitted.one_step_ahead(one.draws, one.market, places[0])
    sales = one.draws["sales"].to_numpy(float)
    errors = [abs(found.mean[t - places[0]] / sales[t] - 1) for t in places]
    return 100 * float(np.mean(errors)), len(errors)


def load_and_forecast(one: Game) -> float:
    """Return the milliseconds of loading a stored model in its stored state, and of one forecast."""
    files = model_files(new_model("combination").fit(one.draws, one.market))
    state = state_bytes(load_model(files).condition(one.draws, one.market))
    date = pd.DatetimeIndex([one.draws["draw_date"].iloc[-1] + pd.Timedelta(days=3)])
    times = []
    for _ in range(25):
        began = time.perf_counter()
        load_state(load_model(files), state or b"", one.market).mean(np.array([3e7]), date)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def tuning_seconds() -> tuple[float, float]:
    """Return the seconds of 200 trials on 2,000 draws in two processes, and of comparing the best with the default."""
    draws, market = simulated(7, 2000)
    study = Study.of(draws, market, "0" * 64, "0" * 64)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        began = time.perf_counter()
        run_trials(study, range(TRIALS), store, lambda: False, workers=2)
        tried = time.perf_counter()
        choose(study, TRIALS, store, workers=2)
        return tried - began, time.perf_counter() - tried


def tuned(one: Game) -> tuple[str, float, float]:
    """Return what 200 trials say of a game, and its wMAPE with the default's settings and with those of the best."""
    study = Study.of(one.draws, one.market, "0" * 64, "0" * 64)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        run_trials(study, range(TRIALS), store, lambda: False, workers=2)
        tuning = choose(study, TRIALS, store, workers=2)
    best = max(tuning.finalists, key=lambda finalist: finalist.improvement, default=None)
    errors = []
    for settings in ({}, best.settings if best else {}):
        mean = one.forecast("combination", Settings.of(settings)).mean[one.usual]
        errors.append(wmape(one.draws["sales"].to_numpy(float)[one.first :][one.usual], mean))
    return tuning.reason, errors[0], errors[1]


def main() -> None:
    """Print the tables and the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    output = Output(as_json=False)
    games = {name: game(args.data, name) for name in GAMES}
    figures: list[Figure] = []
    trying, comparing = tuning_seconds()
    figures.append(Figure(f"{TRIALS} tuning trials on 2,000 draws, two processes", trying, "s", "<= 60"))
    figures.append(Figure("the three best of them beside the default", comparing, "s", "<= 20"))
    outcomes = {} if args.quick else {name: tuned(one) for name, one in games.items()}
    with ProcessPoolExecutor(2) as pool, output.working("forecasting"):
        keys = [(name, model) for name in GAMES for model in MODELS]
        of_model = dict(zip(keys, pool.map(forecast, [(games[name], model) for name, model in keys]), strict=True))
        horizons = dict(zip(GAMES, pool.map(ahead, games.values()), strict=True))
        simulations = 20 if args.quick else SIMULATED
        inside = np.array(list(pool.map(elasticity_inside, range(simulations), chunksize=5)))
        few = np.array(list(pool.map(scarce, range(10 if args.quick else SCARCE), chunksize=5)))
        special, specials = specials_mape(games["megasena"])
        labels = ["nothing"] if args.quick else list(parts())
        jobs = [(games[name], part) for part in labels for name in GAMES]
        ablated = np.array(list(pool.map(without, jobs))).reshape(-1, 2)

    errors = table(
        "one draw ahead, last fifth", "wMAPE", "90% of bootstraps", "five worst", "bias", "coverage", "width"
    )
    for name, one in games.items():
        sales = one.draws["sales"].to_numpy(float)[one.first :]
        dates = pd.DatetimeIndex(one.draws["draw_date"])[one.first :]
        sets = {"specials apart": one.usual}
        if name == "megasena":
            sets |= {
                "and 2026-05-24 apart": one.usual & (dates != JUBILEE),
                "31 December apart as declared": ordinary(one.draws)[one.first :],
                "specials too": np.ones(len(sales), dtype=bool),
            }
        for model in MODELS:
            found, _ = of_model[name, model]
            for label, counted in sets.items():
                if model != "combination" and label != "specials apart":
                    continue
                actual, mean = sales[counted], found.mean[counted]
                error = np.abs(actual - mean)
                low, high = bootstrap(actual, mean)
                lower, upper = found.quantile(0.05)[counted], found.quantile(0.95)[counted]
                worst = 100 * np.sort(error)[-5:].sum() / error.sum()
                bias = 100 * (mean.sum() / actual.sum() - 1)
                covered = 100 * np.mean((actual >= lower) & (actual <= upper))
                width = 100 * np.mean((upper - lower) / mean)
                errors.add_row(
                    f"{name} {model}, {label}", f"{wmape(actual, mean):.2f}", f"{low:.2f} to {high:.2f}",
                    f"{worst:.0f}%", f"{bias:+.2f}", f"{covered:.1f}", f"{width:.1f}%",
                )  # fmt: skip
    output.results.print(errors)

    for name, one in games.items():
        sales, usual = one.draws["sales"].to_numpy(float)[one.first :], one.usual
        dates = pd.DatetimeIndex(one.draws["draw_date"])[one.first :]
        found, seconds = of_model[name, "combination"]
        lower, upper = found.quantile(0.05), found.quantile(0.95)
        held_inside = (sales >= lower) & (sales <= upper)
        jackpots = one.draws["jackpot"].to_numpy(float)[one.first :]
        top = usual & (jackpots >= np.quantile(jackpots[usual], 0.9))
        must = {"megasena": ("5.6", "4.6", "6.8", "22"), "timemania": ("6.6", "", "9.8", "32")}[name]
        figures.append(
            Figure(
                f"{name}: wMAPE one ahead, specials apart", wmape(sales[usual], found.mean[usual]), "%", f"<= {must[0]}"
            )
        )
        if name == "megasena":
            rest = usual & (dates != JUBILEE)
            figures.append(
                Figure("megasena: 2026-05-24 apart too", wmape(sales[rest], found.mean[rest]), "%", f"<= {must[1]}")
            )
            declared = ordinary(one.draws)[one.first :]
            figures.append(
                Figure(
                    "megasena: the late 2026-01-01 as ordinary",
                    wmape(sales[declared], found.mean[declared]),
                    "%",
                    "<= 5.6",
                )
            )
            figures.append(Figure("megasena: with specials", wmape(sales, found.mean), "%", "<= 8"))
            figures.append(
                Figure(f"megasena: {specials} year-end specials from the fourth, MAPE", special, "%", "<= 16")
            )
        mean, quantiles = horizons[name]
        for step, bound in ((4, must[2]), (8, "")):
            at = np.arange(len(sales) - step + 1)
            counted = usual[at + step - 1]
            actual, guess = sales[at + step - 1], mean[at, step - 1]
            if bound:
                figures.append(
                    Figure(f"{name}: wMAPE four ahead", wmape(actual[counted], guess[counted]), "%", f"<= {bound}")
                )
            else:
                in_band = (actual >= quantiles[0, at, step - 1]) & (actual <= quantiles[1, at, step - 1])
                share = 100 * float(in_band[counted].mean())
                figures += [
                    Figure(f"{name}: coverage eight ahead", share, "%", f"{sign} {edge}")
                    for sign, edge in ((">=", 85), ("<=", 95))
                ]
        share = 100 * float(held_inside[usual].mean())
        figures += [
            Figure(f"{name}: coverage", share, "%", f"{sign} {edge}") for sign, edge in ((">=", 87), ("<=", 93))
        ]
        n = int(top.sum())
        figures.append(
            Figure(
                f"{name}: coverage, top tenth of jackpots",
                100 * float(held_inside[top].mean()),
                "%",
                f">= {100 * binom.ppf(0.01, n, 0.9) / n:.1f}",
            )
        )
        relative = 100 * float(np.mean((upper - lower)[usual] / found.mean[usual]))
        figures.append(Figure(f"{name}: mean width of the 90% interval", relative, "%", f"<= {must[3]}"))
        low, high = bootstrap(sales[usual], found.mean[usual], bias=True)
        off = abs(100 * float(found.mean[usual].sum() / sales[usual].sum() - 1))
        figures.append(Figure(f"{name}: bias of total sales", off, "%", f"<= {max(1.0, (high - low) / Z):.2f}"))
        figures.append(Figure(f"{name}: fit and one-step evaluation", seconds, "s", "<= 20"))
    bands = 100 * inside.mean(axis=0)
    figures.append(
        Figure(f"elasticity bands, {simulations} markets: lowest of three", float(bands.min()), "%", ">= 84")
    )
    figures.append(Figure("elasticity bands: highest of three", float(bands.max()), "%", "<= 97"))
    figures += [
        Figure("elasticity bands: mean", float(bands.mean()), "%", f"{sign} {edge}")
        for sign, edge in ((">=", 87), ("<=", 94))
    ]
    pooled, vague, plain = few.mean(axis=0)
    figures.append(Figure("20 draws: CRPS under vague priors'", 100 * (1 - pooled / vague), "%", ">= 10"))
    figures.append(Figure("20 draws: CRPS under the seed's form's", 100 * (1 - pooled / plain), "%", ">= 40"))
    figures.append(Figure("loading, and one forecast", load_and_forecast(games["megasena"]), "ms", "<= 5"))

    out = table("the default without", "Mega-Sena", "Timemania")
    for label, row in zip(labels, ablated, strict=True):
        out.add_row(label, *(f"{value:.2f} ({value - base:+.2f})" for value, base in zip(row, ablated[0], strict=True)))
    output.results.print(out)
    searched = table(f"{TRIALS} trials", "wMAPE of the default", "of the best confirmed", "what the trials say")
    for name, (reason, default, best) in outcomes.items():
        searched.add_row(name, f"{default:.2f}", f"{best:.2f}", reason)
    output.results.print(searched)
    finish("demand", figures)


if __name__ == "__main__":
    main()

"""A market played draw by draw: jackpots announced, sales drawn from the truth, wins drawn from the game."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, Problem
from ..game.draw import simulate_draws
from ..game.rollover import least_after, must_be_won
from ..game.winners import settled
from ..market.calendar import draw_dates, is_special
from ..market.schema import Market
from .announcing import announced_by_policy, announced_from_pool
from .truth import Truth, simulation_of

Array = npt.NDArray[np.float64]


def simulated_dates(market: Market, draws: int | None = None) -> list[dt.date]:
    """Return the dates of the simulation's draws, the market file's number of them where `draws` is None."""
    simulation = simulation_of(market)
    count = simulation.draws if draws is None else draws
    if count < 1:
        raise InputError(Problem("a history needs draws", market.market, "draws", None, str(count), "1 or more"))
    return draw_dates(market, simulation.starts - dt.timedelta(days=1), count)


def play(market: Market, draws: int | None = None, seed: int | None = None) -> pd.DataFrame:
    """Return a simulated history, one row a draw, in the columns of `history.contract` with the market's tiers.

    `draws` and `seed` are the market file's where None; a longer history begins with the shorter one of its seed.
    Further columns hold what only a simulation knows: `mean_sales` (the truth at this jackpot, date and level),
    `log_level` (the random walk), `log_error` (AR(1); the mean of its exp is one) and `next_jackpot`.
    Raises InputError where the market has no `simulation` section, or `draws` is below one.
    """
    simulation = simulation_of(market)
    count = len(simulated_dates(market, draws))
    dates = simulated_dates(market, count + 1)
    seeds = np.random.SeedSequence(simulation.seed if seed is None else seed).spawn(4)
    walking, erring, announcing, drawing = (np.random.Generator(np.random.PCG64(child)) for child in seeds)
    truth = Truth(market)
    level = np.cumsum(simulation.level_log_sd * walking.standard_normal(count + 1))
    error = _errors(simulation.noise_log_sd, simulation.noise_ar1, count + 1, erring)
    log_calendar = truth.log_calendar(dates) + level

    digits = market.currency_decimals
    pool = market.game.pool.opening if market.game.pool else math.nan
    jackpot, won, rollovers = None, False, 0

    def announced(i: int) -> float:
        if market.game.pool:
            held = announced_from_pool(market, truth, pool, float(log_calendar[i]))
            return max(held, float(least_after(market.jackpot, np.array(jackpot)))) if rollovers else held
        return announced_by_policy(market, jackpot, won, announcing)

    jackpot = announced(0)
    rows = []
    for i, date in enumerate(dates[:-1]):
        price = market.price_on(date)
        mean = float(settled(np.exp(log_calendar[i] + truth.response(jackpot))))
        tickets = max(round(float(settled(np.exp(error[i]))) * mean / price), 1)
        sales = round(tickets * price, digits)
        must = bool(must_be_won(market, date, np.array(rollovers)))
        outcome = simulate_draws(market, price, sales, jackpot, pool if market.game.pool else 0.0, drawing, must)
        won = bool(outcome.jackpot_winners > 0)
        if market.game.pool:
            pool = round(float(outcome.pool_after), digits)
            rollovers = 0 if won or must else rollovers + 1
        row = {
            "draw": i + 1,
            "draw_date": date,
            "jackpot": jackpot,
            "sales": sales,
            "special": is_special(market, date),
            "jackpot_winners": int(outcome.jackpot_winners),
            "jackpot_paid": round(float(outcome.jackpot_paid), digits),
            "secondary_paid": round(float(outcome.secondary_paid), digits),
            "pool": pool,
            "mean_sales": mean,
            "log_level": level[i],
            "log_error": error[i],
        }
        for tier in outcome.tier_winners:
            row[f"winners:{tier}"] = int(outcome.tier_winners[tier])
            row[f"paid:{tier}"] = round(float(outcome.tier_paid[tier]), digits)
        row["next_jackpot"] = jackpot = announced(i + 1)
        rows.append(row)

    table = pd.DataFrame(rows)
    counts = ["jackpot_winners", *(name for name in table.columns if name.startswith("winners:"))]
    types = {"draw_date": "datetime64[ns]", "special": "string"} | dict.fromkeys(counts, "Int64")
    return table.astype(types)


def _errors(log_sd: float, ar1: float, count: int, rng: np.random.Generator) -> Array:
    """Return stationary AR(1) errors of standard deviation `log_sd`, shifted so that the mean of their exp is one."""
    shocks = (log_sd * rng.standard_normal(count)).tolist()
    errors = shocks[:1]
    for shock in shocks[1:]:
        errors.append(ar1 * errors[-1] + math.sqrt(1 - ar1**2) * shock)
    return np.array(errors) - log_sd**2 / 2

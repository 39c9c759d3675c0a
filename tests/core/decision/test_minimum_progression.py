"""Rollover games that announce a minimum progression: so much more after each draw that nobody won."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from jackpot.decision.changes import Changes
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve
from jackpot.decision.what_if import what_if
from jackpot.errors import InputError

GAME = {"payout": "rollover", "jackpot_odds_one_in": 20e6, "pool": {"share_of_sales": 0.1, "opening": 2e6}}
TODAY = dt.date(2025, 12, 29)


def progressing(world, more=2e6, cap=20e6, **parts):
    jackpot = {"start": 5e6, "cap": cap, "step": 5e5, "minimum_progression": more}
    return world.market(game=GAME, jackpot=jackpot, costs={"variable_share_of_sales": 0.3}, **parts)


def solved_after(world, market, jackpot, pool):
    past = world.history(market, draws=len(pool), jackpot=jackpot, pool=pool, prizes=0.0)
    return solve(situate(market, past, world.Demand(b=0.1), TODAY, None))


def test_after_a_draw_that_nobody_won_at_least_so_much_more_is_announced(world):
    free = solved_after(world, world.market(game=GAME, jackpot={"start": 5e6, "cap": 20e6}), 8e6, [1e6, 2e6])
    held = solved_after(world, progressing(world), 8e6, [1e6, 2e6])
    assert free.jackpot < 10e6
    assert held.jackpot == 10e6
    assert held.optimum.binding().keys() == {"minimum_progression"}
    (words,) = [bound.description for bound in held.constraints.bounds if bound.name == "minimum_progression"]
    assert words == (
        "at least 10,000,000 GBP, since nobody won the last jackpot, 8,000,000 GBP, and the minimum progression is "
        "2,000,000 GBP"
    )
    won = solved_after(world, progressing(world), 8e6, [1e6, 0.0])
    assert won.jackpot < 10e6
    assert "minimum_progression" not in {bound.name for bound in won.constraints.bounds}


def test_it_ends_at_the_cap_and_is_rounded_up_to_a_step(world):
    assert solved_after(world, progressing(world), 19.5e6, [1e6, 2e6]).jackpot == 20e6
    assert solved_after(world, progressing(world, more=1.7e6), 8e6, [1e6, 2e6]).jackpot == 10e6
    assert solved_after(world, progressing(world, cap=None), 19.5e6, [1e6, 2e6]).jackpot == 21.5e6


def test_draws_ahead_obey_it_until_somebody_wins(world):
    solved = solved_after(world, progressing(world), 8e6, [1e6, 2e6])
    rolled = solved.constraints.outlook.roll(solved.situation, solved.jackpot, 8)
    before, after = rolled.jackpot[:, :-1], rolled.jackpot[:, 1:]
    won = rolled.prizes[:, :-1] >= 5e6 + 0.25 * rolled.sales[:, :-1]
    assert 0 < won.mean() < 1
    assert (won | (after >= np.minimum(before + 2e6, 20e6))).all()
    assert (after[won] < before[won]).any()


def test_a_path_that_falls_short_of_it_is_told(world):
    solved = solved_after(world, progressing(world), 8e6, [1e6, 2e6])
    assert what_if(solved, Changes(jackpot=(10e6, 12e6, 14e6))).answer.breaks == ()
    assert what_if(solved, Changes(jackpot=(10e6, 11e6))).answer.breaks == ("minimum_progression",)
    assert what_if(solved, Changes(jackpot=(9e6,))).answer.breaks == ("minimum_progression",)


def test_what_the_history_must_say_and_where_it_belongs(world):
    market = progressing(world)
    past = world.history(market, draws=3, prizes=np.nan)
    past.draws["jackpot_winners"] = pd.array([pd.NA] * 3, dtype="Int64")
    with pytest.raises(InputError) as caught:
        _ = situate(market, past, world.Demand(), TODAY, None).rollovers
    assert caught.value.problems[0].field == "jackpot.minimum_progression"
    with pytest.raises(ValidationError, match="belongs to payout: rollover"):
        world.market(jackpot={"minimum_progression": 2e6})
    with pytest.raises(ValidationError, match="is more than largest_change"):
        world.market(game=GAME, jackpot={"minimum_progression": 2e6, "largest_change": 1e6})
    with pytest.raises(ValidationError, match="in whole steps 2,000,000, is more than largest_change 1,800,000"):
        world.market(game=GAME, jackpot={"step": 5e5, "minimum_progression": 1.7e6, "largest_change": 1.8e6})

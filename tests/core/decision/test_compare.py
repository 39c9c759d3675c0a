"""Policies side by side: shards say the same however they are shared out, and intervals are what they claim."""

import numpy as np
import pytest

from jackpot.decision.compare import (
    CONSTANT,
    ShardRuns,
    best_constant,
    parse_shard,
    report,
    shards,
    simulate_shard,
    written,
)
from jackpot.decision.simulate import RunFigures
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve
from jackpot.errors import InputError


def figures(value, breach=0.0):
    value = np.asarray(value, dtype=float)
    zeros = np.zeros(len(value))
    return RunFigures(value, np.full((len(value), 1), breach), zeros, zeros, np.minimum(value, 0.0), ())


def shard(number, value, **policies):
    found = {
        "plan": value,
        "seed_rule": value,
        "last_jackpot": value,
        "history": value,
        "clairvoyant": value,
        **policies,
    }
    return ShardRuns(shard=number, draws=4, policies={name: written(figures(one)) for name, one in found.items()})


def test_shards_hold_every_run_once_whatever_their_size():
    for runs in (1, 99, 100, 101, 1000):
        assert sum(parse_shard(one)[1] for one in shards(runs)) == runs
    for bad in (0, -1, 10**9):
        with pytest.raises(InputError):
            shards(bad)
    for text in ("", "1", "a:b", "1:0", "-1:5"):
        with pytest.raises(InputError):
            parse_shard(text)


def test_the_order_of_shards_and_their_way_through_json_change_nothing(world):
    parts = [shard(i, np.random.default_rng(i).normal(1e6, 1e5, 7)) for i in range(3)]
    made = report(world.market(), parts, 1, "simulated", "game", "2026-01-03")
    again = [ShardRuns.model_validate_json(one.to_bytes()) for one in reversed(parts)]
    assert report(world.market(), again, 1, "simulated", "game", "2026-01-03").to_bytes() == made.to_bytes()
    with pytest.raises(InputError, match="missing"):
        report(world.market(), parts[1:], 1, "simulated", "game", "2026-01-03")


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says(world):
    held = 0
    for seed in range(120):
        values = np.random.default_rng(seed).normal(5.0, 2.0, 10)
        (plan, *_) = report(world.market(), [shard(0, values)], 1, "simulated", "game", "2026-01-03").policies
        held += plan.value.low_95 <= 5.0 <= plan.value.high_95
    assert 0.88 <= held / 120 <= 0.995


def test_one_run_gives_no_interval(world):
    (plan, *_) = report(world.market(), [shard(0, [3.0])], 1, "backtest", "happened", "2026-01-03").policies
    assert (plan.value.low_95, plan.value.high_95) == (None, None)


def test_the_best_constant_keeps_the_promise_before_it_is_worth_most():
    known = {
        f"{CONSTANT}1": figures([9.0, 9.0], 0.5),
        f"{CONSTANT}2": figures([5.0, 5.0]),
        f"{CONSTANT}3": figures([4.0, 4.0]),
    }
    assert best_constant(known, 0.05) == f"{CONSTANT}2"
    assert best_constant(known, 1.0) == f"{CONSTANT}1"


def test_without_promises_the_plan_is_the_clairvoyant_where_nothing_is_uncertain(world):
    """No noise and no promise: to know sales beforehand is worth nothing, and a constant is as good where days are."""
    import datetime as dt

    market = world.market(costs={"variable_share_of_sales": 0.30})
    demand = world.Demand(b=0.3, noise=0.0)
    situation = situate(market, world.history(market), demand, dt.date(2025, 12, 29), None)
    part = simulate_shard(solve(situation), demand, "0:50", 6, 3)
    found = {one.name: one for one in report(market, [part], 3, "simulated", "game", "2026-01-03").policies}
    assert found["plan"].regret.value == 0.0
    assert found["constant"].value == found["plan"].value
    assert found["constant"].jackpot == pytest.approx(0.3 / 1.3 * 0.45 * world.price * world.odds, rel=0.15)
    assert found["last_jackpot"].jackpot is None
    assert simulate_shard(solve(situation), demand, "0:50", 6, 3) == part
    assert simulate_shard(solve(situation), demand, "1:50", 6, 3) != part

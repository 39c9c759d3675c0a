"""The dynamic programme: England's figures, and small markets solved over their whole ledger."""

from functools import cache

import numpy as np
import pytest

from jackpot.decision.plan import Ahead, make_plan
from jackpot.decision.programme import Cells, Programme, Stage

pytestmark = pytest.mark.slow

TICKET = 2.2e-8 / 2.5
NODES = np.r_[np.arange(5, 30.1, 2.5), 35, 40, 45, 50] * 1e6
EVEN = (250e6 - 0.4 * 600e6) / 51


def england(b, floor=0.4, accrued=False):
    """Return what a draw adds to the surplus, with which chance, and its value: noise of log-sd 0.08, Poisson wins."""
    z, weight = np.polynomial.hermite_e.hermegauss(5)
    sales = 11.75e6 * (NODES / 15e6) ** b * np.exp(0.08 * z[:, None] - 0.08**2 / 2)
    weight = np.broadcast_to((weight / weight.sum())[:, None], sales.shape)
    mean = sales * TICKET
    reward = (weight * (0.45 * sales - mean * NODES)).sum(axis=0)
    if accrued:
        return sales * (0.25 - floor) + mean * NODES, weight, reward
    increment, chance, one = [], [], np.exp(-mean)
    for n in range(7):
        increment.append(n * NODES + (0.25 - floor) * sales)
        chance.append(weight * one)
        one = one * mean / (n + 1)
    return np.concatenate(increment), np.concatenate(chance), reward


def ahead(stages, x=0.0, lucky=True):
    return Ahead(NODES, None, None, (), tuple(stages), 0, x, x, lucky)


@pytest.mark.parametrize(("b", "best", "kept"), [(0.1, 0.971, 0.75), (0.5, 0.994, 0.94)])
def test_realised_floor_at_the_years_end(b, best, kept):
    law = england(b)
    year = [Stage(*law, low=0.0 if t == 51 else -np.inf, last=t == 51) for t in range(52)]
    plan = make_plan(ahead(year), 0.95, restore=False)
    assert plan.attainable_at_start == pytest.approx(best, abs=0.003)
    assert plan.worth.kept[0] == pytest.approx(0.95, abs=0.004)
    assert plan.worth.value[0] / (52 * law[2].max()) == pytest.approx(kept, abs=0.01)


@pytest.mark.parametrize(("b", "best"), [(0.1, 0.42), (0.5, 0.49)])
def test_realised_floor_at_each_draw_is_out_of_reach(b, best):
    law = england(b)
    stages = [Stage(*law, low=0.0, drop=EVEN if t else 0.0, last=t == 51) for t in range(52)]
    one = ahead(stages, 51 * EVEN)
    chance = one.programme.cells.read(one.programme.attainable[0, 0], np.array([51 * EVEN]))[0]
    assert chance == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize(("b", "kept"), [(0.1, 0.835), (0.3, 0.968), (0.5, 1.0)])
def test_accrued_floor_is_kept_for_certain_at_its_share_of_the_value(b, kept):
    law = england(b, accrued=True)
    stages = [Stage(*law, low=0.0, last=t == 51) for t in range(52)]
    plan = make_plan(ahead(stages, lucky=False), 0.95, certain=True)
    assert plan.worth.kept[0] > 0.999
    assert plan.worth.value[0] / (52 * law[2].max()) == pytest.approx(kept, abs=0.01)


def test_what_is_out_of_reach_is_restored_as_confidently_and_for_more():
    """A thousandth of what is attainable, given up where a promise is out of reach, is worth more than a point."""
    law = england(0.2)
    year = [Stage(*law, low=0.0 if t == 51 else -np.inf, last=t == 51) for t in range(52)]
    one = ahead(year)
    free, forced = make_plan(one, 0.95, restore=False), make_plan(one, 0.95)
    strict = one.programme.solve(np.zeros(1), 0.95, 0, 52, as_confident=0.0)
    at, cells = np.zeros(1), one.programme.cells
    assert forced.worth.kept[0] >= 0.95
    assert cells.read(strict.kept[0, 0], at)[0] >= 0.95
    assert forced.worth.value[0] >= 0.97 * free.worth.value[0]
    assert forced.worth.value[0] >= 1.01 * cells.read(strict.value[0, 0], at)[0]


def exact(outcomes, reward, ledger, window, draws, multiplier):
    """Return (objective, value, P(kept)) of the best policy over the whole ledger, tested at each draw."""

    @cache
    def best(t, last):
        if t == draws:
            return multiplier, 0.0, 1.0
        answers = []
        for jackpot, results in enumerate(outcomes):
            value, kept = reward[jackpot], 0.0
            for added, chance in results:
                whole = (*last, added)[-window:]
                after = best(t + 1, whole)
                value += chance * after[1]
                kept += chance * after[2] * (sum(whole) >= 0)
            answers.append((value + multiplier * kept, value, kept))
        return max(answers)

    return best(0, tuple(ledger))


@pytest.mark.parametrize("seed", range(3))
def test_small_markets_agree_with_the_whole_ledger(seed):
    """Within a window no longer than the period the sum is all that matters, so the programme is exact."""
    rng = np.random.default_rng(seed)
    wins = np.array([0.0, rng.uniform(4, 8), rng.uniform(9, 14)])
    chance = np.array([0.75, 0.25])
    reward = np.sort(rng.uniform(0, 3, 3))[::-1]
    cost = rng.uniform(0.8, 1.6)
    ledger = rng.uniform(-1.0, 1.5, 5)
    outcomes = [[(-cost, 0.75), (win - cost, 0.25)] for win in wins]
    increment = np.stack([np.full(3, -cost), wins - cost])
    chances = np.repeat(chance[:, None], 3, axis=1)
    stages = [Stage(increment, chances, reward, low=0.0, drop=float(ledger[t]), last=t == 4) for t in range(5)]
    programme = Programme(stages, Cells.over(-40.0, 60.0, 20001))
    at = np.array([ledger.sum()])
    attainable = exact(outcomes, np.zeros(3), ledger, 5, 5, 1.0)[2]
    assert programme.cells.read(programme.attainable[0, 0], at)[0] == pytest.approx(attainable, abs=0.01)
    for multiplier in (0.5, 5.0, 50.0):
        policy = programme.solve(np.array([multiplier]), 0.0, 0, 5, restore=False)
        value, kept = (programme.cells.read(table[0, 0], at)[0] for table in (policy.value, policy.kept))
        want = exact(outcomes, reward, ledger, 5, 5, multiplier)
        assert value + multiplier * kept == pytest.approx(want[0], rel=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_no_policy_that_keeps_the_promise_is_worth_more_than_the_lagrangian_bound(seed):
    """Deterministic policies over the whole ledger: those that know of a breach go for value alone."""
    rng = np.random.default_rng([3, seed])
    wins, chance = np.array([0.0, rng.uniform(4, 8), rng.uniform(9, 14)]), np.array([0.75, 0.25])
    reward, cost = np.sort(rng.uniform(0, 3, 3))[::-1], rng.uniform(0.8, 1.6)
    ledger = rng.uniform(-0.5, 1.5, 4)
    outcomes = [[(-cost, 0.75), (win - cost, 0.25)] for win in wins]
    chances = np.repeat(chance[:, None], 3, axis=1)
    increment = np.stack([np.full(3, -cost), wins - cost])
    stages = [Stage(increment, chances, reward, low=0.0, drop=float(ledger[t]), last=t == 3) for t in range(4)]
    programme = Programme(stages, Cells.over(-40.0, 60.0, 20001))
    multipliers = np.r_[0.0, np.geomspace(0.1, 100.0, 40)]
    at = np.array([ledger.sum()])
    bound = np.array([programme.cells.read(row, at)[0] for row in programme.lagrangian(multipliers, 0, 4)])
    for multiplier in (0.5, 2.0, 5.0, 50.0):
        _, value, kept = exact(outcomes, reward, ledger, 4, 4, multiplier)
        assert value <= (bound - multipliers * kept).min() + 0.01


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_scaling_the_currency_changes_no_probability(scale):
    increment, chance, reward = england(0.3)
    stages = [
        Stage(increment * scale, chance, reward * scale, low=0.0, drop=EVEN * scale, last=t == 5) for t in range(6)
    ]
    plan = make_plan(ahead(stages, 51 * EVEN * scale), 0.95)
    assert plan.attainable == pytest.approx(_unscaled(), rel=1e-9)


@cache
def _unscaled():
    law = england(0.3)
    stages = [Stage(*law, low=0.0, drop=EVEN, last=t == 5) for t in range(6)]
    return make_plan(ahead(stages, 51 * EVEN), 0.95).attainable

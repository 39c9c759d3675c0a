"""What-if: one function for every caller, the plan's own answers without a new plan, and refusals that say why."""

import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from jackpot.decision.cash_floor import cash_purse, floor_promise
from jackpot.decision.changes import Changes, parse_changes
from jackpot.decision.programme import Programme
from jackpot.decision.sensitivity import sensitivities, value_of_information
from jackpot.decision.situation import situate
from jackpot.decision.solution import solve
from jackpot.decision.what_if import what_if
from jackpot.errors import InputError

pytestmark = pytest.mark.slow

COSTS = {"variable_share_of_sales": 0.30}
YEARLY = {"payout_ratio": {"floor": 0.4, "basis": "realised", "tested": "year_end"}}


def solved(world, money=None, demand=None, **parts):
    market = world.market(costs=COSTS, **parts)
    situation = situate(
        market, world.history(market), demand or world.Demand(b=0.3, noise=0.08), dt.date(2025, 12, 29), None
    )
    return solve(replace(situation, cash_now=money))


@pytest.fixture(scope="module")
def week():
    from tests.core.decision import conftest as parts

    world = SimpleNamespace(market=parts.market, history=parts.history, Demand=parts.ConstantElasticity)
    return solved(world, 60e6, regulation=YEARLY, cash={"floor": 5e6})


def test_the_recommended_jackpot_changes_nothing(week):
    found = what_if(week, Changes(jackpot=(week.jackpot,)))
    assert set(found.difference.values()) == {0.0}
    assert found.answer == found.recommendation


def test_another_jackpot_is_worth_what_the_recommendations_own_table_says(week):
    row = week.optimum.table.iloc[len(week.optimum.table) // 2]
    found = what_if(week, Changes(jackpot=(float(row["jackpot"]),)))
    look = week.constraints.outlook.look(week.situation, np.array([row["jackpot"]]))
    assert found.answer.expected_value == pytest.approx(row["expected_value"])
    assert found.answer.value_ahead == pytest.approx(row["expected_value"] + look.value[0])


def test_a_path_of_the_plans_own_jackpots_is_worth_no_more_than_the_plan(week):
    ahead = week.constraints.outlook.plan.ahead
    one = what_if(week, Changes(jackpot=(week.jackpot,))).answer
    fixed = [what_if(week, Changes(jackpot=(week.jackpot, float(jackpot)))).answer for jackpot in ahead.jackpots[::3]]
    plan = week.constraints.outlook.plan
    worth = [answer.value_ahead + plan.multiplier * answer.kept_under_plan for answer in fixed]
    assert max(worth) <= (one.value_ahead + plan.multiplier * one.kept_under_plan) * (1 + 1e-3)
    assert all(answer.attainable <= one.attainable + 1e-6 for answer in fixed)


def test_a_path_agrees_with_the_plan_played_forward(week):
    path = (10e6, 30e6, 20e6)
    found = what_if(week, Changes(jackpot=path)).answer
    played = week.constraints.outlook.roll(week.situation, path, len(week.constraints.outlook.plan.ahead.dates))
    assert np.unique(played.jackpot[:, :3], axis=0).tolist() == [list(path)]
    error = played.margin.sum(axis=1).std() / np.sqrt(len(played.margin))
    assert found.value_ahead == pytest.approx(played.margin.sum(axis=1).mean(), abs=5 * error)


def test_other_cash_is_answered_from_the_same_plan_and_as_if_it_had_been_the_cash(week):
    found = what_if(week, Changes(cash=45e6))
    anew = solve(replace(week.situation, cash_now=45e6))
    assert found.answer.recommended == anew.jackpot
    assert found.answer.cash_kept == what_if(anew, Changes(cash=45e6)).answer.cash_kept


def test_cash_is_let_be_where_half_of_the_risk_allowed_is_not_taken_at_the_highest_jackpot_too(week):
    outlook, rule = week.constraints.planned, week.situation.market.cash
    nodes = outlook.ratio.plan.ahead.jackpots
    purse = cash_purse(week.situation, week.situation.cash_now, rule)

    def room(jackpot, share):
        """Return the least that keeps this share of paths, over the period and after it."""
        parts = outlook.lowest_in_parts(week.situation, (float(jackpot),), purse.time.left, purse.horizon)
        return max(-np.quantile(low, 1 - share, method="inverted_cdf") for low in parts) + 1.0

    def planned(cash):
        return floor_promise(week.situation, outlook, replace(purse, room=cash), nodes).plan is not None

    middle, highest, half = nodes[len(nodes) // 2], nodes[-1], 1 - (1 - rule.confidence) / 2
    assert room(middle, half) < room(highest, half)
    assert not planned(room(highest, half))
    assert planned(0.999 * room(highest, half))
    assert planned(room(highest, rule.confidence))


def test_sums_between_two_powers_share_one_plan_of_cash(week, monkeypatch):
    outlook, nodes = week.constraints.planned, week.constraints.planned.ratio.plan.ahead.jackpots
    purse = cash_purse(week.situation, week.situation.cash_now, week.situation.market.cash)
    low = 1.5 ** int(np.log(8e6) / np.log(1.5))
    first = floor_promise(week.situation, outlook, replace(purse, room=1.1 * low), nodes)
    monkeypatch.setattr(Programme, "__post_init__", lambda *_: pytest.fail("another programme was solved"))
    second = floor_promise(week.situation, outlook, replace(purse, room=1.2 * low), nodes)
    assert first.plan is not None
    assert second.plan is not None
    assert 0 < first.plan.attainable <= second.plan.attainable


@pytest.mark.integration
def test_cash_near_its_floor_is_answered_alike_in_any_order(world, week):
    anew = solved(world, 60e6, regulation=YEARLY, cash={"floor": 5e6})
    questions = [Changes(cash=money) for money in (14e6, 17e6, 12e6)]
    first = [what_if(week, one).to_bytes() for one in questions]
    assert [what_if(anew, one).to_bytes() for one in reversed(questions)] == first[::-1]


def test_no_cash_is_told_unless_the_question_names_it(week):
    assert what_if(week, Changes(jackpot=(20e6,))).answer.cash_kept is None


@pytest.mark.integration
def test_the_answer_does_not_depend_on_what_was_asked_before(week):
    questions = [Changes(jackpot=(9e6, 12e6)), Changes(cash=20e6), Changes(floor=0.35), Changes(level=0.9)]
    first = [what_if(week, one).to_bytes() for one in questions]
    assert [what_if(week, one).to_bytes() for one in reversed(questions)] == first[::-1]
    assert json.loads(first[0])["changes"] == {"jackpot": [9_000_000, 12_000_000]}


def test_other_circumstances_are_planned_as_the_market_file_would(world):
    base = solved(world, regulation=YEARLY)
    rule = {"payout_ratio": {**YEARLY["payout_ratio"], "floor": 0.35}}
    assert what_if(base, Changes(floor=0.35)).answer.recommended == solved(world, regulation=rule).jackpot
    twice = solved(world, demand=world.Demand(b=0.3, scale=2 * 11.75e6, noise=0.08), regulation=YEARLY)
    assert what_if(base, Changes(level=2.0)).answer.recommended == twice.jackpot
    steeper = solved(world, demand=world.Demand(b=0.6, noise=0.0, reference=15e6))
    flat = solved(world, demand=world.Demand(b=0.3, noise=0.0))
    assert what_if(flat, Changes(elasticity=2.0)).answer.recommended == steeper.jackpot


def test_jackpots_beyond_the_bounds_say_which(world):
    week = solved(world, jackpot={"largest_change": 5e6, "cap": 30e6})
    found = what_if(week, Changes(jackpot=(18.1e6, 60e6))).answer
    assert set(found.breaks) == {"step", "cap", "largest_change"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["jckpot=1"], "did you mean 'jackpot'"),
        (["cash"], "not a number"),
        (["cash=x"], "not a number"),
        (["floor=1.5"], "floor"),
        (["confidence=0"], "confidence"),
        (["jackpot=0"], "jackpot"),
        (["jackpot=nan"], "jackpot"),
        (["level=1", "level=2"], "set twice"),
        (["level=1,2"], "level"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, said):
    with pytest.raises(InputError) as refused:
        parse_changes(words)
    assert said in str(refused.value)


def test_what_the_market_has_not_cannot_be_changed(world):
    week = solved(world)
    for changes in (Changes(floor=0.3), Changes(cash=1e6), Changes(confidence=0.9), Changes(prize_share=0.9)):
        with pytest.raises(InputError):
            what_if(week, changes)
    with pytest.raises(InputError):
        what_if(week, Changes(jackpot=(1e7,) * 20))


def test_knowing_sales_beforehand_is_worth_nothing_where_they_are_certain_and_something_where_not(world):
    assert value_of_information(solved(world, demand=world.Demand(b=0.5, noise=0.0))) == pytest.approx(0.0, abs=1.0)
    game = {"payout": "shared", "jackpot_odds_one_in": 1e7}
    assert value_of_information(solved(world, game=game, demand=world.Demand(b=0.8, noise=0.5))) > 1.0


def test_sensitivities_are_those_of_the_closed_form(world):
    """J* = b / (1 + b) (1 - s) price / p, whatever the level: the level moves nothing, elasticity and prizes do."""
    week = solved(world, demand=world.Demand(b=0.3, noise=0.0))
    found = sensitivities(week)
    moved = {(one.name, round(one.value, 6)): one.jackpot for one in found.inputs}
    assert moved[("level", 0.9)] == moved[("level", 1.1)] == week.jackpot
    for factor in (0.9, 1.1):
        b = 0.3 * factor
        want = b / (1 + b) * 0.45 * world.price * world.odds
        assert moved[("elasticity", factor)] == pytest.approx(want, abs=0.5e6)
    assert {one.name for one in found.smallest} == {"elasticity", "prize_share"}
    assert all(one.jackpot != week.jackpot for one in found.smallest)
    assert found.unmoved == {"level": pytest.approx(0.4)}


def test_the_smallest_change_moves_the_jackpot_and_two_thirds_of_it_does_not(world):
    """Where nothing is promised, b / (1 + b) is halfway to the next step of the grid, from either side."""
    week = solved(world, jackpot={"step": 1e6}, demand=world.Demand(b=0.3, noise=0.0))
    one = next(one for one in sensitivities(week).smallest if one.name == "elasticity")
    for share, moves in ((1.0, True), (2 / 3, False)):
        changes = Changes(elasticity=1.0 + share * one.change)
        assert (what_if(week, changes).answer.recommended != week.jackpot) is moves


@pytest.mark.integration
def test_sensitivities_are_what_a_new_plan_answers(world):
    week = solved(world, regulation=YEARLY, decision={"horizon_draws": 26})
    found = sensitivities(week)
    assert found.jackpot == week.jackpot
    for one in found.inputs:
        change = {one.name: one.value}
        anew, told = what_if(week, Changes(**change)), what_if(week, Changes(**change, jackpot=(one.jackpot,)))
        worth = anew.recommendation.value_ahead
        assert one.value_ahead == pytest.approx(anew.difference["value_ahead"], abs=2e-2 * worth)
        assert told.answer.value_ahead == pytest.approx(anew.answer.value_ahead, abs=2e-3 * worth)


@pytest.mark.integration
def test_sensitivities_know_no_cash(world):
    """With a floor that binds and without cash figures they are the same, to the byte."""
    parts = {"regulation": YEARLY, "cash": {"floor": 5e6}, "decision": {"samples": 100, "horizon_draws": 8}}
    poor, unknown = (solved(world, money, **parts) for money in (15e6, None))
    assert poor.jackpot != unknown.jackpot
    assert sensitivities(poor).to_bytes() == sensitivities(unknown).to_bytes()


def test_no_jackpot_hangs_on_nothing(world):
    week = solved(world, jackpot={"start": 40e6, "largest_change": 1e6})
    assert week.trouble is not None
    assert sensitivities(week) is None

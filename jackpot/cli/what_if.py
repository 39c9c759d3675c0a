"""jackpot what-if: the change against the recommendation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..decision.what_if import WhatIf
    from ..records import Sensitivities
    from ..report.money import Money

_LABELS = {
    "expected_value": "expected value, this draw",
    "value_ahead": "value, this draw and the plan",
    "expected_sales": "expected sales",
    "expected_jackpot_payout": "expected jackpot cost",
    "win_probability": "chance of a jackpot win",
    "attainable": "payout ratio: attainable from here",
    "kept_under_plan": "payout ratio: kept under the plan",
    "cash_kept": "cash floor kept",
}
_CHANCES = {"win_probability", "attainable", "kept_under_plan", "cash_kept"}


@click.command("what-if")
@options.market
@click.option(
    "--set",
    "words",
    multiple=True,
    metavar="NAME=VALUE",
    help="jackpot (several: this draw's and the next ones'), cash, floor, ceiling, confidence, prize_share; "
    "elasticity and level as factors. Repeat it for several changes.",
)
@options.history
@options.as_of
@options.cash
@options.environment
@options.as_json
def command(
    market: str, words: tuple[str, ...], history: str, as_of: str, cash: str, environment: str, as_json: bool
) -> int:
    """Show what a change makes of MARKET's recommendation; without --set, what the recommendation hangs on.

    Examples: --set jackpot=12.5e6,15e6,20e6; --set cash=25e6 --set floor=0.38; --set level=0.9.
    """
    from ..adapters.places import open_places
    from ..adapters.settings import champions_tuning
    from ..decision.changes import parse_changes
    from ..decision.sensitivity import sensitivities
    from ..decision.what_if import what_if
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..report.money import Money
    from ..steps.preprocess import read_source
    from ..steps.solving import solve_week
    from ..steps.weekly import week_in_memory
    from .settings import settings_words

    output = Output(as_json)
    day, changes = resolve_as_of(as_of), parse_changes(words)
    loaded = load_market(market)
    places = open_places(environment)
    with output.working(f"{loaded.market.title}: reading, fitting, deciding"):
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, day)
        tuning = champions_tuning(week, places)
        solved = solve_week(week, places.cash(loaded.market, cash, week.synthetic), tuning=tuning)
        answer = what_if(solved, changes) if words else None
        hangs_on = None if words else sensitivities(solved)
    money = Money(loaded.market.currency, loaded.market.currency_decimals)
    if as_json:
        said = answer or hangs_on
        output.json(None if said is None else said.model_dump(mode="json"))
    elif answer is not None:
        output.say(settings_words(tuning))
        _show(output, answer, money)
    elif hangs_on is not None:
        output.say(settings_words(tuning))
        _show_sensitivities(output, hangs_on, money)
    else:
        output.say("No jackpot is allowed: there is nothing to vary.")
    output.next_step(f"jackpot recommend {market}" if words else f"jackpot what-if {market} --set level=0.95")
    return 0


def _show(output: Output, found: WhatIf, money: Money) -> None:
    before, after = found.recommendation, found.answer
    rows = table("", "recommendation", "what if", "change")
    jackpots = [", ".join(money.exact(jackpot) for jackpot in one.jackpots) for one in (before, after)]
    rows.add_row("jackpot", *jackpots, _signed(found.difference["jackpot"], money.exact))
    if len(after.jackpots) == 1 and after.recommended != after.jackpots[0]:
        best = "none" if after.recommended is None else money.exact(after.recommended)
        rows.add_row("best jackpot then", money.exact(before.jackpots[0]), best, "")
    for name, label in _LABELS.items():
        old, new = getattr(before, name), getattr(after, name)
        if old is None and new is None:
            continue
        words = ["" if one is None else f"{one:.1%}" if name in _CHANCES else money.short(one) for one in (old, new)]
        change = found.difference.get(name)
        if name in _CHANCES:
            rows.add_row(label, *words, "" if change is None else _signed(round(100 * change, 1) + 0.0, _points))
        else:
            rows.add_row(label, *words, "" if change is None else _signed(change, money.short))
    rows.add_row("status of the best jackpot", before.status, after.status, "")
    rows.add_row("breaks", *(", ".join(one.breaks) or "nothing" for one in (before, after)), "")
    output.results.print(f"\n[bold]{found.market}[/], draw of {found.draw_date}")
    output.results.print(rows)


def _show_sensitivities(output: Output, found: Sensitivities, money: Money) -> None:
    for title, answers in (
        ("If an input were different", found.inputs),
        ("The smallest change that moves the jackpot", found.smallest),
    ):
        rows = table("input", "value", "jackpot", "change", "value ahead", title=title)
        for one in answers:
            value = f"{one.value:.2%}" if one.name == "prize_share" else f"times {one.value:.4g}"
            then = money.exact(one.jackpot)
            moved = _signed(one.jackpot - found.jackpot, money.exact)
            rows.add_row(one.name.replace("_", " "), value, then, moved, _signed(one.value_ahead, money.short))
        output.results.print()
        output.results.print(rows)
    output.say(
        f"\nTo know this draw's mean sales beforehand would be worth {money.short(found.value_of_information)} a draw."
    )


def _points(amount: float) -> str:
    return f"{amount:.1f} points".replace("-", "−")


def _signed(amount: float, write: Callable[[float], str]) -> str:
    return ("+" if amount > 0 else "") + write(amount)

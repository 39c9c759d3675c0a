"""A comparison of policies at the command line: shards over processes, a table or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .output import Output, table

if TYPE_CHECKING:
    from ..decision.compare import Estimate, PolicyReport, ShardRuns
    from ..steps.policy import Kind
    from ..steps.week import Week

NAMES = {
    "plan": "the recommendation's plan",
    "seed_rule": "seed's rule",
    "last_jackpot": "the last jackpot, always",
    "history": "the history's own",
    "clairvoyant": "clairvoyant, promises apart",
    "constant": "best constant",
}


def compare(
    output: Output,
    kind: Kind,
    market: str,
    history: str,
    as_of: str,
    environment: str,
    runs: int,
    draws: int,
    seed: int,
    processes: int,
    *,
    happened: bool,
) -> int:
    """Run the comparison and print it."""
    from ..adapters.places import open_places
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..steps.policy import plan_policy, report_policy
    from ..steps.preprocess import read_source
    from ..steps.weekly import week_in_memory

    day, loaded = resolve_as_of(as_of), load_market(market)
    places = open_places(environment)
    shards = plan_policy(kind, runs, happened=happened)
    with output.working(f"{loaded.market.title}: {runs} runs"):
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, day)
        parts = _run(week, kind, shards, draws, seed, processes, happened=happened)
        report = report_policy(week, kind, parts, seed, happened=happened)
    if output.as_json:
        output.json(report.model_dump(mode="json"))
    else:
        _show(output, report, loaded.market.currency_decimals)
    output.next_step(f"jackpot what-if {market}")
    return 0


def _run(
    week: Week, kind: Kind, shards: list[str], draws: int, seed: int, processes: int, *, happened: bool
) -> list[ShardRuns]:
    from functools import partial

    from ..steps.policy import run_policy_shard
    from ..workers import worker_pool

    one = partial(run_policy_shard, week, kind, draws=draws, seed=seed, happened=happened)
    if min(processes, len(shards)) == 1:
        return [one(shard) for shard in shards]
    with worker_pool(min(processes, len(shards))) as pool:
        return list(pool.map(one, shards))


def _show(output: Output, report: PolicyReport, decimals: int) -> None:
    from ..report.money import Money

    money = Money(report.currency, decimals)

    def amount(one: Estimate) -> str:
        if one.low_95 is None or one.high_95 is None:
            return money.short(one.value)
        return f"{money.short(one.value)} ± {money.short((one.high_95 - one.low_95) / 2, 2)}"

    def share(one: Estimate) -> str:
        if one.low_95 is None or one.high_95 is None or report.runs == 1:
            return f"{one.value:.0%}"
        return f"{one.value:.1%} ({100 * one.low_95:.1f}–{100 * one.high_95:.1f})"

    periods = len(report.policies[0].breach) if report.confidence is not None else 0
    breaches = [f"breach, period {i + 1}" for i in range(periods)]
    rows = table("policy", "value", "regret", *breaches, "no answer", "lowest cash, 5%")
    for one in report.policies:
        name = NAMES[one.name] + (f", {money.short(one.jackpot)}" if one.jackpot is not None else "")
        rows.add_row(
            name,
            amount(one.value),
            amount(one.regret),
            *(share(each) for each in one.breach[:periods]),
            f"{one.no_answer:.1%}",
            money.short(one.lowest_cash_change[1]),
        )
    luck = "winners as they were" if report.luck == "happened" else "winners drawn from the game"
    output.results.print(
        f"\n[bold]{report.market}[/], {report.runs} runs of {report.draws} draws from {report.first_draw}"
    )
    output.results.print(rows)
    output.say(
        f"{luck}; ± and brackets are 95% intervals. Breach: share of runs in which a test of the named period failed"
        + ("" if report.confidence is None else f"; at most {1 - report.confidence:.0%} are promised")
        + ". Regret: against knowing the sales of each draw beforehand, with no promise to keep."
    )

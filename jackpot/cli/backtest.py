"""jackpot backtest: forecast past draws one by one and score the forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..records import Evaluation, Score
from . import options
from .output import Output, table

if TYPE_CHECKING:
    from ..market.schema import Market


@click.command("backtest")
@options.market
@options.history
@options.as_of
@options.environment
@click.option(
    "--horizon",
    type=click.IntRange(1, 8),
    default=8,
    show_default=True,
    help="Forecast up to so many draws ahead too.",
)
@options.as_json
def command(market: str, history: str, as_of: str, environment: str, horizon: int, as_json: bool) -> int:
    """Back-test MARKET's demand model on the last fifth of its draws beside naive forecasts.

    The jackpot of each draw is known, nothing later is. Draws that the market file declares special count apart. The
    model has the settings of the market's champion in this environment, where there is one. Where there are too few
    draws to test on, it says so and ends with 0, as a gate that failed does.
    """
    from ..adapters.places import open_places
    from ..adapters.settings import champions_tuning
    from ..evaluation.backtest import backtest
    from ..history.as_of import resolve_as_of
    from ..market.loading import load_market
    from ..steps.preprocess import read_source
    from ..steps.weekly import week_in_memory
    from .settings import settings_words

    output = Output(as_json)
    day = resolve_as_of(as_of)
    loaded = load_market(market)
    places = open_places(environment)
    with output.working(f"{loaded.market.title}: back-test"):
        source = read_source(loaded, history, places.read, places.environment.synthetic_allowed)
        week = week_in_memory(loaded, source, day)
        tuning = champions_tuning(week, places)
        result = backtest(week.history.draws, loaded.market, horizon=horizon, tuning=tuning).evaluation
    if as_json:
        output.json(summary(result))
        return 0
    if week.history.problems:
        of_history = f" --history {history}" if history else ""
        output.say(f"{len(week.history.problems)} warnings about the draws: jackpot validate {market}{of_history}")
    output.say(settings_words(tuning))
    _print(result, loaded.market, output)
    for gate in result.gates:
        output.say(f"{'passed' if gate.passed else 'FAILED'}  {gate.name}: {gate.reason}")
    output.next_step(f"jackpot recommend {market}" + (f" --history {history}" if history else ""))
    return 0


def _print(result: Evaluation, market: Market, output: Output) -> None:
    from ..report.evaluation import summarise_evaluation
    from ..report.money import Money

    rows = table("one draw ahead", "wMAPE %", "MASE", "90% covers %", "bias %")
    if not result.n_test:
        output.say(f"{result.model.name} has not been tested:")
        return
    for score in (result.model, *result.baselines.values()):
        figures = (score.wmape_pct, score.mase, score.coverage_90_pct, score.bias_pct)
        forms = ("{:.2f}", "{:.3f}", "{:.1f}", "{:+.2f}")
        cells = ("-" if one is None else form.format(one) for one, form in zip(figures, forms, strict=True))
        rows.add_row(score.name, *cells)
    output.results.print(rows)
    output.say(f"{result.n_test} draws, {result.first_test_date} to {result.last_test_date}")
    if result.specials.mape_pct is not None:
        output.say(f"{result.specials.n} specials apart: MAPE {result.specials.mape_pct:.1f}%")
    told = summarise_evaluation(result, Money(market.currency, market.currency_decimals))
    for found in (told.skill, told.horizons, told.by_jackpot):
        if found.rows:
            rows = table(*found.columns, title=found.caption)
            for row in found.rows:
                rows.add_row(*(cell.text for cell in row))
            output.results.print()
            output.results.print(rows)
    for finding in told.findings:
        output.say(finding)


def summary(result: Evaluation) -> dict[str, Any]:
    """Return the evaluation as `jackpot backtest --json` prints it."""

    def figures(score: Score) -> dict[str, Any]:
        return score.model_dump(include={"wmape_pct", "mase", "coverage_90_pct"})

    return {
        "market": result.market,
        "n_test": result.n_test,
        "model": {"name": result.model.name, **figures(result.model)},
        "baselines": {name: figures(score) for name, score in result.baselines.items()},
        "specials": result.specials.model_dump(),
    }

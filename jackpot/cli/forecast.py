"""jackpot forecast: a client of the model server."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import click

from ..errors import InputError, JackpotError, Problem
from . import options
from .output import Output, table


@click.command("forecast")
@click.argument("market")
@click.option(
    "--url", type=options.Address(), default="http://localhost:8080", show_default=True, help="The server's address."
)
@click.option("--jackpot", "jackpots", type=float, multiple=True, help="In units of currency; repeat for several.")
@click.option("--date", "date", default="", metavar="DATE", help="Date of the draw (YYYY-MM-DD) [the next one].")
@options.as_json
def command(market: str, url: str, jackpots: tuple[float, ...], date: str, as_json: bool) -> int:
    """Ask the server at --url what MARKET will sell at each --jackpot.

    Without a jackpot, at those of the model's own curve.
    """
    output = Output(as_json)
    _check(jackpots, date)
    served = _ask("GET", f"{url}/jackpot/models/{market}")
    date = date or served["next_draw"]
    asked = list(jackpots) or served["jackpots"]
    body = {"instances": [{"jackpot": jackpot, "draw_date": date} for jackpot in asked], "quantiles": [0.05, 0.95]}
    answer = _ask("POST", f"{url}/v1/models/{market}:predict", body)
    if as_json:
        output.json({"market": market, "draw_date": date, "jackpots": asked, **answer})
        return 0
    title = f"{market}, draw of {date}: model {answer['model_version']}, as of {answer['as_of']}"
    shown = table("Jackpot", "Mean", "Median", "5%", "95%", "Slope", title=title, numbers_from=0)
    for jackpot, one in zip(asked, answer["predictions"], strict=True):
        figures = (jackpot, one["mean"], one["median"], one["quantiles"]["0.05"], one["quantiles"]["0.95"])
        mark = "*" if one["extrapolated"] else ""
        shown.add_row(*(f"{figure:,.0f}" for figure in figures), f"{one['elasticity']:.2f}{mark}")
    output.results.print(shown)
    output.say("Sales in units of currency; slope: % of sales a % of jackpot")
    if any(one["extrapolated"] for one in answer["predictions"]):
        output.say("* beyond the largest jackpot seen")
    output.next_step(f"jackpot run {market}  (which jackpot is best, and why)")
    return 0


def _check(jackpots: tuple[float, ...], date: str) -> None:
    """Raise InputError for what no server could be asked."""
    problems = [
        Problem("not a jackpot", field="--jackpot", found=str(jackpot), allowed="a finite amount above 0")
        for jackpot in jackpots
        if not (math.isfinite(jackpot) and jackpot > 0)
    ]
    try:
        if date:
            dt.date.fromisoformat(date)
    except ValueError:
        problems.append(Problem("no such date", field="--date", found=date, allowed="YYYY-MM-DD"))
    if problems:
        raise InputError(problems)


def _ask(method: str, address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a server's answer; raise InputError with what it found wrong, JackpotError where it cannot be had."""
    import httpx

    try:
        response = httpx.request(method, address, json=body, timeout=30.0)
        answer = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise JackpotError(f"{address} gives no answer: {error}; is `jackpot serve` running there?") from None
    if response.status_code == 200 and isinstance(answer, dict):
        return answer
    if not isinstance(answer, dict) or response.status_code >= 500:
        raise JackpotError(f"{address} answered {response.status_code}: {str(answer)[:200]}")
    raise InputError(
        Problem(
            str(answer.get("error", answer)).partition("; found")[0],
            where=address,
            found=str(answer.get("found", "")),
            allowed=str(answer.get("allowed", "")),
        )
    )

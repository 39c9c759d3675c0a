"""The system test: every check of a server against the model that it should be serving."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np

from ..demand.base import Array
from ..demand.storage import load_model, model_hash
from ..environment import SystemTest
from ..errors import InputError, Problem
from ..history.snapshot import read_snapshot
from ..ports import Files
from ..scoring.model import SNAPSHOT, ScoringModel
from .answers import JSON, answers, protocol
from .contract import Check, Report, Server
from .model import expected, recent
from .refusals import refusals


def system_test(url: str, server: Server, name: str, files: Files, model: ScoringModel, limits: SystemTest) -> Report:
    """Test a server's model under a name against the model in `files`; never raises for what the server does.

    But InputError where it serves other models and none of that name.
    """
    _require_name(url, server, name)
    asked = expected(model)
    identity = model_hash(files)
    checks = list(protocol(server, name))
    if checks[0].detail.startswith("no answer"):
        checks = checks[:1]
    else:
        checks += answers(server, name, identity, asked, limits.tolerance)
        checks += refusals(server, name, asked.dates[0])
        checks += accuracy(server, name, files, model, limits)
        checks += latency(server, name, asked.dates[0], float(asked.jackpots[3]), limits)
    return Report(
        url=url,
        market=model.market.market,
        model=identity,
        passed=all(check.passed for check in checks),
        checks=tuple(checks),
    )


def _require_name(url: str, server: Server, name: str) -> None:
    answer = server.ask("GET", "/v1/models")
    try:
        served = [str(one) for one in json.loads(answer.body)["models"]]
    except (ValueError, KeyError, TypeError):
        return
    if served and name not in served and server.ask("GET", f"/v1/models/{name}").status == 404:
        raise InputError(Problem(f"no such model: {name}", where=url, hint=f"served: {', '.join(served)}"))


def accuracy(server: Server, name: str, files: Files, model: ScoringModel, limits: SystemTest) -> Iterator[Check]:
    """Check the last draws: what the model said of each beforehand, and what the server says of such a draw now."""
    draws = read_snapshot(files[SNAPSHOT], model.market)
    jackpots, dates, sold = recent(model, draws, limits.draws)
    first = len(draws) - limits.draws
    if first >= limits.draws:
        before = load_model(files).one_step_ahead(draws, model.market, first).mean
        ordinary = (draws["special"].to_numpy(dtype=object) == "")[first:]
        sales = draws["sales"].to_numpy(float)[first:]
        yield _wmape("the last draws, each forecast from those before it", sales[ordinary], before[ordinary], limits)
    rows = zip(jackpots.tolist(), dates, strict=True)
    body = {"instances": [{"jackpot": jackpot, "draw_date": date} for jackpot, date in rows]}
    answer = server.ask("POST", f"/v1/models/{name}:predict", json.dumps(body).encode(), JSON)
    try:
        served = np.array([one["mean"] for one in json.loads(answer.body)["predictions"]], dtype=float)
        yield _wmape("the last draws' jackpots, asked of the server", sold, served, limits)
    except (ValueError, KeyError, TypeError) as error:
        detail = f"{answer.status}: {error!r}"
        yield Check(group="accuracy", name="the last draws' jackpots, asked of the server", passed=False, detail=detail)


def _wmape(name: str, sales: Array, forecast: Array, limits: SystemTest) -> Check:
    figure = 100 * float(np.abs(sales - forecast).sum() / sales.sum()) if len(sales) == len(forecast) else math.nan
    return Check(
        group="accuracy",
        name=name,
        passed=figure <= limits.wmape_pct,
        detail="" if figure <= limits.wmape_pct else f"{len(forecast)} forecasts of {len(sales)} draws",
        figure=figure if math.isfinite(figure) else None,
        threshold=limits.wmape_pct,
        unit="% wMAPE",
    )


def latency(server: Server, name: str, date: str, jackpot: float, limits: SystemTest) -> Iterator[Check]:
    """Check latencies at a fixed rate of arrivals, counted from when each request was due."""
    body = json.dumps({"instances": [{"jackpot": jackpot, "draw_date": date}]}).encode()
    path = f"/v1/models/{name}:predict"
    server.load(path, body, limits.rate, min(limits.seconds, 1.0))
    load = server.load(path, body, limits.rate, limits.seconds)
    sent = len(load.latencies) + load.failed
    yield Check(
        group="latency",
        name=f"every request answered, {limits.rate:g} a second",
        passed=load.failed == 0 and sent > 0,
        detail=f"{sent} requests",
        figure=float(load.failed),
        threshold=0.0,
        unit="failed",
    )
    for percent, most in ((50, limits.p50_ms), (95, limits.p95_ms), (99, limits.p99_ms)):
        figure = 1000 * load.latencies.quantile(percent / 100)
        yield Check(
            group="latency",
            name=f"p{percent}",
            passed=figure <= most,
            figure=figure if math.isfinite(figure) else None,
            threshold=most,
            unit="ms",
        )

"""Starts runs for data that arrived and for retrainings that the monitor asked for: once for each key."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..audit import AuditLog
from ..errors import InputError, JackpotError
from ..market.loading import LoadedMarket
from ..triggers.claims import Claim, finish, take
from ..triggers.keys import market_of, retrain_key, weekly_key
from ..triggers.retraining import may_retrain
from .places import Places
from .starter import Start


@dataclass(frozen=True)
class Answer:
    """What came of a trigger. `final`: asking again about the same changes nothing."""

    what: Literal["ran", "failed", "refused"]
    key: str
    said: str
    final: bool


@dataclass(frozen=True)
class Trigger:
    """Starts runs in an environment. `markets` has each market's file by its name."""

    places: Places
    environment: str
    """As a step is told it: a name, or a whole path."""
    markets: Mapping[str, LoadedMarket]
    start: Start
    lease: dt.timedelta
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC).replace(microsecond=0)

    def data(self, uri: str) -> Answer:
        """Run the week for a file of draws, unless that was done for these draws already.

        Raises InputError where no market's name is in the file's, the file is no history of it, or one that ends before
        draws that an earlier recommendation knew.
        """
        from ..market.calendar import next_draw_date
        from ..steps.preprocess import refuse_lost_draws
        from ..steps.weekly import week_in_memory

        market = self.markets[market_of(uri.split("://")[-1], self.markets)]
        week = week_in_memory(market, self.places.read(uri), None)
        draw = next_draw_date(week.market, week.as_of).isoformat()
        key = weekly_key(week.market.market, draw, week.checks.snapshot)
        if self.places.audit(week.market.market).find("claim", f"{key} attempt 1") is None:
            refuse_lost_draws(week.history, self.places.store, self.now().date())
        return self._once(market, key, {"history_uri": uri, "draw_date": draw}, {"history_uri": uri})

    def retraining(self, name: str) -> Answer | None:
        """Run the week with tuning where the market's last verdict asks for it; None where it does not."""
        market = self.markets[name]
        log = self.places.audit(market.market.market)
        asked = next(iter(reversed(list(log.entries("monitor_verdict")))), None)
        if asked is None or asked.body.get("verdict") not in {"retrain", "stop"}:
            return None
        key = retrain_key(market.market.market, str(asked.body["cause"]), str(asked.body["snapshot"]))
        if log.find("claim", f"{key} attempt 1") is None:
            why_not = may_retrain(log, market.market.market, market.market.monitoring, self.now())
            if why_not:
                return Answer("refused", key, why_not, final=False)
        arguments = {
            "history_uri": str(asked.body["source_uri"]).removeprefix("synthetic"),
            "tuning_trials": market.market.monitoring.tuning_trials,
        }
        return self._once(market, key, {"verdict": asked.subject}, arguments)

    def _once(self, market: LoadedMarket, key: str, body: dict[str, Any], arguments: Mapping[str, Any]) -> Answer:
        log, by = self.places.audit(market.market.market), f"trigger:{socket.gethostname()}:{os.getpid()}"
        claim = take(log, key, now=self.now(), lease=self.lease, by=by, body=body)
        if not isinstance(claim, Claim):
            return Answer("refused", key, claim.reason, claim.final)
        return self._run(log, claim, market, arguments, by)

    def _run(self, log: AuditLog, claim: Claim, market: LoadedMarket, more: Mapping[str, Any], by: str) -> Answer:
        path = str(market.path.resolve())
        known = market.path.parent.name == "markets" and self.places.environment.runner == "kubeflow"
        arguments = {
            "market": market.market.market if known else path,
            "as_of": "",
            "cash_uri": "",
            "environment": self.environment,
            **more,
        }
        try:
            ended = self.start("weekly", arguments)
        except (JackpotError, OSError) as error:
            finish(log, claim, "failed", at=self.now(), by=by, note=str(error))
            return Answer("failed", claim.key, str(error), final=isinstance(error, InputError))
        finish(log, claim, "succeeded" if ended.succeeded else "failed", at=self.now(), by=by, note=ended.run_id)
        if ended.succeeded:
            return Answer("ran", claim.key, f"run {ended.run_id}", final=True)
        return Answer("failed", claim.key, ended.note, final=False)

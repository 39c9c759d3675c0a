"""What every step after preprocess starts from: a market, its history and the date it is seen from."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..canonical import sha256
from ..errors import JackpotError
from ..history.contract import History
from ..market.schema import Market
from ..records import Checks


@dataclass(frozen=True)
class Week:
    """One market as of one day."""

    market: Market
    history: History
    checks: Checks
    market_data: bytes
    snapshot_data: bytes

    @cached_property
    def as_of(self) -> dt.date:
        """The day that the market is seen from: draws before it are known."""
        return dt.date.fromisoformat(self.checks.as_of)

    @property
    def model_name(self) -> str:
        """The name of this market's models in the registry: those fitted to synthetic draws have one of their own."""
        return self.checks.model_name

    @property
    def synthetic(self) -> bool:
        """Whether the history was generated."""
        return self.checks.model_name != self.checks.market


def read_week(market_file: Path, snapshot: Path, checks: Path) -> Week:
    """Return the week that preprocess left; raise JackpotError where snapshot and record do not belong together."""
    record = Checks.model_validate_json(checks.read_bytes())
    data, market_data = snapshot.read_bytes(), market_file.read_bytes()
    if (sha256(data), sha256(market_data)) != (record.snapshot, record.market_file):
        raise JackpotError("snapshot, market file and checks.json are not of one preprocess step: their hashes differ")
    return week_of(market_data, data, record)


def week_of(market_data: bytes, snapshot_data: bytes, checks: Checks) -> Week:
    """Return the week in these bytes; raise InputError where they are no market file or no snapshot of the market."""
    from ..history.snapshot import read_quarantine, read_snapshot
    from ..market.loading import parse_market

    market = parse_market(market_data, f"{checks.market}.yaml")
    history = History(
        market=market,
        draws=read_snapshot(snapshot_data, market),
        problems=(),
        quarantined=read_quarantine(b""),
        source_uri=checks.source_uri,
        source_version=checks.source_version,
        next_jackpot=checks.next_jackpot,
    )
    return Week(market, history, checks, market_data, snapshot_data)

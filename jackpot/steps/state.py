"""The state that a model forecasts from: which data it is conditioned on, kept where model servers look for it.

Beside it lies what the model knows after those data, as numpy arrays: who has them need not filter the history again.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from ..canonical import sha256
from ..demand.storage import load_model, load_state, model_hash, state_bytes
from ..errors import InputError, JackpotError
from ..ports import Files
from ..records import IsoDate, Record, Sha256
from ..store import MissingObjectError, Store
from ..tuning.study import code_hash
from .week import Week

if TYPE_CHECKING:
    from ..demand.base import Demand, DemandModel
    from ..market.schema import Market


class KeptDemand(Record):
    """Which file holds what a model knows in a state, by its hash, and the hash of the code that filtered it."""

    schema_version: Literal["1"] = "1"
    sha256: Sha256
    code: Sha256


class State(Record):
    """A state, by the hashes of all that it is filtered from: same hashes, same forecasts."""

    schema_version: Literal["1"] = "1"
    market: str
    model: Sha256
    snapshot: Sha256
    market_file: Sha256
    as_of: IsoDate

    @property
    def sha256(self) -> str:
        """Return the hash by which answers name the state."""
        return sha256(self.to_bytes())

    @property
    def seen_from(self) -> dt.date:
        """Return the day from which the market is seen: no draw before it is forecast."""
        return dt.date.fromisoformat(self.as_of)


def keep_state(week: Week, files: Files, store: Store) -> State:
    """Keep the state of a model on a week's data and return it; servers of that model find the newest as latest.json.

    A state seen from an earlier day than the latest (a backfill) is kept, but does not become the latest.
    """
    checks = week.checks
    state = State(
        market=checks.market,
        model=model_hash(files),
        snapshot=checks.snapshot,
        market_file=checks.market_file,
        as_of=checks.as_of,
    )
    folder = _folder(state.market, state.model)
    store.put_new(f"{folder}/{state.sha256}.json", state.to_bytes())
    data = state_bytes(load_model(files).condition(week.history.draws, week.market))
    if data is not None:
        kept = KeptDemand(sha256=sha256(data), code=code_hash())
        store.put_new(f"{folder}/demand/{kept.sha256}.npz", data)
        store.replace(f"{folder}/{state.sha256}.demand.json", kept.to_bytes())
    try:
        newest = latest_state(state.market, state.model, store).as_of
    except JackpotError:
        newest = ""
    if state.as_of >= newest:
        store.replace(f"{folder}/latest.json", state.to_bytes())
    return state


def latest_state(market: str, model: str, store: Store) -> State:
    """Return the newest state of a model by its hash; raise JackpotError where there is none or it is damaged."""
    key = f"{_folder(market, model)}/latest.json"
    try:
        state = State.model_validate_json(store.read(key))
    except MissingObjectError:
        raise
    except ValueError as error:
        raise JackpotError(f"{store.uri(key)} is damaged: {str(error).splitlines()[0]}") from None
    if (state.market, state.model) != (market, model):
        raise JackpotError(f"{store.uri(key)} is the state of another model: {state.market}, {state.model}")
    return state


def kept_demand(state: State, model: DemandModel, market: Market, store: Store) -> Demand | None:
    """Return a model in a state, as it was kept; None where it must be conditioned on the state's data.

    That is where nothing was kept, where other code filtered it, and where a file is damaged.
    """
    folder = _folder(state.market, state.model)
    try:
        kept = KeptDemand.model_validate_json(store.read(f"{folder}/{state.sha256}.demand.json"))
        data = store.read(f"{folder}/demand/{kept.sha256}.npz")
        if (sha256(data), code_hash()) != (kept.sha256, kept.code):
            return None
        return load_state(model, data, market)
    except (MissingObjectError, ValueError, InputError):
        return None


def _folder(market: str, model: str) -> str:
    return f"states/{market}/{model}"

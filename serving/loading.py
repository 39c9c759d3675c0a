"""From an assignment (which model answers under a name) to a loaded version, each file checked by its hash."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from jackpot.canonical import read_folder, sha256
from jackpot.demand.storage import load_model, model_hash
from jackpot.errors import InputError, JackpotError
from jackpot.history.snapshot import read_snapshot
from jackpot.market.loading import parse_market
from jackpot.ports import Files
from jackpot.steps.state import State, kept_demand, latest_state
from jackpot.store import MissingObjectError, Store

from .settings import Settings
from .version import Version

UNREGISTERED: Final = "unregistered"
"""The version of a model that no registry knows."""
MARKET, SNAPSHOT = "market.yaml", "snapshot.parquet"
"""Beside a registered model's files: the market and the draws that it was fitted on, its first state."""


@dataclass(frozen=True)
class Assignment:
    """Which model answers under a name: the registry's version and hash of it, and where its files are read from.

    Without a hash, whatever lies there is what was assigned.
    """

    name: str
    version: str
    sha256: str | None
    place: str
    read: Callable[[], Files] = field(compare=False)
    problem: str = ""
    """Why the record that assigns it cannot be read, where it cannot."""

    @property
    def market(self) -> str:
        """The market that the name forecasts."""
        return self.name.removesuffix("-candidate")


def in_folder(name: str, folder: Path, version: str, sha256: str | None) -> Assignment:
    """Return the assignment of a folder of model files, such as KServe mounts."""

    def read() -> Files:
        try:
            return read_folder(folder)
        except OSError as error:
            raise JackpotError(f"the model of {name} cannot be read: {error}") from None

    return Assignment(name, version, sha256, str(folder), read)


def deployed(store: Store, names: frozenset[str] | None = None) -> dict[str, Assignment]:
    """Return what the deployments in a store assign: to all names, or to some and their candidates.

    A record that is damaged is an assignment with a problem: who was assigned a model keeps it.
    """
    found = {}
    for key in store.keys("deployments/"):
        name = key.removeprefix("deployments/").removesuffix(".json")
        if names is not None and name.removesuffix("-candidate") not in names:
            continue
        data = b""
        try:
            data = store.read(key)
            record = json.loads(data)
            service, version, model, prefix = (
                str(record[part]) for part in ("service", "version", "model_sha256", "prefix")
            )
            f"{service}{version}{prefix}".encode()  # half a surrogate pair has no place in an answer
            if service != name:
                raise ValueError(f"it is of {service}")
        except MissingObjectError:
            continue  # taken away since the keys were listed
        except Exception as error:  # of one record, whatever it is: the others go on
            problem = (
                f"{store.uri(key)} does not say what {name} serves: {type(error).__name__}: {error}; "
                f"sha256 of its {len(data)} bytes: {sha256(data)}"
            )
            found[name] = Assignment(name, "", None, store.uri(key), dict, problem)
        else:
            found[name] = Assignment(name, version, model, prefix, _from_store(store, prefix))
    return found


def _from_store(store: Store, prefix: str) -> Callable[[], Files]:
    return lambda: {key.rpartition("/")[2]: store.read(key) for key in store.keys(f"{prefix}/")}


def newest_state(assignment: Assignment, store: Store | None, loaded: State | None = None) -> State:
    """Return the newest state of an assigned model: the store's latest, else that which lies beside its files.

    `loaded` is the state that the same assignment was loaded in: files whose hash it names are not read again.
    Raises JackpotError where there is neither, or a file is damaged or not the one that its hash names.
    """
    if loaded is None or assignment.sha256 is None:
        return _state(_checked_files(assignment), store)
    if store is None:
        return loaded
    try:
        latest = latest_state(loaded.market, loaded.model, store)
    except MissingObjectError:
        return loaded
    return latest if latest.as_of >= loaded.as_of else loaded


def load(assignment: Assignment, store: Store | None, settings: Settings) -> Version:
    """Load the assigned model in its newest state and try it.

    Raises JackpotError (InputError for damaged files) where a file is missing, damaged or not the one that its hash
    names, or where the model fails its self-test.
    """
    files = _checked_files(assignment)
    state = _state(files, store)
    if state.market != assignment.market:
        raise JackpotError(f"{assignment.place} is a model of {state.market}, not of {assignment.market}")
    market_data = _data(files.get(MARKET), store, f"markets/{state.market}/{state.market_file}.yaml", state.market_file)
    market = parse_market(market_data, f"{state.market}.yaml")
    model = load_model(files)
    demand = kept_demand(state, model, market, store) if store is not None else None
    if demand is not None and demand.last_date is not None:
        last_draw = demand.last_date.date()
    else:
        key = f"snapshots/{state.market}/{state.snapshot}.parquet"
        draws = read_snapshot(_data(files.get(SNAPSHOT), store, key, state.snapshot), market)
        demand, last_draw = model.condition(draws, market), draws["draw_date"].iloc[-1].date()
    version = Version(assignment.name, assignment.version, market, demand, state, last_draw, settings)
    version.self_test()
    return version


def _checked_files(assignment: Assignment) -> Files:
    files = assignment.read()
    found = model_hash(files)
    if assignment.sha256 is not None and found != assignment.sha256:
        raise JackpotError(
            f"{assignment.place} is not the model that {assignment.name} {assignment.version} names: its hash is "
            f"{found}, not {assignment.sha256}"
        )
    return files


def _state(files: Files, store: Store | None) -> State:
    try:
        market = str(json.loads(files["evaluation.json"])["market"])
    except (KeyError, ValueError, TypeError):
        raise InputError("the model's evaluation.json, which names its market, is missing or damaged") from None
    own = _own_state(files, market)
    try:
        latest = latest_state(market, model_hash(files), store) if store is not None else None
    except MissingObjectError:
        latest = None
    if latest is not None and (own is None or latest.as_of >= own.as_of):
        return latest
    if own is None:
        raise JackpotError(
            f"the model of {market} has no state: no week was published with it, and no draws are with it"
        )
    return own


def _own_state(files: Files, market: str) -> State | None:
    """Return the state in which a model was fitted, where its market and draws lie beside it."""
    if not {MARKET, SNAPSHOT, "gates.json"} <= set(files):
        return None
    try:
        as_of = str(json.loads(files["gates.json"])["as_of"])
        return State(
            market=market,
            model=model_hash(files),
            snapshot=sha256(files[SNAPSHOT]),
            market_file=sha256(files[MARKET]),
            as_of=as_of,
        )
    except (KeyError, ValueError, TypeError):
        raise InputError("the model's gates.json, which says from when it is seen, is damaged") from None


def _data(beside: bytes | None, store: Store | None, key: str, wanted: str) -> bytes:
    """Return the bytes of a hash: those beside the model where they are, else the store's."""
    if beside is not None and sha256(beside) == wanted:
        return beside
    if store is None:
        raise JackpotError(f"{key} is not with the model, and no store was given")
    data = store.read(key)
    if sha256(data) != wanted:
        raise JackpotError(f"{store.uri(key)} is damaged: its bytes are not those that its name says")
    return data

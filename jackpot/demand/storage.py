"""A fitted model as files: `model.json` and `arrays.npz`, the same bytes for the same parameters. No pickle.

A demand's state is a file too, at full precision, so that nothing need be conditioned where it is at hand.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Final

import numpy as np

from ..canonical import json_bytes, sha256
from ..errors import InputError, Problem
from ..market.schema import Market
from .base import Array, Demand, DemandModel
from .models import model_class

SCHEMA_VERSION: Final = "1"
SCALARS: Final = "model.json"
ARRAYS: Final = "arrays.npz"
STATE: Final = "state.npz"


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """Return an npz whose bytes depend on the arrays alone: numpy.savez stamps the time of day."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(
                entry, np.ascontiguousarray(arrays[name], dtype="<f8"), (1, 0), allow_pickle=False
            )
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            archive.writestr(info, entry.getvalue())
    return buffer.getvalue()


def model_files(model: DemandModel) -> dict[str, bytes]:
    """Return a fitted model's files by name; raise InputError where it is not fitted."""
    scalars, arrays = model.parameters()
    document = {"schema_version": SCHEMA_VERSION, "model": model.name, "parameters": dict(scalars)}
    return {SCALARS: json_bytes(document), ARRAYS: _npz(arrays)}


def load_model(files: Mapping[str, bytes]) -> DemandModel:
    """Return the model in its files; raise InputError where one is missing, damaged or of another version."""
    _require(files)
    try:
        document = json.loads(files[SCALARS])
        version, name, scalars = document["schema_version"], document["model"], document["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(Problem("the file is damaged", where=SCALARS, found=str(error))) from None
    if version != SCHEMA_VERSION:
        raise InputError(
            Problem("written in another version", SCALARS, "schema_version", None, str(version), SCHEMA_VERSION)
        )
    arrays = _arrays(files[ARRAYS], ARRAYS)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(Problem("the file holds figures that are not finite", where=ARRAYS))
    try:
        return model_class(str(name)).from_parameters(scalars, arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(Problem("the parameters are not this model's", where=SCALARS, found=repr(error))) from None


def state_bytes(demand: Demand) -> bytes | None:
    """Return a demand's state as npz, the same bytes for the same state; None for one that keeps none."""
    kept = demand.kept()
    return None if kept is None else _npz(kept)


def load_state(model: DemandModel, data: bytes, market: Market) -> Demand:
    """Return the demand whose state `state_bytes` gave: its forecasts to the last bit.

    Raises InputError where the bytes are damaged or the state is not one of this model in this market.
    """
    arrays = _arrays(data, STATE)
    try:
        return model.restore(arrays, market)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(Problem("the state is not this model's", where=STATE, found=repr(error))) from None


def _arrays(data: bytes, where: str) -> dict[str, Array]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return {key: np.asarray(archive[key], dtype=float) for key in archive.files}
    except (ValueError, OSError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(Problem("the file is damaged", where=where, found=str(error))) from None


def model_hash(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 that names a model: of its own files' names and hashes, of nothing else beside them."""
    _require(files)
    return sha256(json_bytes({name: sha256(files[name]) for name in (SCALARS, ARRAYS)}))


def _require(files: Mapping[str, bytes]) -> None:
    missing = sorted({SCALARS, ARRAYS} - set(files))
    if missing:
        raise InputError(Problem("a file of the model is missing", where=", ".join(missing)))

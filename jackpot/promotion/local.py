"""Deployment on one machine: a record of the version to serve, which a model server follows."""

from __future__ import annotations

import json

from ..canonical import json_bytes
from ..errors import JackpotError
from ..ports import Target
from ..store import MissingObjectError, Store
from .verify import verify
from .versions import stored_files


class RecordDeployer:
    """Writes `deployments/<service>.json` into the store; there is one copy of a service, so no share of traffic."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def served(self, service: str) -> str | None:
        """Return the hash of the model that a service is to serve, or None."""
        try:
            return str(json.loads(self._store.read(_key(service)))["model_sha256"])
        except MissingObjectError:
            return None
        except (ValueError, KeyError) as error:
            raise JackpotError(f"{self._store.uri(_key(service))} is damaged: {error}; remove it") from None

    def roll_out(self, service: str, target: Target) -> None:
        """Verify a version by loading it from where it will be served from, and forecasting; then name it."""
        verify(stored_files(target.prefix, self._store), target.sha256)
        self.serve(service, target)

    def serve(self, service: str, target: Target) -> None:
        """Name the version that a service serves."""
        record = {
            "schema_version": "1",
            "service": service,
            "market": target.market,
            "model_name": target.model_name,
            "version": target.version,
            "model_sha256": target.sha256,
            "prefix": target.prefix,
        }
        self._store.replace(_key(service), json_bytes(record))


def _key(service: str) -> str:
    return f"deployments/{service}.json"

"""`python -m serving`: the model server; `server` says how."""

from __future__ import annotations

import sys
from types import ModuleType

KUBERNETES_CLIENT = "kserve.api.kserve_client"


def without_kubernetes_client() -> None:
    """Keep KServe's package from importing its client of the Kubernetes API, a quarter of the time of its start.

    A model server asks Kubernetes nothing. Call this before KServe is imported, in a server's process alone.
    """
    empty = ModuleType(KUBERNETES_CLIENT)
    empty.KServeClient = None  # type: ignore[attr-defined]
    sys.modules.setdefault(KUBERNETES_CLIENT, empty)


def main() -> None:
    """Serve until stopped; end with 1 and a sentence where that cannot be begun."""
    without_kubernetes_client()
    from jackpot.errors import JackpotError

    from .server import serve

    try:
        serve()
    except JackpotError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()

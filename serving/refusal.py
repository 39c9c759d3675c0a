"""Why a request is refused: a status, the field, what was found there and what is allowed."""

from __future__ import annotations

import math
from typing import Any, Final

import grpc

SHOWN = 80
"""Characters of a found value that an answer repeats at most."""
CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT, 422: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED, 403: grpc.StatusCode.PERMISSION_DENIED,
    503: grpc.StatusCode.UNAVAILABLE,
}  # fmt: skip
"""What a refusal's status is over gRPC."""
NOTHING = object()
"""Where there is no value to show; None is one, JSON's null."""


class Refusal(Exception):  # noqa: N818 - not an error of the server
    """A request that is not answered, with all that its sender needs to mend it. `reason` is one word for metrics."""

    def __init__(
        self, status: int, reason: str, message: str, *, field: str = "", found: Any = NOTHING, allowed: str = ""
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.field, self.found, self.allowed = field, "" if found is NOTHING else shown(found), allowed

    @property
    def text(self) -> str:
        """Return the refusal as one sentence."""
        parts = [f"{self.field}: {self.message}" if self.field else self.message]
        parts += [f"found {self.found}"] if self.found else []
        return "; ".join([*parts, *([f"allowed: {self.allowed}"] if self.allowed else [])])

    def body(self) -> dict[str, str]:
        """Return what the answer says; `error` is where KServe's own errors stand."""
        named = {"field": self.field, "found": self.found, "allowed": self.allowed}
        return {"error": self.text, "reason": self.reason, **{key: value for key, value in named.items() if value}}


def shown(value: Any) -> str:
    """Return a value for an answer, bounded whatever it is."""
    if isinstance(value, dict):
        return f"an object of {len(value)} keys"
    if isinstance(value, list | tuple) and not (len(value) < 5 and all(isinstance(one, int | float) for one in value)):
        return f"an array of {len(value)} values"
    if isinstance(value, str | bytes):
        text = repr(value[: SHOWN + 1])
    elif isinstance(value, float) and not math.isfinite(value):
        text = {math.inf: "infinity", -math.inf: "-infinity"}.get(value, "NaN")
    else:
        text = str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"

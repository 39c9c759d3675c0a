"""Prometheus asked over HTTP: what the model servers counted of a canary's requests."""

from __future__ import annotations

import json
import math
import time
from typing import Any, Final

from ..errors import JackpotError
from ..promotion.traffic import Counted

LONGEST_SECONDS: Final = 10.0
LARGEST_BYTES: Final = 1 << 20
LONGEST_WORDS: Final = 200


class Prometheus:
    """The HTTP API at an address; `seconds` is how long an answer may take, from the request to its last byte."""

    def __init__(self, url: str, seconds: float = LONGEST_SECONDS) -> None:
        self.url, self._seconds = url.rstrip("/"), seconds

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the vector that an expression is now: labels and value of each series.

        Raises JackpotError where there is no answer in time, or none in the format of /api/v1/query.
        """
        import httpx

        deadline, body = time.monotonic() + self._seconds, bytearray()
        try:
            with httpx.stream(
                "GET", f"{self.url}/api/v1/query", params={"query": expression}, timeout=self._seconds
            ) as answer:
                for part in answer.iter_bytes():
                    body += part
                    if time.monotonic() > deadline:
                        raise JackpotError(f"Prometheus at {self.url} did not answer in {self._seconds:g} s")
                    if len(body) > LARGEST_BYTES:
                        raise JackpotError(f"Prometheus at {self.url} answered over {LARGEST_BYTES} bytes")
        except httpx.TimeoutException:
            raise JackpotError(f"Prometheus at {self.url} did not answer in {self._seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise JackpotError(f"Prometheus at {self.url} cannot be reached: {error}") from None
        return self._vector(answer.status_code, bytes(body))

    def _vector(self, status: int, body: bytes) -> list[tuple[dict[str, str], float]]:
        try:
            told: Any = json.loads(body)
            if told["status"] != "success":
                raise JackpotError(f"Prometheus at {self.url} refused: {status} {str(told['error'])[:LONGEST_WORDS]}")
            data = told["data"]
            if data["resultType"] != "vector":
                raise ValueError(data["resultType"])
            return [(dict(one["metric"]), float(one["value"][1])) for one in data["result"]]
        except (ValueError, KeyError, TypeError, IndexError):
            raise JackpotError(
                f"Prometheus at {self.url} answered {status} and no vector: {body[:LONGEST_WORDS]!r}"
            ) from None

    def counted(self, namespace: str, model: str, version: str, seconds: int) -> Counted:
        """Return what the servers of a version counted in the last seconds.

        Raises JackpotError where Prometheus does not say, or knows nothing of such servers.
        """
        vector = self.query(expression(namespace, model, version, seconds))
        if not vector:
            raise JackpotError(f"Prometheus at {self.url} has no metrics of the servers of {model} {version}")
        statuses = {labels["status"]: value for labels, value in vector if "status" in labels}
        try:
            within = {float(labels["le"]): value for labels, value in vector if "le" in labels}
        except ValueError:
            within = {}
        figures = (*statuses.values(), *within.values())
        if math.inf not in within or not statuses or not all(math.isfinite(x) and x >= 0 for x in figures):
            raise JackpotError(f"Prometheus at {self.url} answered what are no counts: {str(vector)[:LONGEST_WORDS]}")
        errors = sum(value for status, value in statuses.items() if status.startswith("5"))
        return Counted(round(sum(statuses.values())), round(errors), within)


def expression(namespace: str, model: str, version: str, seconds: int) -> str:
    """Return PromQL for the requests by status, and by latency up to each bound, of the pods that serve a version.

    A request says of which model it is, its pod (a label of the PodMonitor) of which version: a request that failed
    early has no version. `increase` starts from the first sample within the time: requests before it do not count.
    """
    of = f'namespace="{namespace}", model="{model}"'
    serving = f'on (namespace, pod) present_over_time(jackpot_serving{{{of}, version="{version}"}}[{seconds}s])'
    return (
        f"sum by (status) (increase(jackpot_requests_total{{{of}}}[{seconds}s]) and {serving}) or "
        f"sum by (le) (increase(jackpot_request_seconds_bucket{{{of}}}[{seconds}s]) and {serving})"
    )

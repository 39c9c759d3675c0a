"""Kubeflow Pipelines' API: runs of compiled pipelines, and the recurring runs that start them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import InputError, JackpotError, Problem
from ..scheduling import RecurringRun, Wanted

TIMEOUT_SECONDS: Final = (10.0, 30.0)
"""To connect, and between two bytes of an answer. A pair: the client leaves a single float out of account."""
RETRIES: Final = 3
BACKOFF_SECONDS: Final = 0.5
PAGE: Final = 100


@dataclass(frozen=True)
class SubmittedRun:
    """A run on a cluster; `state` is None where nobody waited for it."""

    run_id: str
    link: str
    state: str | None


class Kubeflow:
    """The API at an address; `token_file` holds a bearer token where it asks for one.

    Reads are tried again on 429 and 5xx, with back-off; writes are not, since the first may have been done.
    """

    def __init__(self, host: str, token_file: Path | None = None) -> None:
        from urllib3.util import Retry

        self.host = host.rstrip("/")
        try:
            token = token_file.read_text().strip() if token_file else None
        except OSError as error:
            raise InputError(
                Problem(f"the token for Kubeflow cannot be read: {error.strerror}", where=str(token_file))
            ) from None
        with self._named("open a session"):
            self._client = _client()(host=host, existing_token=token)
        retry = Retry(
            RETRIES,
            backoff_factor=BACKOFF_SECONDS,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=("GET",),
            raise_on_status=False,
        )
        rest = self._client._recurring_run_api.api_client.rest_client
        rest.pool_manager.clear()
        rest.pool_manager.connection_pool_kw["retries"] = retry
        unbounded = rest.request

        def request(*args: Any, **options: Any) -> Any:
            return unbounded(
                *args, **{**options, "_request_timeout": options.get("_request_timeout") or TIMEOUT_SECONDS}
            )

        rest.request = request

    def submit(
        self,
        package: Path,
        experiment: str,
        name: str,
        arguments: Mapping[str, Any],
        timeout_seconds: int | None,
        service_account: str | None = None,
    ) -> SubmittedRun:
        """Create a run of a compiled pipeline and, with a time-out, wait for its end."""
        with self._named(f"run {name}"):
            with _quiet():
                created = self._client.create_run_from_pipeline_package(
                    str(package),
                    arguments=dict(arguments),
                    run_name=name,
                    experiment_name=experiment,
                    service_account=service_account,
                )
            link = f"{self.host}/#/runs/details/{created.run_id}"
            if timeout_seconds is None:
                return SubmittedRun(created.run_id, link, None)
            try:
                ended = self._client.wait_for_run_completion(created.run_id, timeout=timeout_seconds, sleep_duration=5)
            except TimeoutError:
                raise JackpotError(
                    f"the run {created.run_id} has not ended after {timeout_seconds} s; it goes on: {link}"
                ) from None
            return SubmittedRun(created.run_id, link, ended.state)

    def recurring_runs(self) -> list[RecurringRun]:
        """Return all recurring runs of the server."""
        found: list[RecurringRun] = []
        token = ""
        with self._named("list recurring runs"):
            while True:
                page = self._client.list_recurring_runs(page_token=token, page_size=PAGE)
                for run in page.recurring_runs or ():
                    enabled = run.status == "ENABLED" if run.status else run.mode == "ENABLE"
                    found.append(RecurringRun(run.recurring_run_id, run.display_name, enabled, run.description or ""))
                token = page.next_page_token or ""
                if not token:
                    return found

    def create_recurring_run(self, wanted: Wanted, package: Path, service_account: str | None) -> None:
        """Create a recurring run of a compiled pipeline: one at a time, and none for times that have passed."""
        with self._named(f"create {wanted.name}"), _quiet():
            experiment = self._client.create_experiment(wanted.pipeline)
            self._client.create_recurring_run(
                experiment.experiment_id,
                wanted.name,
                description=wanted.description,
                start_time=wanted.starts.strftime("%Y-%m-%dT%H:%M:%SZ"),
                cron_expression=str(wanted.spec["cron"]),
                max_concurrency=1,
                no_catchup=True,
                params=dict(wanted.spec["parameters"]),
                pipeline_package_path=str(package),
                enabled=wanted.enabled,
                service_account=service_account,
            )

    def remove_recurring_run(self, run_id: str) -> None:
        """Remove a recurring run; its past runs stay. One that is gone already is no error."""
        from kfp_server_api.exceptions import ApiException

        with self._named(f"remove recurring run {run_id}"):
            try:
                self._client.delete_recurring_run(run_id)
            except ApiException as error:
                if error.status != 404:
                    raise

    def enable_recurring_run(self, run_id: str, enabled: bool) -> None:
        """Enable or disable a recurring run."""
        with self._named(f"{'enable' if enabled else 'disable'} recurring run {run_id}"):
            (self._client.enable_recurring_run if enabled else self._client.disable_recurring_run)(run_id)

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Turn what the client raises into a sentence; raise JackpotError."""
        from kfp_server_api.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        remedies = {
            401: "; the token is missing or has expired: renew it",
            403: "; this identity lacks the right",
            429: "; the server asks for patience: try again later",
        }
        try:
            yield
        except ApiException as error:
            body = str(error.body or "").strip()[:300]
            raise JackpotError(
                f"Kubeflow at {self.host} refused to {what}: {error.status} {error.reason}"
                + (f": {body}" if body else "")
                + remedies.get(error.status, "")
            ) from error
        except (HTTPError, OSError) as error:
            raise JackpotError(f"Kubeflow at {self.host} cannot be reached to {what}: {error}") from error


_printing = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what kfp prints off standard output, which belongs to results."""
    with _printing, redirect_stdout(sys.stderr):
        yield


def _client() -> Any:
    import kfp

    class Client(kfp.Client):  # type: ignore[misc]
        def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
            """Ask once: the original asks five times, 5 s apart, also where the token is refused."""
            return self._healthz_api.healthz_service_get_healthz(_request_timeout=TIMEOUT_SECONDS)

    return Client

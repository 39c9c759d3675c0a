"""Kubeflow Pipelines' API: submit a compiled pipeline and wait for its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import JackpotError


@dataclass(frozen=True)
class SubmittedRun:
    """A run on a cluster; `state` is None where nobody waited for it."""

    run_id: str
    link: str
    state: str | None


def submit(
    host: str, package: Path, experiment: str, name: str, arguments: Mapping[str, Any], timeout_seconds: int | None
) -> SubmittedRun:
    """Create a run of a compiled pipeline and, with a time-out, wait for its end.

    Raises JackpotError where the API cannot be reached, refuses the run, or the time is over.
    """
    import kfp
    from kfp_server_api.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        client = kfp.Client(host=host)
        created = client.create_run_from_pipeline_package(
            str(package), arguments=dict(arguments), run_name=name, experiment_name=experiment
        )
        link = f"{host.rstrip('/')}/#/runs/details/{created.run_id}"
        if timeout_seconds is None:
            return SubmittedRun(created.run_id, link, None)
        ended = client.wait_for_run_completion(created.run_id, timeout=timeout_seconds, sleep_duration=5)
        return SubmittedRun(created.run_id, link, ended.state)
    except TimeoutError:
        raise JackpotError(
            f"the run {created.run_id} has not ended after {timeout_seconds} s; it goes on: {link}"
        ) from None
    except ApiException as error:
        raise JackpotError(f"Kubeflow at {host} refused: {error.status} {error.reason}: {error.body}") from error
    except (HTTPError, OSError) as error:
        raise JackpotError(f"Kubeflow at {host} cannot be reached: {error}") from error

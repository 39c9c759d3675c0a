"""Start the promotion pipeline: on this machine, or on the cluster that serves the models."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, JackpotError, Problem
from .output import Output
from .run import whole

if TYPE_CHECKING:
    from ..adapters.places import Places

TIMEOUT_SECONDS = 3600


@dataclass(frozen=True)
class Promotion:
    """A promotion run: where it can be read about, and whether it is over; `champion` once it is."""

    run_id: str
    link: str
    champion: str | None


def start_promotion(
    market: str, version: str, environment: str, output: Output, host: str = "", wait: bool = True
) -> Promotion:
    """Run pipelines/promote.py for an approved version, on this machine unless models are served by a cluster.

    `market` and `environment` are names or paths, `version` v3 or england/v3. Raises InputError or JackpotError with
    what the failed step said; traffic and aliases are then as before.
    """
    from ..adapters.places import open_places

    places = open_places(environment)
    if places.environment.deployment.kind == "record":
        return _here(market, version, environment, places, output)
    from pipelines.compiling import COMPILED

    kubeflow = places.kubeflow(host)
    arguments = {"market": market, "version": version, "environment": places.environment.environment}
    with output.working(f"promote {version} of {market} on {kubeflow.host}"):
        run = kubeflow.submit(
            COMPILED / "promote.yaml",
            "promote",
            f"promote {market} {version}",
            arguments,
            TIMEOUT_SECONDS if wait else None,
            places.environment.kfp_service_accounts.get("promote"),
        )
    if run.state not in (None, "SUCCEEDED"):
        raise JackpotError(f"the promotion ended as {run.state}: {run.link}")
    return Promotion(run.run_id, run.link, version if run.state else None)


def _here(market: str, version: str, environment: str, places: Places, output: Output) -> Promotion:
    from pipelines.compiling import COMPILED

    from ..adapters.kfp_local import run_pipeline

    arguments = {"market": whole(market), "version": version, "environment": whole(environment)}
    log = places.root / "var" / "logs" / f"promote-{os.getpid()}.log"
    with output.working(f"promote {version} of {market}"):
        run = run_pipeline(COMPILED / "promote.yaml", arguments, log)
    failures = run.failures()
    inputs = [failure for failure in failures if failure["kind"] == "input"]
    if inputs:
        raise InputError(Problem(text) for failure in inputs for text in failure["problems"])
    if not run.succeeded:
        said = "; ".join(f"{failure['step']}: {failure['message']}" for failure in failures)
        raise JackpotError(f"{said or 'a step ended without saying why'}; the whole log: {log}")
    champion = next(str(event["version"]) for event in run.events if event["event"] == "promoted")
    return Promotion(run.run_id or "", str(log), champion)

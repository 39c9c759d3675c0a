"""Where a run that a trigger starts goes: this machine or a Kubeflow server, by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .places import Places


@dataclass(frozen=True)
class Ended:
    """How a run that was started ended; `note` says why it failed, or where it is."""

    succeeded: bool
    run_id: str
    note: str


Start = Callable[[str, Mapping[str, Any]], Ended]
"""Runs a pipeline by name with these arguments to its end."""


def starter(places: Places, packages: Path, timeout_seconds: int) -> Start:
    """Return what starts compiled pipelines of the folder `packages`."""
    if places.environment.runner == "kubeflow":
        return _cluster(places, packages, timeout_seconds)
    return _here(places, packages)


def _here(places: Places, packages: Path) -> Start:
    def start(pipeline: str, arguments: Mapping[str, Any]) -> Ended:
        from .kfp_local import run_pipeline

        log = places.root / "var" / "logs" / f"{pipeline}-{Path(str(arguments['market'])).stem}-{os.getpid()}.log"
        run = run_pipeline(packages / f"{pipeline}.yaml", arguments, log)
        said = "; ".join(f"{failure['step']}: {failure['message']}" for failure in run.failures())
        return Ended(run.succeeded, run.run_id or "", said or str(log))

    return start


def _cluster(places: Places, packages: Path, timeout_seconds: int) -> Start:
    settings = places.environment

    def start(pipeline: str, arguments: Mapping[str, Any]) -> Ended:
        name = f"{pipeline} {arguments['market']}"
        account = settings.kfp_service_accounts.get(pipeline)
        package = packages / f"{pipeline}.yaml"
        run = places.kubeflow().submit(package, pipeline, name, arguments, timeout_seconds, account)
        return Ended(run.state == "SUCCEEDED", run.run_id, f"{run.state}: {run.link}")

    return start

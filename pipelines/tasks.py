"""What every task of every pipeline asks of a cluster: its size, time, retries, user and secrets, in one table.

Locally none of it matters; the same compiled file runs there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

USER: Final = 10001
"""User and group of the image."""
MOUNT: Final = "/var/run/secrets/jackpot"
CASH, AUDIT, SLACK, MLFLOW = "jackpot-cash", "jackpot-audit", "jackpot-slack", "jackpot-mlflow-client"
VOLUMES: Final = {CASH: f"{MOUNT}/cash", AUDIT: f"{MOUNT}/audit", SLACK: f"{MOUNT}/slack"}
"""Secrets that are mounted as files, and where; MLFLOW becomes environment variables."""
MLFLOW_VARIABLES: Final = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
ENVIRONMENTS: Final = ("environments", "/app/configs/environments")
"""The ConfigMap of the environment files, and where it is mounted."""
BACKOFF_SECONDS: Final = 15
BACKOFF_FACTOR: Final = 2.0
LONGEST_BACKOFF_SECONDS: Final = 120


@dataclass(frozen=True)
class Size:
    """What a container asks for, and the most it gets; the launcher of KFP runs inside it and needs about 60 Mi."""

    cpu: str
    memory: str
    most_cpu: str
    most_memory: str


SMALL: Final = Size("100m", "256Mi", "1", "512Mi")
MEDIUM: Final = Size("500m", "384Mi", "1", "768Mi")
LARGE: Final = Size("1", "768Mi", "1", "1536Mi")


@dataclass(frozen=True)
class Task:
    """What a step asks for. `measured` is its peak memory in MiB on the example markets (`step-done` in its log).

    Every step may be repeated. Those with no retries fail by a verdict, which a second try would only hide.
    """

    size: Size
    measured: int
    minutes: int
    secrets: tuple[str, ...] = ()
    retries: int = 2


# Bad input too is tried again, since KFP cannot tell exit codes apart: so preprocess, which finds it, has one retry.
TASKS: Final = {
    "backfill_draw": Task(LARGE, 345, 30, (AUDIT, MLFLOW)),
    "begin_promotion": Task(MEDIUM, 227, 10, (AUDIT, MLFLOW), retries=0),
    "champion_settings": Task(MEDIUM, 34, 10, (AUDIT, MLFLOW)),
    "collect": Task(SMALL, 122, 30),
    "collect_backfill": Task(SMALL, 122, 10),
    "deploy": Task(MEDIUM, 152, 60, (AUDIT, MLFLOW), retries=0),
    "detect_drift": Task(LARGE, 239, 30, (AUDIT, CASH, MLFLOW)),
    "evaluate": Task(LARGE, 376, 30, (AUDIT, MLFLOW)),
    "finish_promotion": Task(MEDIUM, 227, 10, (AUDIT, MLFLOW)),
    "gate": Task(SMALL, 34, 5),
    "notify": Task(SMALL, 35, 5, (SLACK,)),
    "optimise": Task(MEDIUM, 241, 30, (CASH,)),
    "plan_backfill": Task(SMALL, 138, 10, (SLACK,)),
    "plan_policy": Task(SMALL, 121, 5),
    "plan_shards": Task(MEDIUM, 260, 60, (MLFLOW,)),
    "plan_tuning": Task(SMALL, 122, 5),
    "preprocess": Task(SMALL, 139, 10, (CASH, SLACK), retries=1),
    "publish": Task(MEDIUM, 172, 10, (AUDIT,)),
    "register": Task(MEDIUM, 229, 10, (AUDIT, MLFLOW)),
    "report_policy": Task(SMALL, 150, 10),
    "request_approval": Task(MEDIUM, 120, 10, (AUDIT, MLFLOW, SLACK)),
    "run_policy": Task(LARGE, 480, 120),
    "score_shards": Task(LARGE, 243, 120),
    "select_settings": Task(LARGE, 236, 60),
    "system_test": Task(MEDIUM, 166, 15, (MLFLOW,), retries=0),
    "train": Task(MEDIUM, 234, 30),
    "tune": Task(LARGE, 206, 120),
}


def set_up(spec: Any, platform: Any) -> None:
    """Write the table into a pipeline's spec and its part for Kubernetes; a step without a line is a KeyError."""
    from google.protobuf import json_format

    executors = spec.deployment_spec["executors"]
    for label in executors:
        task = TASKS[step_of(label)]
        executors[label]["container"]["resources"] = {
            "resourceCpuRequest": task.size.cpu,
            "resourceCpuLimit": task.size.most_cpu,
            "resourceMemoryRequest": task.size.memory,
            "resourceMemoryLimit": task.size.most_memory,
        }
    parts = {label: kubernetes(TASKS[step_of(label)]) for label in executors}
    json_format.ParseDict({"deploymentSpec": {"executors": parts}}, platform.platforms["kubernetes"])
    for one in _tasks(spec):
        label = spec.components[one.component_ref.name].executor_label
        retries = TASKS[step_of(label)].retries if label else 0
        if retries:
            one.retry_policy.max_retry_count = retries
            one.retry_policy.backoff_duration.seconds = BACKOFF_SECONDS
            one.retry_policy.backoff_factor = BACKOFF_FACTOR
            one.retry_policy.backoff_max_duration.seconds = LONGEST_BACKOFF_SECONDS


def kubernetes(task: Task) -> dict[str, Any]:
    """Return a task's part for Kubernetes: deadline, user, secrets and settings by reference.

    A secret that is not there is none of the pod's business: the step says what it lacks, where a pod would hang.
    """
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as pb

    def constant(name: str) -> dict[str, Any]:
        return {"runtime_value": {"constant": name}}

    name, path = ENVIRONMENTS
    config = {
        "active_deadline_seconds": 60 * task.minutes,
        "security_context": {"run_as_user": USER, "run_as_group": USER, "run_as_non_root": True},
        "config_map_as_volume": [
            {"config_map_name": name, "config_map_name_parameter": constant(name), "mount_path": path, "optional": True}
        ],
        "secret_as_volume": [
            {
                "secret_name": secret,
                "secret_name_parameter": constant(secret),
                "mount_path": VOLUMES[secret],
                "optional": True,
            }
            for secret in task.secrets
            if secret in VOLUMES
        ],
        "secret_as_env": [
            {
                "secret_name": MLFLOW,
                "secret_name_parameter": constant(MLFLOW),
                "key_to_env": [{"secret_key": key, "env_var": key} for key in MLFLOW_VARIABLES],
                "optional": True,
            }
        ]
        if MLFLOW in task.secrets
        else [],
    }
    made: dict[str, Any] = json_format.MessageToDict(json_format.ParseDict(config, pb.KubernetesExecutorConfig()))
    return made


def step_of(label: str) -> str:
    """Return the step behind an executor's label: exec-notify-2 is notify."""
    return re.sub(r"-\d+$", "", label.removeprefix("exec-")).replace("-", "_")


def _tasks(spec: Any) -> Iterator[Any]:
    for graph in (spec.root, *spec.components.values()):
        yield from graph.dag.tasks.values()

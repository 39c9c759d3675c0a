"""The registry by setting alone: an MLflow server over HTTP, its records in PostgreSQL, its files in S3."""

from __future__ import annotations

from typing import Any

import pytest

from jackpot.adapters.mlflow_registry import MlflowRegistry

pytestmark = [pytest.mark.xdist_group("mlflow-server"), pytest.mark.integration]

A, B = "a" * 64, "b" * 64


def test_versions_and_aliases_live_on_the_server(mlflow_server: str, s3: Any, postgres: str) -> None:
    registry = MlflowRegistry(mlflow_server, None)
    assert registry.champion("england") is None
    for sha256 in (A, B):
        logged = registry.log("england", "run", sha256, {"model.json": sha256.encode()}, {"wmape_pct": 5.0}, {})
        registry.register("england", logged, sha256, {"as_of": "2026-01-01", "commit": "c0ffee"})
    registry.set_aliases("england", {"champion": "v2", "previous": "v1", "challenger": None})

    again = MlflowRegistry(mlflow_server, None)
    champion = again.champion("england")
    assert champion is not None
    assert (champion.version, champion.sha256, champion.files) == ("v2", B, {"model.json": B.encode()})
    assert [(n.version, n.aliases, n.tags["commit"]) for n in again.versions("england")] == [
        ("v1", ("previous",), "c0ffee"),
        ("v2", ("champion",), "c0ffee"),
    ]
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert sum(key.endswith("artifacts/model/model.json") for key in keys) == 2

    import psycopg2

    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select alias, version from registered_model_aliases order by alias")
        assert cursor.fetchall() == [("champion", 2), ("previous", 1)]

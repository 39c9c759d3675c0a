"""A model's life under kfp.local, MLflow a server on PostgreSQL and all stores in S3; then with parts of it gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Place
from tests.pipelines.test_promote import call, stands

pytestmark = [pytest.mark.xdist_group("mlflow-server"), pytest.mark.integration]
BUCKETS = ("store", "restricted", "audit", "heads")
NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""


@pytest.fixture
def cluster(place: Place, mlflow_server: str, s3: Any) -> Place:
    """The place, its stores in S3 and its registry an MLflow server."""
    text = place.environment.read_text()
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)
    for old, new in {
        "store: store\nrestricted_store: restricted": "store: s3://store/jackpot\nrestricted_store: s3://restricted",
        "tracking_uri: sqlite:///mlflow.db, artifacts: mlflow": f"tracking_uri: '{mlflow_server}'",
        "store: audit/records, heads: audit/heads": "store: s3://audit/records, heads: s3://heads",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    place.environment.write_text(text)
    return place


def lose(s3: Any, version: str) -> None:
    """Remove a version's files from the store."""
    found = s3.list_objects_v2(Bucket="store", Prefix=f"jackpot/models/england-synthetic/{version}-")["Contents"]
    for each in found:
        s3.delete_object(Bucket="store", Key=each["Key"])


def week(place: Place, market: Path) -> dict[str, Any]:
    return dict(call(place, "run", str(market), "--as-of", "2025-11-09", "--out", "out"))


def test_weekly_promote_monitor_and_backfill_and_what_is_done_without_their_services(
    cluster: Place, mlflow_server: str, s3: Any
) -> None:
    market = cluster.market(changes={"history:\n": "demand: {model: log_log_ols}\nhistory:\n"})
    call(cluster, "run", str(market), "--as-of", "2025-10-26", "--out", "out")
    market = cluster.market(changes={"history:\n": "gates: {false_promotion_rate: 0.5}\nhistory:\n"})
    call(cluster, "run", str(market), "--as-of", "2025-11-02", "--out", "out")
    assert stands(cluster) == {"v1": ["champion"], "v2": ["challenger"]}
    answered = call(cluster, "approve", "england", "--reason", "errs less")
    assert answered["promotion"]["champion"] == "v2"
    assert stands(cluster) == {"v1": ["previous"], "v2": ["champion"]}
    found = call(cluster, "monitor", str(market))
    assert (found["model_version"], found["watched_draws"]) == ("v2", 6)
    (row,) = call(cluster, "backfill", str(market), "--from", "2025-11-08", "--to", "2025-11-08")
    assert (row["draw_date"], row["model_standing"]) == ("2025-11-08", "candidate")
    keys = {bucket: s3.list_objects_v2(Bucket=bucket)["KeyCount"] for bucket in (*BUCKETS, "mlflow")}
    assert all(keys.values()), keys
    assert not any((cluster.root / name).exists() for name in ("store", "restricted", "audit", "mlflow.db"))

    # MLflow is gone: the champion decides, as it lies in the store.
    cluster.environment.write_text(cluster.environment.read_text().replace(mlflow_server, NOBODY))
    made = week(cluster, market)
    assert "the champion is v2 as it is kept in the store" in made["circumstances"]["degraded"]
    assert made["status"] == "recommended"
    # So is the champion's copy in the store: the one before it stands in.
    lose(s3, "v2")
    made = week(cluster, market)
    assert "champion v2 of england-synthetic cannot be loaded" in made["circumstances"]["degraded"]
    assert "v1, the champion before it, stands in" in made["circumstances"]["degraded"]
    assert made["circumstances"]["stopped"] is None
    # And that one's: a candidate that nobody could compare decides nothing, and the last jackpot is kept.
    lose(s3, "v1")
    made = week(cluster, market)
    assert "and there is none before it" in made["circumstances"]["stopped"]
    assert made["jackpot"] == made["keep_last"]["jackpot"]
    gates = json.loads((cluster.root / "out/gates.json").read_bytes())
    assert (gates["outcome"], gates["passed"]) == ("not_comparable", False)

    # MLflow is back, and has the files of both: nothing was lost.
    cluster.environment.write_text(cluster.environment.read_text().replace(NOBODY, mlflow_server))
    made = week(cluster, market)
    assert made.get("circumstances") is None
    assert stands(cluster) == {"v1": ["previous"], "v2": ["champion"]}
    assert call(cluster, "audit", "verify", "england", "--files")[0]["faults"] == []

"""The server on S3: models, states and the payload log all in a bucket."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq

from jackpot.adapters.s3_store import S3Store
from tests.adapters.conftest import s3, s3_server

from .conftest import MARKET, Trained, start, wait_for

__all__ = ["s3", "s3_server"]
BODY = {"instances": [{"jackpot": 2e7, "draw_date": "2025-12-27"}]}


def test_models_states_and_payloads_are_read_from_and_kept_in_a_bucket(
    s3: Any,
    trained: Trained,
    tmp_path: Path,
) -> None:
    s3.create_bucket(Bucket="serving")
    store = S3Store("serving", "jackpot")
    for key in trained.store.keys(""):
        store.put_new(key, trained.store.read(key))
    uri = "s3://serving/jackpot"
    server = start(
        tmp_path / "log", "--deployed", "--store", uri, "--payload_store", uri, "--payload_seconds", "0.3",
        "--poll_seconds", "0.5",
    )  # fmt: skip
    try:

        def ask() -> dict[str, Any]:
            answer: dict[str, Any] = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY).json()
            return answer

        assert ask()["model_version"] == "v1"
        record = trained.store.read(f"deployments/{MARKET}.json").decode()
        changed = record.replace("models/v1", "models/v2").replace('"v1"', '"v2"').replace(*trained.hashes)
        store.replace(f"deployments/{MARKET}.json", changed.encode())
        assert wait_for(lambda: ask()["model_version"] == "v2", 20)
        assert wait_for(lambda: list(store.keys(f"payloads/{MARKET}")), 10)
    finally:
        assert server.stop() == 0
    tables = [pq.read_table(io.BytesIO(store.read(key))) for key in store.keys(f"payloads/{MARKET}")]
    assert {"v1", "v2"} == {version for table in tables for version in table["model_version"].to_pylist()}

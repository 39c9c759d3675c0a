"""MLflow and S3 down, slow or answering 500: what can be done is done, what cannot says why, and all of it soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters import aws
from jackpot.adapters.guarded_registry import GuardedRegistry
from jackpot.adapters.mlflow_registry import BOUNDS, MlflowRegistry
from jackpot.adapters.s3_store import S3Store
from jackpot.audit import AuditLog, Keyring
from jackpot.canonical import read_folder
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files
from jackpot.errors import InputError, JackpotError
from jackpot.history.source import Source
from jackpot.market.loading import load_market
from jackpot.ports import RegisteredModel, RegistryUnreachableError
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.evaluate import evaluate
from jackpot.steps.model_in_use import ModelInUse
from jackpot.steps.optimise import optimise
from jackpot.steps.weekly import week_in_memory
from jackpot.store import FolderStore

SLOW = 30.0


@pytest.fixture(params=["down", "slow", "500"])
def trouble(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a server that is not there, takes 30 s, or answers 500; or of a file that is damaged."""
    if request.param == "damaged":
        (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1000)
        yield f"sqlite:///{tmp_path}/mlflow.db"
        return
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if request.param == "slow":
                over.wait(SLOW)
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if request.param != "down":
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        over.set()
        server.shutdown()
        server.server_close()
    else:
        server.server_close()
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_registry_that_does_not_answer_is_given_up_soon_and_asked_no_more(trouble: str) -> None:
    opened = 0

    def connect() -> MlflowRegistry:
        nonlocal opened
        opened += 1
        return MlflowRegistry(trouble, None)

    registry, began = GuardedRegistry(connect, trouble), time.monotonic()
    for _ in range(5):
        with pytest.raises(RegistryUnreachableError) as told:
            registry.champion("england")
        assert str(told.value) == f"{trouble} does not answer"
    assert opened == 1
    assert time.monotonic() - began < 15


def test_by_default_a_call_to_the_registry_ends_within_a_minute() -> None:
    attempts = 1 + int(BOUNDS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    waits = sum(int(BOUNDS["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"]) * 2**n for n in range(attempts))
    assert attempts * int(BOUNDS["MLFLOW_HTTP_REQUEST_TIMEOUT"]) + waits <= 60


def test_a_damaged_file_is_given_up_at_once_and_named() -> None:
    opened = 0

    def damaged() -> MlflowRegistry:
        nonlocal opened
        opened += 1
        raise RegistryUnreachableError("the file is damaged")

    registry = GuardedRegistry(damaged, "sqlite:///mlflow.db")
    for _ in range(2):
        with pytest.raises(RegistryUnreachableError, match="the file is damaged"):
            registry.champion("england")
    assert opened == 1


def test_what_is_refused_is_refused_and_no_server_that_is_down() -> None:
    def refused() -> MlflowRegistry:
        raise InputError("no such version")

    with pytest.raises(InputError):
        GuardedRegistry(refused, "http://127.0.0.1:9").load("england", "v1")


@pytest.mark.parametrize("trouble", ["500", "damaged"], indirect=True)
def test_without_the_registry_the_champion_in_the_store_decides_and_the_recommendation_says_so(
    trouble: str, tmp_path: Path
) -> None:
    loaded = load_market("england")
    week = week_in_memory(loaded, Source("england.csv", synthetic_csv(loaded.market)), None)
    fitted = model_files(new_model("log_log_ols").fit(week.history.draws, week.market))
    for name, data in fitted.items():
        (tmp_path / "candidate").mkdir(exist_ok=True)
        (tmp_path / "candidate" / name).write_bytes(data)
    names = ("evaluation", "forecasts", "model_in_use", "page", "gates", "gates_page")
    paths = {name: tmp_path / "first" / name for name in names}
    log = AuditLog("england", FolderStore(tmp_path / "r"), FolderStore(tmp_path / "h"), Keyring(b"k" * 32))
    assert log.verify() == []

    registry = GuardedRegistry(lambda: MlflowRegistry(trouble, None), trouble)
    record, logged = evaluate(week, tmp_path / "candidate", registry, "run", **paths)
    assert logged == ""
    champion = RegisteredModel("v7", "0" * 64, "2020-01-01", {**fitted, "evaluation.json": record.to_bytes()})
    paths = {name: tmp_path / "second" / name for name in names}
    began = time.monotonic()
    evaluate(week, tmp_path / "candidate", registry, "run", (), champion, **paths)
    in_use = ModelInUse.read(paths["model_in_use"])
    assert in_use.standing.standing == "champion"
    out = {"recommendation": tmp_path / "recommendation.json", "curve": tmp_path / "curve.csv"}
    decided = optimise(week, in_use, None, FolderStore(tmp_path / "restricted"), **out).recommendation
    assert decided.jackpot is not None
    assert "the champion is v7 as it is kept in the store" in decided.warnings[0]
    assert decided.circumstances is not None
    assert decided.circumstances.degraded == decided.warnings[0]
    assert time.monotonic() - began < 30
    assert set(read_folder(paths["model_in_use"])) >= {"standing.json", "evaluation.json"}


def test_s3_that_does_not_answer_fails_soon_and_says_why(
    trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", trouble)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    store, began = S3Store("bucket", client=aws.client("s3", read_seconds=1)), time.monotonic()
    for act in (lambda: store.read("key"), lambda: store.put_new("key", b"x"), lambda: list(store.keys("folder"))):
        with pytest.raises(JackpotError, match=r"s3://bucket/.*S3"):
            act()
    assert time.monotonic() - began < 30

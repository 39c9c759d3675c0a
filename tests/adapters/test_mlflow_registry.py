"""The registry against a real MLflow on SQLite."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from jackpot.adapters.mlflow_registry import MlflowRegistry
from jackpot.errors import InputError, JackpotError
from jackpot.ports import RegistryLostError, RegistryUnreachableError

pytestmark = pytest.mark.xdist_group("mlflow")

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> MlflowRegistry:
    folder = tmp_path_factory.mktemp("mlflow")
    return MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


def log(registry: MlflowRegistry, market: str, sha256: str) -> str:
    files = {"model.json": sha256.encode(), "evaluation.json": b"{}"}
    return registry.log(market, "run-1", sha256, files, {"wmape_pct": 5.0}, {"model": "spline"})


def test_a_market_without_versions_has_no_champion(registry: MlflowRegistry) -> None:
    assert registry.champion("nowhere") is None


def register(registry: MlflowRegistry, name: str, sha256: str, **tags: str) -> str:
    return registry.register(name, log(registry, name, sha256), sha256, tags)


def test_versions_are_numbered_and_loaded_whole(registry: MlflowRegistry) -> None:
    assert registry.versions("first") == []
    assert [register(registry, "first", each, as_of="2026-01-01") for each in (A, B)] == ["v1", "v2"]
    loaded = registry.load("first", "v2")
    assert (loaded.version, loaded.sha256, loaded.as_of) == ("v2", B, "2026-01-01")
    assert loaded.files == {"model.json": B.encode(), "evaluation.json": b"{}"}
    assert [(note.version, note.sha256) for note in registry.versions("first")] == [("v1", A), ("v2", B)]
    with pytest.raises(InputError, match="no such version"):
        registry.load("first", "v3")


def test_aliases_move_and_go(registry: MlflowRegistry) -> None:
    for each in (A, B):
        register(registry, "aliased", each)
    registry.set_aliases("aliased", {"champion": "v1", "challenger": "v2", "previous": None})
    champion = registry.champion("aliased")
    assert champion is not None
    assert champion.version == "v1"
    registry.set_aliases("aliased", {"champion": "v2", "previous": "v1", "challenger": None})
    assert [note.aliases for note in registry.versions("aliased")] == [("previous",), ("champion",)]


def test_the_same_model_keeps_its_version_while_its_gates_are_the_same(registry: MlflowRegistry) -> None:
    assert [register(registry, "same", each) for each in (A, A, C, C, B, C)] == ["v1", "v1", "v2", "v2", "v3", "v2"]
    judged = [register(registry, "judged", A, gates=gates) for gates in ("x", "x", "y", "x")]
    assert judged == ["v1", "v1", "v2", "v1"]


def test_pages_lie_beside_the_run_and_in_no_model(registry: MlflowRegistry, tmp_path: Path) -> None:
    import mlflow

    pages = {"card.md": b"# Card", "evaluation.html": b"<p>"}
    uri = registry.log("pages", "run-1", A, {"model.json": b"{}"}, {}, {}, pages)
    (run,) = mlflow.search_runs(experiment_names=["pages"], output_format="list")
    shown = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "run")))
    assert {path.name: path.read_bytes() for path in shown.iterdir()} == pages
    model = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path / "model")))
    assert not [path for path in model.rglob("*") if path.name in pages]


def test_the_signature_tells_the_units_of_its_columns(registry: MlflowRegistry) -> None:
    import mlflow

    units = mlflow.models.get_model_info(log(registry, "units", "6" * 64)).metadata["units"]
    assert set(units["inputs"]) == {"jackpot", "draw_date"}
    assert units["inputs"]["jackpot"] == "units of the currency"
    assert set(units["outputs"]) == {"mean", "median", "low_90", "high_90"}


def test_no_file_of_a_model_is_a_pickle(registry: MlflowRegistry, tmp_path: Path) -> None:
    import mlflow

    uri = log(registry, "files", A)
    folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path)))
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert "model.json" in names
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib", ".cloudpickle"))]
    assert not [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:2] == b"\x80\x04"]


def test_a_champion_whose_files_are_gone_is_an_error_and_not_a_missing_champion(
    registry: MlflowRegistry, tmp_path: Path
) -> None:
    import shutil

    register(registry, "gone", A)
    registry.set_aliases("gone", {"champion": "v1"})
    assert registry._artifacts is not None
    shutil.rmtree(registry._artifacts / "gone")
    with pytest.raises(JackpotError, match="champion v1 of gone cannot be loaded"):
        registry.champion("gone")
    with pytest.raises(JackpotError, match="v1 of gone cannot be loaded"):
        registry.load("gone", "v1")


def refill(registry: MlflowRegistry, name: str, version: str, sha256: str) -> None:
    files = {"model.json": sha256.encode(), "evaluation.json": b"{}", "card.md": b"# Card"}
    registry.restore(name, version, sha256, files, {"as_of": "2026-01-01", "gates": "x", "commit": "c0ffee"})


def test_a_lost_version_returns_under_its_number_and_the_next_model_gets_none_that_was_used(
    registry: MlflowRegistry,
) -> None:
    refill(registry, "refilled", "v1", A)
    refill(registry, "refilled", "v3", C)
    assert [(note.version, note.sha256) for note in registry.versions("refilled")] == [("v1", A), ("v3", C)]
    (_, third) = registry.versions("refilled")
    assert third.tags == {"sha256": C, "as_of": "2026-01-01", "gates": "x", "commit": "c0ffee"}
    assert registry.load("refilled", "v3").files["model.json"] == C.encode()
    assert register(registry, "refilled", C, gates="x") == "v3"
    assert register(registry, "refilled", B, gates="x") == "v4"


def test_a_version_whose_number_is_taken_keeps_its_name_by_a_tag(registry: MlflowRegistry) -> None:
    for each in (A, B):
        register(registry, "deleted", each, gates="x")
    registry._client.delete_model_version("deleted", "1")
    with pytest.raises(RegistryLostError, match=r"has lost v1 of deleted.*jackpot models restore"):
        registry.set_aliases("deleted", {"previous": "v1", "champion": "v2"})
    assert [note.aliases for note in registry.versions("deleted")] == [("champion",)]
    for _ in range(2):
        refill(registry, "deleted", "v1", A)
    assert [(note.version, note.sha256) for note in registry.versions("deleted")] == [("v1", A), ("v2", B)]
    registry.set_aliases("deleted", {"champion": "v1", "previous": "v2"})
    champion = registry.champion("deleted")
    assert champion is not None
    assert (champion.version, champion.sha256) == ("v1", A)
    assert [note.aliases for note in registry.versions("deleted")] == [("champion",), ("previous",)]
    assert register(registry, "deleted", A, gates="x") == "v1"
    assert register(registry, "deleted", C, gates="x") == "v5"


def test_what_mlflow_refuses_is_an_error_that_a_week_can_go_on_without(registry: MlflowRegistry) -> None:
    with pytest.raises(RegistryLostError, match="has lost v1 of unheard-of"):
        registry.set_aliases("unheard-of", {"champion": "v1"})
    experiment = registry._client.create_experiment("thrown-away")
    registry._client.delete_experiment(experiment)
    with pytest.raises(RegistryUnreachableError, match="MLflow answers"):
        log(registry, "thrown-away", A)


def test_processes_that_open_a_new_registry_at_once_all_can(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from jackpot.adapters.mlflow_registry import MlflowRegistry;"
        "folder = Path(sys.argv[1]); print(MlflowRegistry(f'sqlite:///{folder}/new.db', folder).champion('england'))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert out.strip() == b"None", err.decode()


def test_a_damaged_registry_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 1000)
    began = time.monotonic()
    with pytest.raises(RegistryUnreachableError, match=r"mlflow\.db cannot be opened.*move it away"):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert time.monotonic() - began < 10, "MLflow itself tries it for over a minute"

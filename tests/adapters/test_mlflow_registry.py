"""The registry against a real MLflow on SQLite."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jackpot.adapters.mlflow_registry import MlflowRegistry
from jackpot.errors import JackpotError

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


def test_the_first_is_champion_where_the_place_allows_it_and_later_ones_challenge(registry: MlflowRegistry) -> None:
    assert registry.register("first", log(registry, "first", A), A, {}, bootstrap=True) == ("v1", "champion")
    assert registry.register("first", log(registry, "first", B), B, {}, bootstrap=True) == ("v2", "challenger")
    champion = registry.champion("first")
    assert champion is not None
    assert (champion.version, champion.sha256) == ("v1", A)
    assert champion.files == {"model.json": A.encode(), "evaluation.json": b"{}"}


def test_nothing_becomes_champion_unasked_elsewhere(registry: MlflowRegistry) -> None:
    assert registry.register("strict", log(registry, "strict", A), A, {}, bootstrap=False) == ("v1", "challenger")
    assert registry.champion("strict") is None


def test_the_same_model_keeps_its_version(registry: MlflowRegistry) -> None:
    for _ in range(2):
        assert registry.register("same", log(registry, "same", A), A, {}, bootstrap=True) == ("v1", "champion")
    for _ in range(2):
        assert registry.register("same", log(registry, "same", C), C, {}, bootstrap=True) == ("v2", "challenger")
    assert registry.register("same", log(registry, "same", B), B, {}, bootstrap=True) == ("v3", "challenger")
    assert registry.register("same", log(registry, "same", C), C, {}, bootstrap=True) == ("v2", "challenger")


def test_pages_lie_beside_the_run_and_in_no_model(registry: MlflowRegistry, tmp_path: Path) -> None:
    import mlflow

    pages = {"card.md": b"# Card", "evaluation.html": b"<p>"}
    uri = registry.log("pages", "run-1", A, {"model.json": b"{}"}, {}, {}, pages)
    (run,) = mlflow.search_runs(experiment_names=["pages"], output_format="list")
    shown = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "run")))
    assert {path.name: path.read_bytes() for path in shown.iterdir()} == pages
    model = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(tmp_path / "model")))
    assert not [path for path in model.rglob("*") if path.name in pages]


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

    registry.register("gone", log(registry, "gone", A), A, {}, bootstrap=True)
    assert registry._artifacts is not None
    shutil.rmtree(registry._artifacts / "gone")
    with pytest.raises(JackpotError, match="champion v1 of gone cannot be loaded"):
        registry.champion("gone")


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
    with pytest.raises(JackpotError, match=r"mlflow\.db cannot be opened.*move it away"):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)

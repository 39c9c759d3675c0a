"""The model registry in MLflow: runs, versions and aliases. Models are JSON and npz files; nothing is pickled."""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..canonical import read_folder
from ..errors import JackpotError
from ..ports import Files, RegisteredModel

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MODEL_CODE = Path(__file__).with_name("mlflow_model.py")


class MlflowRegistry:
    """MLflow 3 at a tracking URI; each name has an experiment and a registered model."""

    def __init__(self, tracking_uri: str, artifacts: Path | None) -> None:
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        import mlflow
        from mlflow.exceptions import MlflowException

        # Tens of thousands of objects that live as long as the process: walking them at exit costs 0.3 s.
        gc.freeze()
        self._missing = MlflowException
        self._mlflow = mlflow
        self._artifacts = artifacts
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        with _one_at_a_time(tracking_uri):
            try:
                self._client = mlflow.MlflowClient()
                # The first call creates or checks the tables of runs, the second those of models.
                self._client.search_experiments(max_results=1)
                self._client.search_registered_models(max_results=1)
            except Exception as error:
                raise JackpotError(
                    f"the registry {tracking_uri} cannot be opened: {str(error).splitlines()[0]}; if its file is "
                    "damaged, put a back-up there, or move it away to begin a new one"
                ) from error

    def champion(self, name: str) -> RegisteredModel | None:
        """Return the champion of a name, or None where there is none."""
        version = self._by_alias(name, "champion")
        if version is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            try:
                local = self._mlflow.artifacts.download_artifacts(
                    artifact_uri=f"models:/{name}/{version.version}", dst_path=folder
                )
                files = read_folder(Path(local) / "artifacts" / "model")
            except Exception as error:
                raise JackpotError(f"champion v{version.version} of {name} cannot be loaded: {error}") from error
        return RegisteredModel(
            f"v{version.version}", version.tags.get("sha256", ""), version.tags.get("as_of", ""), files
        )

    def log(
        self,
        name: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        pages: Files = MappingProxyType({}),
    ) -> str:
        """Log a training run with its model's files, and pages to read beside it; return MLflow's URI of the model."""
        mlflow = self._mlflow
        self._use_experiment(name)
        with mlflow.start_run(run_name=run_id, tags={"run_id": run_id, "model_sha256": sha256}):
            mlflow.log_params({key: str(value) for key, value in params.items()})
            mlflow.log_metrics(dict(metrics))
            with tempfile.TemporaryDirectory() as folder:
                model = Path(folder) / "model"
                model.mkdir()
                for file, data in files.items():
                    (model / file).write_bytes(data)
                shown = Path(folder) / "pages"
                shown.mkdir()
                for page, data in pages.items():
                    (shown / page).write_bytes(data)
                mlflow.log_artifacts(str(shown))
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    python_model=str(MODEL_CODE),
                    artifacts={"model": str(model)},
                    signature=_signature(),
                    pip_requirements=[],
                    tags={"sha256": sha256},
                )
        return str(logged.model_uri)

    def register(
        self, name: str, logged: str, sha256: str, tags: Mapping[str, str], bootstrap: bool
    ) -> tuple[str, str]:
        """Register a logged model; return its version (v3) and its alias, champion or challenger.

        A model that is registered already keeps its version. The alias is `champion` for the first where `bootstrap`
        allows it, else `challenger`; a champion keeps that alias.
        """
        version = self._by_hash(name, sha256)
        if version is None:
            try:
                self._client.create_registered_model(name)
            except self._missing as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            created = self._client.create_model_version(
                name, logged, model_id=logged.removeprefix("models:/"), tags={"sha256": sha256, **tags}
            )
            version = int(created.version)
        champion = self._by_alias(name, "champion")
        if champion is None and bootstrap:
            alias = "champion"
        elif champion is not None and int(champion.version) == version:
            return f"v{version}", "champion"
        else:
            alias = "challenger"
        self._client.set_registered_model_alias(name, alias, str(version))
        return f"v{version}", alias

    def _by_hash(self, name: str, sha256: str) -> int | None:
        """Return the newest version of a model by the hash of its files."""
        found = self._client.search_model_versions(f"name = '{name}' and tags.sha256 = '{sha256}'")
        return max((int(version.version) for version in found), default=None)

    def _by_alias(self, name: str, alias: str) -> ModelVersion | None:
        try:
            return self._client.get_model_version_by_alias(name, alias)
        except self._missing as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise JackpotError(f"the registry cannot be read: {error}") from error

    def _use_experiment(self, name: str) -> None:
        if self._artifacts is not None and self._client.get_experiment_by_name(name) is None:
            self._client.create_experiment(name, artifact_location=(self._artifacts / name).as_uri())
        self._mlflow.set_experiment(name)


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.double, "jackpot"), ColSpec(DataType.datetime, "draw_date")]),
        outputs=Schema([ColSpec(DataType.double, name) for name in ("mean", "median", "low_90", "high_90")]),
    )


@contextmanager
def _one_at_a_time(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time open a SQLite registry: two that create its tables get in each other's way."""
    if not tracking_uri.startswith("sqlite:///"):
        yield
        return
    import fcntl

    path = Path(tracking_uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

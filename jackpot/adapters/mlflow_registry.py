"""The model registry in MLflow: runs, versions and aliases. Models are JSON and npz files; nothing is pickled."""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JackpotError
from ..ports import Files, RegisteredModel

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

MODEL_CODE = Path(__file__).with_name("mlflow_model.py")


class MlflowRegistry:
    """MLflow 3 at a tracking URI; each market has an experiment and a registered model of its name."""

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
        if tracking_uri.startswith("sqlite:///"):
            Path(tracking_uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        self._client = mlflow.MlflowClient()

    def champion(self, market: str) -> RegisteredModel | None:
        """Return the market's champion, or None where there is none."""
        version = self._by_alias(market, "champion")
        if version is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            try:
                local = self._mlflow.artifacts.download_artifacts(
                    artifact_uri=f"models:/{market}/{version.version}", dst_path=folder
                )
                model = Path(local) / "artifacts" / "model"
                files = {path.name: path.read_bytes() for path in sorted(model.iterdir()) if path.is_file()}
            except Exception as error:
                raise JackpotError(f"champion v{version.version} of {market} cannot be loaded: {error}") from error
        return RegisteredModel(f"v{version.version}", version.tags["sha256"], files)

    def log(
        self,
        market: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
    ) -> str:
        """Log a training run with its model's files and return MLflow's URI of the logged model."""
        mlflow = self._mlflow
        self._use_experiment(market)
        with mlflow.start_run(run_name=run_id, tags={"market": market, "run_id": run_id, "model_sha256": sha256}):
            mlflow.log_params({key: str(value) for key, value in params.items()})
            mlflow.log_metrics(dict(metrics))
            with tempfile.TemporaryDirectory() as folder:
                model = Path(folder) / "model"
                model.mkdir()
                for name, data in files.items():
                    (model / name).write_bytes(data)
                if "evaluation.json" in files:
                    mlflow.log_artifact(str(model / "evaluation.json"))
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
        self, market: str, logged: str, sha256: str, tags: Mapping[str, str], bootstrap: bool
    ) -> tuple[str, str]:
        """Register a logged model; return its version (v3) and its alias, champion or challenger.

        A model that is registered already keeps its version. The alias is `champion` for the first where `bootstrap`
        allows it, else `challenger`; a champion keeps that alias.
        """
        champion = self._by_alias(market, "champion")
        if champion is not None and champion.tags.get("sha256") == sha256:
            return f"v{champion.version}", "champion"
        challenger = self._by_alias(market, "challenger")
        if challenger is not None and challenger.tags.get("sha256") == sha256:
            return f"v{challenger.version}", "challenger"
        try:
            self._client.create_registered_model(market)
        except self._missing as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = self._client.create_model_version(
            market, logged, model_id=logged.removeprefix("models:/"), tags={"sha256": sha256, **tags}
        )
        alias = "champion" if champion is None and bootstrap else "challenger"
        self._client.set_registered_model_alias(market, alias, created.version)
        return f"v{created.version}", alias

    def _by_alias(self, market: str, alias: str) -> ModelVersion | None:
        try:
            return self._client.get_model_version_by_alias(market, alias)
        except self._missing as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise JackpotError(f"the registry cannot be read: {error}") from error

    def _use_experiment(self, market: str) -> None:
        if self._artifacts is not None and self._client.get_experiment_by_name(market) is None:
            self._client.create_experiment(market, artifact_location=(self._artifacts / market).as_uri())
        self._mlflow.set_experiment(market)


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.double, "jackpot"), ColSpec(DataType.datetime, "draw_date")]),
        outputs=Schema([ColSpec(DataType.double, name) for name in ("mean", "median", "low_90", "high_90")]),
    )

"""The model registry in MLflow: runs, versions and aliases. Models are JSON and npz files; nothing is pickled."""

from __future__ import annotations

import datetime as dt
import gc
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ..canonical import read_folder
from ..errors import InputError, JackpotError, Problem
from ..ports import Files, RegisteredModel, RegistryLostError, RegistryUnreachableError, TrialRun, VersionNote

if TYPE_CHECKING:
    from mlflow.entities import RunInfo
    from mlflow.entities.model_registry import ModelVersion

BOUNDS: Final = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "AWS_MAX_ATTEMPTS": "3",
    "AWS_RETRY_MODE": "standard",
}
"""Time-outs in seconds, and retries: of its server, and of the S3 that it leaves artifacts in."""
VERSION_TAG: Final = "version"
"""On a version that was registered again under another number than its own: how the audit log names it."""
MODEL_CODE = Path(__file__).with_name("mlflow_model.py")


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what MLflow refuses into an error that a week can go on without."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        # The same words each time: they may stand in a recommendation.
        print(str(error).splitlines()[0], file=sys.stderr)
        raise RegistryUnreachableError(f"MLflow answers {error.error_code}") from error


class MlflowRegistry:
    """MLflow 3 at a tracking URI; each name has an experiment and a registered model."""

    def __init__(self, tracking_uri: str, artifacts: Path | None) -> None:
        # Before MLflow reads them: its own defaults wait for a server for many minutes.
        for name, value in BOUNDS.items():
            os.environ.setdefault(name, value)
        import mlflow
        from mlflow.exceptions import MlflowException

        # After the import, which sets MLflow's own level.
        for name in ("alembic", "mlflow"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # A model's signature is written here, and needs no example to be guessed from.
        warnings.filterwarnings("ignore", ".*An input example was not provided", UserWarning)
        # Tens of thousands of objects that live as long as the process: walking them at exit costs 0.3 s.
        gc.freeze()
        self._refusal = MlflowException
        self._mlflow = mlflow
        self._artifacts = artifacts
        mlflow.set_tracking_uri(tracking_uri)
        mlflow.set_registry_uri(tracking_uri)
        with _one_at_a_time(tracking_uri):
            try:
                _check_file(tracking_uri)
                self._client = mlflow.MlflowClient()
                # The first call creates or checks the tables of runs, the second those of models.
                self._client.search_experiments(max_results=1)
                self._client.search_registered_models(max_results=1)
            except Exception as error:
                way_out = (
                    "; if its file is damaged, put a back-up there, or move it away to begin a new one"
                    if tracking_uri.startswith("sqlite:")
                    else ""
                )
                raise RegistryUnreachableError(
                    f"the registry {tracking_uri} cannot be opened: {str(error).splitlines()[0]}{way_out}"
                ) from error

    def champion(self, name: str) -> RegisteredModel | None:
        """Return the champion of a name, or None where there is none."""
        version = self._by_alias(name, "champion")
        if version is None:
            return None
        try:
            return self._loaded(name, version)
        except Exception as error:
            raise JackpotError(f"champion v{version.version} of {name} cannot be loaded: {error}") from error

    def load(self, name: str, version: str) -> RegisteredModel:
        """Return a version with its files; raise InputError where there is none, JackpotError where it is damaged."""
        found = self._named(name).get(version)
        if found is None:
            raise InputError(Problem(f"{name} has no such version", found=version))
        try:
            return self._loaded(name, found)
        except Exception as error:
            raise JackpotError(f"{version} of {name} cannot be loaded: {error}") from error

    def versions(self, name: str) -> list[VersionNote]:
        """Return what is known of every version of a name, oldest first; of each its aliases, tags and metrics."""
        found = self._named(name)
        try:
            aliases = dict(self._client.get_registered_model(name).aliases) if found else {}
        except self._refusal as error:
            raise JackpotError(f"the registry cannot be read: {error}") from error
        notes = [
            VersionNote(
                version=named,
                sha256=version.tags.get("sha256", ""),
                created_at=dt.datetime.fromtimestamp(version.creation_timestamp // 1000, dt.UTC).isoformat(),
                aliases=tuple(sorted(alias for alias, held in aliases.items() if str(held) == str(version.version))),
                tags=dict(version.tags),
            )
            for named, version in found.items()
        ]
        return sorted(notes, key=lambda note: int(note.version.removeprefix("v")))

    @_in_words()
    def set_aliases(self, name: str, aliases: Mapping[str, str | None]) -> None:
        """Point each alias at a version, or at none; those that stand so already are left alone.

        Raises RegistryLostError where there is no such version, once the others are set; its alias then points at none.
        """
        numbers = {named: str(version.version) for named, version in self._named(name).items()}
        held = dict(self._client.get_registered_model(name).aliases) if numbers else {}
        for alias, wanted in aliases.items():
            number = numbers.get(wanted or "")
            if number is None and alias in held:
                self._client.delete_registered_model_alias(name, alias)
            elif number is not None and str(held.get(alias)) != number:
                self._client.set_registered_model_alias(name, alias, number)
        lost = sorted({version for version in aliases.values() if version is not None} - set(numbers))
        if lost:
            raise RegistryLostError(f"the registry has lost {', '.join(lost)} of {name}; see: jackpot models restore")

    def _named(self, name: str) -> dict[str, ModelVersion]:
        """Return a name's versions as the audit log names them: by their number, or by the tag of those put back."""
        try:
            found = list(self._client.search_model_versions(f"name = '{name}'"))
        except self._refusal as error:
            raise JackpotError(f"the registry cannot be read: {error}") from error
        # Of two that were put back at the same moment the first stands; a number that means another model gives way.
        order = sorted(found, key=lambda version: (VERSION_TAG in version.tags, -int(version.version)))
        return {_house_name(version): version for version in order}

    def _loaded(self, name: str, version: ModelVersion) -> RegisteredModel:
        with tempfile.TemporaryDirectory() as folder:
            local = self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{name}/{version.version}", dst_path=folder
            )
            files = read_folder(Path(local) / "artifacts" / "model")
        return RegisteredModel(
            _house_name(version), version.tags.get("sha256", ""), version.tags.get("as_of", ""), files
        )

    @_in_words()
    def log(
        self,
        name: str,
        run_id: str,
        sha256: str,
        files: Files,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        pages: Files = MappingProxyType({}),
        trials: Sequence[TrialRun] = (),
    ) -> str:
        """Log a training run, its model's files, pages beside it, trials under it; return MLflow's URI of the model."""
        mlflow = self._mlflow
        self._use_experiment(name)
        with mlflow.start_run(run_name=run_id, tags={"run_id": run_id, "model_sha256": sha256}) as run:
            self._log_trials(run.info, trials)
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
                    metadata={"units": _units(files)},
                    pip_requirements=[],
                    tags={"sha256": sha256},
                )
        return str(logged.model_uri)

    @_in_words()
    def register(self, name: str, logged: str, sha256: str, tags: Mapping[str, str]) -> str:
        """Register a logged model and return its version (v3); what is registered already keeps its version.

        It is the same where the model's files are, and the gates that it was judged by (`gates` among the tags).
        """
        same = self._by_tags(name, {"sha256": sha256, **{key: tags[key] for key in ("gates",) if key in tags}})
        return _house_name(same or self._create(name, logged, {**tags, "sha256": sha256}))

    @_in_words()
    def restore(self, name: str, version: str, sha256: str, files: Files, tags: Mapping[str, str]) -> None:
        """Register files again under the version (v3) that they had before the registry lost it.

        MLflow numbers versions one after the other. Numbers before this one are used up, so that no later model gets
        its name; where this one is taken, the next that is free carries the name as a tag.
        """
        pages = {file: data for file, data in files.items() if file in ("card.md", "evaluation.json")}
        logged = self.log(name, tags.get("run_id") or "restored", sha256, files, {}, {"restored": version}, pages)
        while True:
            created = self._create(name, logged, {**tags, "sha256": sha256})
            ahead = int(version.removeprefix("v")) - int(created.version)
            if ahead <= 0:
                break
            self._client.delete_model_version(name, str(created.version))
        if ahead:
            self._client.set_model_version_tag(name, str(created.version), VERSION_TAG, version)

    def _create(self, name: str, logged: str, tags: Mapping[str, str]) -> ModelVersion:
        try:
            self._client.create_registered_model(name)
        except self._refusal as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.create_model_version(
            name, logged, model_id=logged.removeprefix("models:/"), tags=dict(tags)
        )

    def _log_trials(self, parent: RunInfo, trials: Sequence[TrialRun]) -> None:
        """Log trials as nested runs, each in three calls, without asking the tracking server for anything twice."""
        from mlflow.entities import Metric, Param
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        for trial in trials:
            tags = {MLFLOW_PARENT_RUN_ID: parent.run_id, "chosen": str(trial.chosen).lower()}
            run = self._client.create_run(parent.experiment_id, parent.start_time, tags, trial.name)
            self._client.log_batch(
                run.info.run_id,
                metrics=[Metric(name, value, parent.start_time, 0) for name, value in trial.scores.items()],
                params=[Param(name, f"{value:g}") for name, value in trial.settings.items()],
            )
            self._client.set_terminated(run.info.run_id, "FINISHED", parent.start_time)

    def _by_tags(self, name: str, tags: Mapping[str, str]) -> ModelVersion | None:
        """Return the newest version that has these tags."""
        wanted = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
        found = self._client.search_model_versions(f"name = '{name}' and {wanted}")
        return max(found, key=lambda version: int(version.version), default=None)

    def _by_alias(self, name: str, alias: str) -> ModelVersion | None:
        try:
            return self._client.get_model_version_by_alias(name, alias)
        except self._refusal as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise JackpotError(f"the registry cannot be read: {error}") from error

    def _use_experiment(self, name: str) -> None:
        if self._artifacts is not None and self._client.get_experiment_by_name(name) is None:
            self._client.create_experiment(name, artifact_location=(self._artifacts / name).as_uri())
        self._mlflow.set_experiment(name)


def _house_name(version: ModelVersion) -> str:
    return str(version.tags.get(VERSION_TAG, f"v{version.version}"))


UNITS: Final = {
    "inputs": {"jackpot": "units of {currency}", "draw_date": "date of the draw in the market's time zone"},
    "outputs": dict.fromkeys(("mean", "median", "low_90", "high_90"), "units of {currency}, stakes of the draw"),
}
"""Of the signature's columns, kept as the model's metadata: MLflow's columns have a type and a name alone."""


def _units(files: Files) -> dict[str, Any]:
    """Return the units of the signature's columns, in the currency of the market file beside the model."""
    from ..market.loading import parse_market

    currency = parse_market(files["market.yaml"], "market.yaml").currency if "market.yaml" in files else "the currency"
    return {
        side: {name: unit.format(currency=currency) for name, unit in columns.items()}
        for side, columns in UNITS.items()
    }


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.double, "jackpot"), ColSpec(DataType.datetime, "draw_date")]),
        outputs=Schema([ColSpec(DataType.double, name) for name in ("mean", "median", "low_90", "high_90")]),
    )


def _check_file(tracking_uri: str) -> None:
    """Raise sqlite3.Error where a registry's file is no database: MLflow tries one for over a minute."""
    path = Path(tracking_uri.removeprefix("sqlite:///"))
    if not tracking_uri.startswith("sqlite:///") or not path.exists():
        return
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(path)) as database:
            database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise


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

"""An environment file turned into the places it names: stores, registry, cash, notifiers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..environment import Environment
from ..errors import InputError, Problem
from ..store import FolderStore, Store
from ..strict_yaml.files import CONFIGS, load_yaml, named_file, read_file, shown_path

if TYPE_CHECKING:
    from ..audit import AuditLog, Keyring
    from ..cash import Cash
    from ..history.source import Source
    from ..market.schema import Market
    from ..ports import Deployer, Notice, Notifier, Registry
    from ..promotion import Promoter
    from .kfp_client import Kubeflow


@dataclass(frozen=True)
class Places:
    """What an environment file names, opened when first used."""

    environment: Environment
    root: Path

    @cached_property
    def store(self) -> Store:
        """Where results are kept."""
        return self._open(self.environment.store, 0o644)

    @cached_property
    def restricted(self) -> Store:
        """Where cash figures and full reports are kept: finance alone may read it."""
        return self._open(self.environment.restricted_store, 0o600)

    @cached_property
    def registry(self) -> Registry:
        """The model registry, opened when it is first asked: importing MLflow takes over a second."""
        from .guarded_registry import GuardedRegistry

        settings = self.environment.registry
        uri = settings.tracking_uri
        if uri.startswith("sqlite:///"):
            uri = f"sqlite:///{self.root / uri.removeprefix('sqlite:///')}"

        def opened() -> Registry:
            from .mlflow_registry import MlflowRegistry

            return MlflowRegistry(uri, self.root / settings.artifacts if settings.artifacts else None)

        return GuardedRegistry(opened, uri)

    @cached_property
    def notifiers(self) -> tuple[Notifier, ...]:
        """Where messages about a run go."""
        return tuple(self._notifier(name) for name in self.environment.notify)

    def tell(self, notice: Notice) -> list[str]:
        """Send a message everywhere it goes; return why where it could not be sent. Nothing is raised."""
        from .notifiers import send

        return send(notice, self.notifiers)

    def _notifier(self, name: str) -> Notifier:
        from .notifiers import console, to_sns, to_store

        if name == "console":
            return console
        if name == "file":
            return to_store(self.store)

        def later(notice: Notice) -> None:
            # Opened when a message is sent: a missing token costs that message, and not the run.
            if self.environment.slack is not None and name == "slack":
                from .slack import SlackThread

                SlackThread(self.environment.slack, self.root / self.environment.slack.token, self.store)(notice)
            if self.environment.sns is not None and name == "sns":
                to_sns(self.environment.sns)(notice)

        later.__name__ = name
        return later

    @cached_property
    def deployer(self) -> Deployer:
        """What brings a model version to where it is served."""
        settings = self.environment.deployment
        if settings.kind == "kserve":
            from .deploy_kserve import KServeDeployer

            return KServeDeployer(settings, self.store, say=_say)
        from ..promotion.local import RecordDeployer

        return RecordDeployer(self.store)

    def promoter(self, market: str, model_name: str, by: str, at: str) -> Promoter:
        """Return what promotes the versions of a model name, as somebody, at a time."""
        from ..promotion import Promoter

        log, settings = self.audit(market), self.environment.approval
        return Promoter(market, model_name, log, self.registry, self.store, self.deployer, settings, by, at, _say)

    def audit(self, market: str) -> AuditLog:
        """Return a market's audit log; raise InputError where the key that signs it is missing."""
        from ..audit import AuditLog

        return AuditLog(market, *self._audit_stores, self._keyring)

    @cached_property
    def _audit_stores(self) -> tuple[Store, Store]:
        """Those of the records and of the heads, of every market."""
        settings = self.environment.audit
        return self._open(settings.store, 0o644), self._open(settings.heads, 0o644)

    @cached_property
    def _keyring(self) -> Keyring:
        from .audit_key import open_key

        settings = self.environment.audit
        return open_key(self.root / settings.key, settings.create_key, self._audit_stores)

    def kubeflow(self, host: str | None = None) -> Kubeflow:
        """Return Kubeflow's API at `host` or at the environment's address; raise InputError where neither is given."""
        from .kfp_client import Kubeflow

        settings = self.environment
        address = host or settings.kfp_host
        if not address:
            raise InputError(Problem("where is Kubeflow? give --host", where=settings.environment, field="kfp_host"))
        return Kubeflow(address, self.root / settings.kfp_token_file if settings.kfp_token_file else None)

    def read(self, uri: str) -> Source:
        """Return the bytes behind a path or an s3:// URI."""
        from .objects import read

        return read(uri)

    def past_cash(self, market: Market, uri: str, synthetic: bool) -> Cash | None:
        """Return the cash figures of a past day, or None: never those of today, which the environment has."""
        from ..cash import read_cash
        from ..simulation.history import synthetic_cash

        data = self.read(uri).data if uri else synthetic_cash(market) if synthetic and market.cash else None
        return read_cash(data, uri or "synthetic cash", market.currency) if data else None

    def cash(self, market: Market, uri: str, synthetic: bool) -> Cash | None:
        """Return the cash figures of a market, or None where it has no cash floor or the environment has no file.

        `uri` is what the user asked for; empty: the environment's own, or synthetic figures beside a synthetic
        history. Raise InputError where figures are required, or asked for, and cannot be had.
        """
        from ..cash import read_cash
        from ..simulation.history import synthetic_cash

        if uri:
            return read_cash(self.read(uri).data, uri, market.currency)
        if market.cash is None:
            return None
        if self.environment.cash_uri:
            found = self.environment.cash_uri.format(market=market.market)
            path = found if "://" in found else str(self.root / found)
            if "://" in found or Path(path).is_file():
                return read_cash(self.read(path).data, path, market.currency)
        if synthetic:
            data = synthetic_cash(market)
            return read_cash(data, "synthetic cash", market.currency) if data else None
        if self.environment.cash_required:
            raise InputError(
                Problem(
                    f"{market.market} has a cash floor, but {self.environment.environment} has no cash figures",
                    allowed=f"a JSON file at {self.environment.cash_uri}, or cash_uri as a parameter",
                )
            )
        return None

    def _open(self, uri: str, mode: int) -> Store:
        if uri.startswith("s3://"):
            from .s3_store import S3Store

            bucket, _, prefix = uri.removeprefix("s3://").partition("/")
            return S3Store(bucket, prefix)
        return FolderStore(self.root / uri, mode)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def open_places(environment: str) -> Places:
    """Return the places of an environment: a name under configs/environments/, or the path of a file.

    Raises InputError where there is no such file or it says what an environment file may not say.
    """
    path = named_file(environment, [folder / "environments" for folder in CONFIGS], "environment")
    settings = load_yaml(read_file(path), shown_path(path), Environment)
    return Places(settings, (path.resolve().parent / settings.root).resolve())

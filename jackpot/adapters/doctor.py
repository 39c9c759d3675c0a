"""What an environment needs to work, checked one by one, each with what mends it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..environment import Environment
from ..errors import JackpotError
from ..market.loading import known_markets, load_market
from .places import Places

State = Literal["ok", "warning", "failed", "skipped"]
PROBE_SECONDS: Final = 10.0
CRDS: Final = (
    "inferenceservices.serving.kserve.io",
    "servingruntimes.serving.kserve.io",
    "gateways.gateway.networking.k8s.io",
    "certificates.cert-manager.io",
    "externalsecrets.external-secrets.io",
    "servicemonitors.monitoring.coreos.com",
)
ISSUER: Final = "https://token.actions.githubusercontent.com"
RIGHTS: Final = (
    ("get", "serving.kserve.io", "inferenceservices"),
    ("patch", "serving.kserve.io", "inferenceservices"),
    ("delete", "serving.kserve.io", "inferenceservices"),
    ("list", "", "pods"),
)
"""What the deploy component does in the namespace of the models."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked; `fix` says what to do where it is not as it should be."""

    name: str
    state: State
    found: str
    fix: str = ""


def examine(places: Places, wanted: Callable[[], list[Any]]) -> Iterator[Finding]:
    """Yield a finding for each thing that the environment needs; `wanted` gives the recurring runs it should have."""
    settings = places.environment
    yield _python()
    yield from _markets(settings)
    yield _attempt("store", lambda: _listed(places.store), "create it, and let this identity read and write it")
    yield _attempt("restricted store", lambda: _listed(places.restricted), "create it, for finance's identities alone")
    yield _attempt(
        "audit log", lambda: _audited(places), "mount the key file; `jackpot audit verify` lists what was changed"
    )
    yield _attempt("registry", lambda: _registry(places), "start MLflow there, or correct registry.tracking_uri")
    yield _attempt("registered models", lambda: _registered(places), "jackpot models restore")
    yield from _cash(places)
    yield from _files(places)
    if settings.runner == "kubeflow":
        yield from _kubeflow(places, wanted)
    else:
        yield Finding("kubeflow", "skipped", "runs stay on this machine (runner: local)")
    if settings.deployment.kind == "kserve":
        yield from _cluster(settings)
    else:
        yield _attempt("served models", lambda: _served(places), "jackpot models restore")
        yield Finding("cluster", "skipped", "models are served on this machine (deployment.kind: record)")
    yield _image(settings)


def _attempt(name: str, check: Callable[[], str], fix: str) -> Finding:
    try:
        return Finding(name, "ok", check())
    except JackpotError as error:
        return Finding(name, "failed", str(error).splitlines()[0], fix)
    except Exception as error:
        return Finding(name, "failed", f"{type(error).__name__}: {error}".splitlines()[0], fix)


def _python() -> Finding:
    found = f"Python {platform.python_version()}"
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return Finding("python", "ok", found)
    return Finding("python", "failed", found, "use Python 3.11, for which the lock was made")


def _markets(settings: Environment) -> Iterator[Finding]:
    names = settings.markets or known_markets()
    for name in names:
        try:
            load_market(name)
        except JackpotError as error:
            yield Finding(f"market {name}", "failed", str(error).splitlines()[0], f"jackpot validate {name}")
            return
    yield Finding("markets", "ok", f"{len(names)} market files hold")


def _listed(store: Any) -> str:
    next(iter(store.keys("snapshots/")), None)
    return f"{store.uri('')} can be listed"


def _audited(places: Places) -> str:
    names = places.environment.markets or known_markets()
    records = 0
    for name in names:
        log = places.audit(name)
        faults = log.verify()
        if faults:
            raise JackpotError(f"{name}: record {faults[0].number}: {faults[0].what}")
        records += sum(1 for _ in log.entries())
    return f"{records} records of {len(names)} markets hold"


def _registry(places: Places) -> str:
    uri = places.environment.registry.tracking_uri
    if uri.startswith("http"):
        import httpx

        try:
            answer = httpx.get(f"{uri.rstrip('/')}/health", timeout=PROBE_SECONDS)
        except httpx.HTTPError as error:
            raise JackpotError(f"{uri} does not answer: {error}") from error
        if answer.status_code != 200:
            raise JackpotError(f"{uri}/health answers {answer.status_code}")
    places.registry.champion("doctor-asks-for-no-model")
    return f"{uri} answers"


def _registered(places: Places) -> str:
    from ..promotion.restore import lost_versions, model_names

    lost, count = [], 0
    for market in places.environment.markets or known_markets():
        log = places.audit(market)
        if not any(log.entries()):
            continue
        for name in model_names(market, log):
            notes = places.registry.versions(name)
            count += len(notes)
            lost += [f"{version.version} of {name}" for version in lost_versions(log, name, places.store, notes)]
    if lost:
        raise JackpotError(f"the registry has lost {', '.join(lost)}")
    return f"{count} versions, as the audit log and the store have them"


def _served(places: Places) -> str:
    from ..audit.files import served_faults

    names = places.environment.markets or known_markets()
    faults = [what for name in names for what in served_faults(places.audit(name), places.store)]
    if faults:
        raise JackpotError("; ".join(faults))
    return "each is the champion, or is being promoted"


def _cash(places: Places) -> Iterator[Finding]:
    settings = places.environment
    for name in settings.markets or known_markets():
        try:
            market = load_market(name).market
            if market.cash is None or not settings.cash_required:
                continue
            places.cash(market, "", False)
        except JackpotError as error:
            yield Finding(f"cash figures {name}", "failed", str(error).splitlines()[0], "mount the secret at cash_uri")
        else:
            yield Finding(f"cash figures {name}", "ok", "can be read")


def _files(places: Places) -> Iterator[Finding]:
    """The files with secrets that the environment names: there, and closed to others."""
    settings = places.environment
    named = {
        "slack token": settings.slack.token if settings.slack else None,
        "kubeflow token": settings.kfp_token_file,
        "audit key": settings.audit.key,
    }
    for name, relative in named.items():
        if relative is None:
            continue
        path = places.root / relative
        if not path.is_file() and name == "audit key" and settings.audit.create_key:
            # Where a log stands and its key does not, the finding on the log says so.
            yield Finding(name, "ok", f"{path} is made with the first record")
        elif not path.is_file():
            yield Finding(name, "failed", f"{path} is not there", "mount the secret that holds it")
        elif path.stat().st_mode & 0o007:
            yield Finding(name, "warning", f"{path} can be read by every user", f"chmod 600 {path}")
        else:
            yield Finding(name, "ok", str(path))


def _kubeflow(places: Places, wanted: Callable[[], list[Any]]) -> Iterator[Finding]:
    from ..scheduling import plan

    try:
        runs = places.kubeflow().recurring_runs()
    except JackpotError as error:
        yield Finding("kubeflow", "failed", str(error).splitlines()[0], "start it there, or correct kfp_host")
        return
    yield Finding("kubeflow", "ok", f"{places.environment.kfp_host} has {len(runs)} recurring runs")
    try:
        steps = [step for step in plan(wanted(), runs) if step.kind != "keep"]
    except JackpotError as error:
        yield Finding("schedules", "failed", str(error).splitlines()[0], "jackpot compile")
        return
    if steps:
        fix = f"jackpot schedule apply --environment {places.environment.environment}"
        yield Finding("schedules", "warning", f"{len(steps)} differ from the market files", fix)
    else:
        yield Finding("schedules", "ok", "as the market files say")


def _cluster(settings: Environment) -> Iterator[Finding]:
    from kubernetes import client, config
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError

    namespace = settings.deployment.namespace
    try:
        if os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config()
        else:
            config.load_kube_config()
        version = client.VersionApi().get_code(_request_timeout=PROBE_SECONDS).git_version
    except ConfigException as error:
        yield Finding("cluster", "failed", str(error).splitlines()[0], "aws eks update-kubeconfig --name CLUSTER")
        return
    except (ApiException, HTTPError, OSError) as error:
        yield Finding("cluster", "failed", f"no answer: {error}".splitlines()[0], "check the address and the login")
        return
    yield Finding("cluster", "ok", f"Kubernetes {version}")
    definitions = client.ApiextensionsV1Api()
    for crd in CRDS:
        try:
            definitions.read_custom_resource_definition(crd, _request_timeout=PROBE_SECONDS)
        except ApiException as error:
            if error.status == 403:
                yield Finding(f"crd {crd}", "skipped", "this identity may not look")
            else:
                yield Finding(f"crd {crd}", "failed", "not installed", "install the platform: docs/eks.md, step 4")
        else:
            yield Finding(f"crd {crd}", "ok", "installed")
    reviews = client.AuthorizationV1Api()
    for verb, group, resource in RIGHTS:
        name = f"right to {verb} {resource}"
        asked = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(
                resource_attributes=client.V1ResourceAttributes(
                    namespace=namespace, verb=verb, group=group, resource=resource
                )
            )
        )
        try:
            answer = reviews.create_self_subject_access_review(asked, _request_timeout=PROBE_SECONDS)
        except (ApiException, HTTPError) as error:
            yield Finding(name, "failed", f"cannot be asked: {error}".splitlines()[0], "check the login")
            continue
        if answer.status.allowed:
            yield Finding(name, "ok", f"in {namespace}")
        else:
            yield Finding(name, "warning", f"not in {namespace}", "needed by the deploy component's identity alone")


def _image(settings: Environment) -> Finding:
    image = os.environ.get("JACKPOT_IMAGE", "")
    if not image:
        return Finding("image", "skipped", "this does not run from an image")
    if "@sha256:" not in image:
        return Finding("image", "failed", f"{image} is not named by its digest", "deploy by digest")
    if settings.image_signer is None or shutil.which("cosign") is None:
        missing = "cosign is not on PATH" if settings.image_signer else "image_signer is not set"
        return Finding("image", "skipped", f"{image}: {missing}, so its signature was not checked")
    words = ["--certificate-oidc-issuer", ISSUER, "--certificate-identity", settings.image_signer]
    checked = subprocess.run(  # noqa: S603
        ["cosign", "verify", *words, image],  # noqa: S607
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if checked.returncode:
        return Finding("image", "failed", f"{image}: {checked.stderr.strip()[:200]}", "deploy a signed release")
    return Finding("image", "ok", f"{image} is signed by {settings.image_signer}")

"""Deployment on KServe: one InferenceService for a market, by server-side apply, rolled out as a canary.

KServe's Standard mode divides traffic by `spec.canary[]` (0.20 on, Gateway API): the stable predictor keeps its name
until the canary's versioned name takes its place. What the service is to be is applied under one field manager; a
field that somebody else owns is a conflict, which is reported and never forced.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from ..audit.turns import Version
from ..canonical import json_bytes
from ..environment import Deployment, Traffic
from ..errors import JackpotError
from ..ports import Files, Target
from ..promotion.analysis import PROBES, STEPS, Answer, faults
from ..promotion.traffic import traffic_faults
from ..promotion.verify import verify
from ..promotion.versions import roll_out_key, stored_files
from ..store import Store
from .prometheus import Prometheus

FIELD_MANAGER: Final = "jackpot-optimiser"
GROUP, VERSION, PLURAL = "serving.kserve.io", "v1beta1", "inferenceservices"
NOTE: Final = "jackpot.optimiser"
POLL_SECONDS: Final = 2.0
REQUEST_SECONDS: Final = 30.0
PROBE_SECONDS: Final = 5.0
END_SECONDS: Final = 60
"""A predictor drains for 5 s, answers what is under way for 20, and takes 24 at the worst to write what it kept."""


@dataclass(frozen=True)
class Predictor:
    """One version as a predictor of an InferenceService: its name, where its model lies, and which it is."""

    name: str
    uri: str
    version: str
    sha256: str

    def spec(self, service: str, settings: Deployment, canary: bool = False) -> dict[str, Any]:
        """Return `spec.predictor`; a canary has the stable's smallest size and no autoscaling of its own.

        KServe puts its arguments after the runtime's, so that they count: the model is called as the service is, not
        as the object (whose name has no underscore), and a server refuses files of another hash.
        """
        scale = {"minReplicas": 1} if canary else {
            "minReplicas": settings.min_replicas, "maxReplicas": settings.max_replicas
        }  # fmt: skip
        notes = {f"{NOTE}/version": self.version, f"{NOTE}/model": self.sha256}
        return {
            "name": self.name,
            "annotations": notes,
            "serviceAccountName": settings.service_account,
            "terminationGracePeriodSeconds": END_SECONDS,
            **scale,
            "model": {
                "modelFormat": {"name": "jackpot", "version": "1"},
                "runtime": settings.runtime,
                "storageUri": self.uri,
                "args": [
                    f"--model_name={service}",
                    f"--model_version={self.version}",
                    f"--model_sha256={self.sha256}",
                ],
            },
        }

    @classmethod
    def read(cls, spec: dict[str, Any]) -> Predictor:
        """Return the predictor that a live object has; one put there by hand has no version."""
        notes = spec.get("annotations") or {}
        uri = (spec.get("model") or {}).get("storageUri", "")
        return cls(spec.get("name", ""), uri, notes.get(f"{NOTE}/version", ""), notes.get(f"{NOTE}/model", ""))


class KServeDeployer:
    """Applies InferenceServices; `wait` and `clock` are those of the machine, `probes` the requests of each step.

    `say` is told, step by step, what the analysis found.
    """

    def __init__(
        self,
        settings: Deployment,
        store: Store,
        api_client: Any = None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        probes: int = PROBES,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._given = api_client
        self._wait = wait
        self._clock = clock
        self._probes = probes
        self._say = say

    def served(self, service: str) -> str | None:
        """Return the hash of the model that has all of a service's traffic; None while a canary has a share of it."""
        live = self._get(service)
        if live is None or live["spec"].get("canary"):
            return None
        return Predictor.read(live["spec"]["predictor"]).sha256 or None

    def roll_out(self, service: str, target: Target) -> None:
        """Give a service's traffic to a version: 0, 10, 50, then 100%, analysed at each step.

        The first version of a service gets all at once. What each step's analysis found is kept in the store. Raises
        JackpotError at the first step that fails.
        """
        verify(stored_files(target.prefix, self._store), target.sha256)
        new, live = self._predictor(target), self._get(service)
        stable = Predictor.read(live["spec"]["predictor"]) if live else None
        found: list[dict[str, Any]] | None = None if stable and stable.sha256 == new.sha256 else []
        under_way = {one["predictor"]["name"] for one in live["spec"].get("canary", ())} if live else set()
        if found is not None and new.name not in under_way:
            self._room(service)
        if stable is not None and found is not None:
            self._dry_run(service, stable, new)
            for percent in STEPS:
                self._apply(service, stable, (new, percent))
                self._until_ready(service, new, percent)
                if percent:
                    self._analyse(service, target, percent, found)
        self.serve(service, target)
        self._until_ready(service, new, None)
        self._analyse(service, target, 100, found)

    def serve(self, service: str, target: Target) -> None:
        """Give all of a service's traffic to a version at once."""
        self._apply(service, self._predictor(target))

    def _predictor(self, target: Target) -> Predictor:
        uri = self._store.uri(target.prefix)
        if not uri.startswith("s3://"):
            raise JackpotError(f"KServe reads models from s3://, and the store is {uri}")
        return Predictor(f"{target.version}-{target.sha256[:8]}", uri, target.version, target.sha256)

    def _manifest(self, service: str, stable: Predictor, canary: tuple[Predictor, int] | None) -> dict[str, Any]:
        spec: dict[str, Any] = {"predictor": stable.spec(service, self._settings)}
        if canary is not None:
            spec["canary"] = [
                {"predictor": canary[0].spec(service, self._settings, canary=True), "trafficPercent": canary[1]}
            ]
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "InferenceService",
            "metadata": {
                "name": _name(service),
                "namespace": self._settings.namespace,
                "labels": {"app.kubernetes.io/part-of": "jackpot-optimiser", "app.kubernetes.io/name": "predictor"},
                "annotations": {
                    "serving.kserve.io/deploymentMode": "Standard",
                    f"{NOTE}/owner": "machine-learning",
                    f"{NOTE}/purpose": f"Forecasts the sales of {service}",
                    f"{NOTE}/service": service,
                },
            },
            "spec": spec,
        }

    def _apply(
        self, service: str, stable: Predictor, canary: tuple[Predictor, int] | None = None, **options: Any
    ) -> None:
        self._call(
            f"apply {_name(service)}",
            "PATCH",
            f"/{_name(service)}",
            query=[("fieldManager", FIELD_MANAGER), ("force", "false"), *options.items()],
            body=self._manifest(service, stable, canary),
        )

    def _dry_run(self, service: str, stable: Predictor, new: Predictor) -> None:
        """Let admission and field ownership speak before anything changes."""
        self._apply(service, stable, (new, 0), dryRun="All")

    def _room(self, service: str) -> None:
        """Refuse a version whose first pod the namespace's quotas would not admit; a dry run starts none, cannot tell.

        https://kubernetes.io/docs/concepts/policy/resource-quotas/
        """
        from kubernetes.utils.quantity import parse_quantity

        space = self._settings.namespace
        quotas = self._call(f"read the quotas of {space}", "GET", "/resourcequotas", base=f"/api/v1/namespaces/{space}")
        runtime = self._call(
            f"read the runtime {self._settings.runtime}",
            "GET",
            f"/servingruntimes/{self._settings.runtime}",
            base=f"/apis/{GROUP}/v1alpha1/namespaces/{space}",
            missing=True,
        )
        # The storage initializer asks for no more than the server: tests/manifests.
        wants = {"pods": parse_quantity(1)}
        for container in ((runtime or {}).get("spec") or {}).get("containers") or ():
            for side, amounts in (container.get("resources") or {}).items():
                for resource, amount in amounts.items():
                    # A quota on `cpu` is one on `requests.cpu`.
                    for name in (f"{side}.{resource}", *([resource] if side == "requests" else ())):
                        wants[name] = wants.get(name, parse_quantity(0)) + parse_quantity(amount)
        short = []
        for quota in quotas["items"]:
            # One for some pods alone may not be for this one.
            if quota["spec"].get("scopes") or quota["spec"].get("scopeSelector"):
                continue
            used = (quota.get("status") or {}).get("used") or {}
            for name, hard in ((quota.get("status") or {}).get("hard") or {}).items():
                left = parse_quantity(hard) - parse_quantity(used.get(name, 0))
                if name in wants and left < wants[name]:
                    short.append(f"{quota['metadata']['name']}: {name} {left} left of {hard}, {wants[name]} needed")
        if short:
            raise JackpotError(
                f"there is no room for another pod of {service} in {space}, and nothing was changed: "
                f"{'; '.join(short)}. Raise the quota (manifests/base/foundation/limits.yaml), or wait for another "
                "roll-out to end"
            )

    def _get(self, service: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._call(f"read {_name(service)}", "GET", f"/{_name(service)}", missing=True)
        return found

    def _until_ready(self, service: str, new: Predictor, percent: int | None) -> None:
        """Wait until KServe says that the canary, or with None the service, is ready as applied."""
        deadline = self._clock() + self._settings.ready_seconds
        said = "KServe has not looked at it yet"
        while True:
            live = self._get(service) or {}
            status = live.get("status") or {}
            conditions = {one["type"]: one for one in status.get("conditions") or ()}
            ready = conditions.get("Ready", {})
            said = str(ready.get("message") or ready.get("reason") or said)
            if (status.get("observedGeneration") or 0) >= live.get("metadata", {}).get("generation", 1):
                canaries = {one.get("name"): one for one in status.get("canaryStatuses") or ()}
                canary = canaries.get(new.name, {})
                canary_ready = canary.get("ready") and canary.get("trafficPercent", 0) == percent
                if canary_ready if percent is not None else not canaries and ready.get("status") == "True":
                    return
            if self._clock() > deadline:
                raise JackpotError(
                    f"{new.version} was not ready after {self._settings.ready_seconds:.0f} s: {said}; "
                    f"kubectl -n {self._settings.namespace} describe inferenceservice {_name(service)}"
                )
            self._wait(POLL_SECONDS)

    def _analyse(self, service: str, target: Target, percent: int, found: list[dict[str, Any]] | None) -> None:
        """Probe the service, then, between steps, watch its real traffic; add what was found to the roll-out's record.

        In that order: what fails the probes is stopped at once, and no probe counts as traffic. A candidate has none. A
        roll-out that is only repeated (`found` is None) leaves the record as it is.
        """
        url, host = self.address(service)
        expected = _expected(target.files, self._store)
        answers = [self._probe(url, host, service, *question) for question in _spread(expected, self._probes)]
        wrong = faults(answers, target.sha256, percent)
        step: dict[str, Any] = {"percent": percent, "probes": wrong or "nothing against it"}
        limits = self._settings.traffic
        if not wrong and limits is not None and percent < 100 and service == target.market:
            step["real_traffic"], wrong = self._watch(limits, service, target.version)
        self._say(f"{service}, {target.version}: {json.dumps(step)}")
        if found is not None:
            found.append(step)
            version = Version(target.version, target.sha256)
            record = {"schema_version": "1", "service": service, "model_name": target.model_name, **version.body}
            self._store.replace(roll_out_key(service, version), json_bytes({**record, "steps": found}))
        if wrong:
            raise JackpotError(f"{target.version} was stopped at {percent}% of the traffic: {'; '.join(wrong)}")

    def _watch(self, limits: Traffic, service: str, version: str) -> tuple[str, list[str]]:
        """Return what real traffic was like for a while, in words, and what in it speaks against a version.

        Monitoring that is away or tells nonsense speaks against none, and the words say so.
        """
        self._wait(limits.seconds)
        try:
            counted = Prometheus(limits.prometheus).counted(self._settings.namespace, service, version, limits.seconds)
        except JackpotError as error:
            return f"not known, the probes alone decided: {error}", []
        few = f"; fewer than {limits.requests}, the probes alone decided" if counted.requests < limits.requests else ""
        return f"{counted}, in {limits.seconds} s{few}", traffic_faults(counted, limits)

    def address(self, service: str) -> tuple[str, str]:
        """Return where to ask a service and which host to name; the gateway alone divides traffic.

        Raises JackpotError where it has no address yet.
        """
        live = self._get(service) or {}
        own = str((live.get("status") or {}).get("url") or "")
        if not own:
            raise JackpotError(f"{_name(service)} has no address yet")
        return (self._settings.gateway or own).rstrip("/"), own.split("://", 1)[-1].rstrip("/")

    def _probe(self, url: str, host: str, name: str, jackpot: float, date: str, expected: float) -> Answer:
        body = json.dumps({"instances": [{"jackpot": jackpot, "draw_date": date}]}).encode()
        request = urllib.request.Request(  # noqa: S310
            f"{url}/v1/models/{name}:predict", body, {"Content-Type": "application/json", "Host": host}
        )
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=PROBE_SECONDS) as answer:  # noqa: S310
                told = json.load(answer)
            seconds = time.perf_counter() - began
            return Answer(str(told["model"]), seconds, abs(float(told["predictions"][0]["mean"]) / expected - 1))
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            return Answer(None, time.perf_counter() - began)

    def _call(
        self,
        what: str,
        method: str,
        path: str,
        query: list[tuple[str, str]] | None = None,
        body: Any = None,
        missing: bool = False,
        base: str | None = None,
    ) -> Any:
        """Ask the API server, of InferenceServices unless `base` says otherwise.

        Raises JackpotError with what it said and what to do.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self._client.call_api(
                (base or f"/apis/{GROUP}/{VERSION}/namespaces/{self._settings.namespace}/{PLURAL}") + path,
                method,
                query_params=query or [],
                header_params={
                    "Accept": "application/json",
                    **({"Content-Type": "application/apply-patch+yaml"} if body is not None else {}),
                },
                body=body,
                response_type="object",
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _request_timeout=REQUEST_SECONDS,
            )
        except ApiException as error:
            if missing and error.status == HTTPStatus.NOT_FOUND:
                return None
            raise JackpotError(_refused(what, self._settings.namespace, error)) from error
        except (HTTPError, OSError) as error:
            raise JackpotError(f"the cluster cannot be reached to {what}: {error}") from error

    @property
    def _client(self) -> Any:
        if self._given is None:
            from kubernetes import client, config

            try:
                config.load_config()
            except config.ConfigException as error:
                raise JackpotError(f"there is no cluster to deploy to: {error}") from error
            self._given = client.ApiClient()
        return self._given


def _refused(what: str, namespace: str, error: Any) -> str:
    try:
        status = json.loads(error.body)
    except (ValueError, TypeError):
        status = {}
    message = str(status.get("message") or error.reason)
    if error.status == HTTPStatus.CONFLICT:
        fields = [str(cause.get("field")) for cause in (status.get("details") or {}).get("causes") or ()]
        return (
            f"somebody else owns what this would change, and it was left alone ({what}): {message}; fields: "
            f"{', '.join(fields) or 'see the message'}. Give them back, or take them, with: kubectl -n {namespace} "
            f"apply --server-side --force-conflicts --field-manager={FIELD_MANAGER}"
        )
    return f"the cluster refused to {what}: {error.status} {message}"


def _name(service: str) -> str:
    return service.replace("_", "-")


def _expected(files: Files, store: Store) -> list[tuple[float, str, float]]:
    """Return (jackpot, draw date, mean sales) as the model's newest state forecasts them, as a server would."""
    from ..canonical import sha256
    from ..demand.storage import model_hash
    from ..promotion.verify import forecast_curve
    from ..steps.state import latest_state
    from ..store import MissingObjectError

    market = str(json.loads(files["gates.json"])["market"])
    used = dict(files)
    try:
        state = latest_state(market, model_hash(files), store)
        if state.snapshot != sha256(files["snapshot.parquet"]):
            used["snapshot.parquet"] = store.read(f"snapshots/{market}/{state.snapshot}.parquet")
            used["market.yaml"] = store.read(f"markets/{market}/{state.market_file}.yaml")
    except MissingObjectError:
        pass
    date, curve = forecast_curve(used)
    return [(jackpot, date, sales) for jackpot, sales in curve.items()]


def _spread(questions: list[tuple[float, str, float]], count: int) -> list[tuple[float, str, float]]:
    return [questions[position % len(questions)] for position in range(count)]

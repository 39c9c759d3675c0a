"""The contract of an environment file: all that differs between the places where the product runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from .strict_yaml.section import KeyPath, Section


class Registry(Section):
    """MLflow."""

    tracking_uri: str = Field(description="sqlite:///path, or an MLflow server's http(s) address.")
    artifacts: str | None = Field(
        default=None, description="Where a local registry keeps files; a server knows itself."
    )


class Audit(Section):
    """The audit log."""

    store: str = Field(description="A folder or s3://bucket/prefix for the records, best with Object Lock.")
    heads: str = Field(description="Another, with rights of its own: the signed length of each market's log.")
    key: str = Field(description="File with the keys that sign, one a line, the current first; mounted from a secret.")
    create_key: bool = Field(default=False, description="Whether a missing key file is made: on one's own machine.")


class Approval(Section):
    """Who may say that a model is promoted."""

    identity: Literal["local", "aws", "kubernetes"] = Field(
        default="local",
        description="Who a caller is: this machine's user (local:NAME), AWS's caller (aws:ARN), or Kubernetes' user "
        "(kubernetes:NAME).",
    )
    approvers: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        default_factory=dict,
        description="By market, `*` for those not named: people or identities, `local:*` for any user of the machine.",
    )
    people: dict[str, str] = Field(
        default_factory=dict, description="The person behind an identity: {'slack:U0123ABCD': alice}."
    )

    def person(self, identity: str) -> str:
        """Return the person behind an identity, or the identity itself."""
        return self.people.get(identity, identity)


class Slack(Section):
    """Where messages about runs go in Slack, one thread a run."""

    channel: str = Field(description="The channel's id, e.g. C0123ABCD.")
    token: str = Field(description="File with the bot's token (xoxb-..., scope chat:write); mounted from a secret.")
    api: str = Field(default="https://slack.com/api/", description="Address of Slack's Web API.")
    signing_secret: str | None = Field(
        default=None, description="File with the app's signing secret, for the approval service; mounted from a secret."
    )
    hooks: str = Field(
        default="https://hooks.slack.com/",
        description="What became of an answer is told to addresses below this alone.",
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 10


class Sns(Section):
    """An Amazon SNS topic that messages about runs are published to."""

    topic: str = Field(description="The topic's ARN.")
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 10


class Traffic(Section):
    """What the model servers' own metrics must show of real traffic before a canary gets more of it."""

    prometheus: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$")] = Field(
        description="Address of the Prometheus that has the model servers' metrics."
    )
    seconds: Annotated[int, Field(ge=30, le=600)] = Field(
        default=60, description="How long traffic is watched at each step, once the probes have ended."
    )
    requests: Annotated[int, Field(ge=1)] = Field(
        default=100, description="Requests to the canary in that time; with fewer the probes alone decide."
    )
    errors_pct: Annotated[float, Field(gt=0, lt=100)] = Field(
        default=1.0, description="Largest share of its answers with a status of 5xx, in percent."
    )
    p99_ms: Annotated[float, Field(gt=0, le=2500)] = Field(
        default=250.0, description="Largest 99% quantile of its latency, milliseconds."
    )


class Deployment(Section):
    """Where a promoted model is served."""

    kind: Literal["record", "kserve"] = Field(
        default="record",
        description="record: deployments/<market>.json in the store, which a model server follows. kserve: an "
        "InferenceService for each market.",
    )
    namespace: str = Field(default="jackpot-serving", description="Of the InferenceServices.")
    service_account: str = Field(default="predictor", description="That their pods run as; it may read the store.")
    runtime: str = Field(default="jackpot", description="The ServingRuntime.")
    min_replicas: Annotated[int, Field(ge=1, le=100)] = 2
    max_replicas: Annotated[int, Field(ge=1, le=100)] = 6
    gateway: str | None = Field(
        default=None, description="Address through which canaries are probed; none: each service's own URL."
    )
    ready_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=600.0, description="Longest wait for a version to be ready."
    )
    traffic: Traffic | None = Field(
        default=None, description="Real traffic's say in a canary's analysis; none: the probes alone decide."
    )


class SystemTest(Section):
    """What a server must keep to before its model is promoted."""

    tolerance: Annotated[float, Field(gt=0)] = Field(
        default=1e-9, description="Largest relative difference of an answer from the model's own."
    )
    draws: Annotated[int, Field(ge=1)] = Field(default=26, description="Last ordinary draws that accuracy counts.")
    wmape_pct: Annotated[float, Field(gt=0)] = Field(
        default=25.0, description="Largest error on them, in percent of their sales."
    )
    rate: Annotated[float, Field(gt=0)] = Field(default=50.0, description="Requests a second while latency is taken.")
    seconds: Annotated[float, Field(gt=0)] = Field(default=5.0, description="How long.")
    p50_ms: Annotated[float, Field(gt=0)] = Field(default=20.0, description="Largest median latency, milliseconds.")
    p95_ms: Annotated[float, Field(gt=0)] = Field(default=100.0, description="Largest 95% quantile of latency.")
    p99_ms: Annotated[float, Field(gt=0)] = Field(default=250.0, description="Largest 99% quantile of latency.")


class Console(Section):
    """The console in the browser: who someone is, and who may what. Who may approve is said under `approval`."""

    identity: Literal["local", "oidc"] = Field(
        default="local",
        description="local: this machine's user, over loopback alone; oidc: the signed token that a proxy passes on.",
    )
    header: str = Field(default="authorization", description="The header with the signed token, bare or after Bearer.")
    issuer: str | None = Field(default=None, description="Who signs: the token's `iss`.")
    audience: str | None = Field(default=None, description="For whom: the token's `aud`.")
    keys: str | None = Field(default=None, description="The signers' public keys: a JWKS file or its https address.")
    claim: str = Field(default="email", description="The claim that names the person.")
    model_link: str | None = Field(
        default=None, description="A model version's page in MLflow, with `{name}` and `{version}`, for links."
    )
    read: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        default_factory=dict, description="By market, `*` for those not named: who may look, cash apart."
    )
    decide: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        default_factory=dict, description="The same: who may also see cash figures and record decisions."
    )
    administer: dict[str, Annotated[tuple[str, ...], Field(strict=False)]] = Field(
        default_factory=dict, description="The same: who may also replay and verify."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """A token can be checked only against its signer, its audience and a key."""
        if self.identity == "oidc":
            for name in ("issuer", "audience", "keys"):
                if getattr(self, name) is None:
                    yield (name,), f"identity is oidc, so {name} is needed"


class Environment(Section):
    """An environment file. Relative paths start at `root`, which itself is relative to the file."""

    environment: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    root: str = Field(default=".", description="Where relative paths start, relative to this file.")
    store: str = Field(description="A folder or s3://bucket/prefix: snapshots, recommendations, runs.")
    restricted_store: str = Field(
        description="A folder or s3://bucket/prefix that finance alone may read: cash, reports."
    )
    registry: Registry
    audit: Audit
    approval: Approval = Field(default_factory=Approval)
    deployment: Deployment = Field(default_factory=Deployment)
    console: Console = Field(default_factory=Console)
    system_test: SystemTest = Field(default_factory=SystemTest)
    cash_uri: str | None = Field(
        default=None, description="Cash figures by market, e.g. var/cash/{market}.json; `{market}` is replaced."
    )
    cash_required: bool = Field(default=True, description="Whether a market with a cash floor may run without figures.")
    synthetic_allowed: bool = Field(default=False, description="Whether a synthetic history may be recommended on.")
    bootstrap: bool = Field(default=False, description="Whether a market's first passing model is champion unasked.")
    notify: tuple[Literal["console", "file", "slack", "sns"], ...] = Field(default=("console", "file"), strict=False)
    slack: Slack | None = None
    sns: Sns | None = None
    runner: Literal["local", "kubeflow"] = Field(
        default="local", description="Where runs that a trigger starts go: this machine, or the server at kfp_host."
    )
    kfp_host: str | None = Field(
        default=None, description="Address of the Kubeflow Pipelines API, for `jackpot submit`."
    )
    kfp_token_file: str | None = Field(
        default=None, description="File with a bearer token, where that API asks for one."
    )
    kfp_time_zone: str = Field(
        default="UTC", description="The zone in which that server reads cron expressions (cronScheduleTimezone)."
    )
    kfp_service_accounts: dict[str, str] = Field(
        default_factory=dict,
        description="The service account of a pipeline's runs, by pipeline; those not named get the server's default.",
    )
    markets: tuple[str, ...] | None = Field(
        default=None, strict=False, description="The markets that run here; left out: all under configs/markets/."
    )
    image_signer: str | None = Field(
        default=None, description="Identity in the image's signature: the release workflow's, as cosign shows it."
    )
    run_link: str | None = Field(default=None, description="A run's page, with `{run_id}`, for notifications.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Whoever is to be notified has an address."""
        for name in ("slack", "sns"):
            if name in self.notify and getattr(self, name) is None:
                yield ("notify",), f"notify names {name}, so a section `{name}` is needed"
        if self.runner == "kubeflow" and not self.kfp_host:
            yield ("runner",), "runner is kubeflow, so kfp_host is needed"

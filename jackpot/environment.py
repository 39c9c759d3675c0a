"""The contract of an environment file: all that differs between the places where the product runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .strict_yaml.section import Section


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
    cash_uri: str | None = Field(
        default=None, description="Cash figures by market, e.g. var/cash/{market}.json; `{market}` is replaced."
    )
    cash_required: bool = Field(default=True, description="Whether a market with a cash floor may run without figures.")
    synthetic_allowed: bool = Field(default=False, description="Whether a synthetic history may be recommended on.")
    bootstrap: bool = Field(default=False, description="Whether a market's first passing model is champion unasked.")
    notify: tuple[Literal["console", "file"], ...] = Field(default=("console", "file"), strict=False)
    kfp_host: str | None = Field(
        default=None, description="Address of the Kubeflow Pipelines API, for `jackpot submit`."
    )
    run_link: str | None = Field(default=None, description="A run's page, with `{run_id}`, for notifications.")
